//! A whole issuer on ports of its own, with a clock that the test moves, and a client that knows OAuth.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clock::ManualClock;
use http::{Method, StatusCode};
use identity::{Jwks, Principal, StaticKeys, Verifier, VerifierSettings, VerifyError};
use issuer::Settings;
use sha2::{Digest as _, Sha256};
use telemetry::{Telemetry, TelemetrySettings};
use testkit::http::{Answer, call, get};
use url::Url;

/// 2026-11-22T00:00:00Z
pub(crate) const NOW_MS: u64 = 1_795_305_600_000;
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Where the gateway would be: another port than the issuer's own.
pub(crate) const PUBLIC: &str = "http://127.0.0.1:18080";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:18080/ui/callback";

pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) admin: String,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: Settings,
    pub(crate) telemetry: Telemetry,
    pub(crate) folder: tempfile::TempDir,
    drain: server::Drain,
    task: tokio::task::JoinHandle<Result<(), issuer::IssuerError>>,
}

pub(crate) fn telemetry(clock: &Arc<ManualClock>) -> Telemetry {
    Telemetry::new("issuer", "test", &TelemetrySettings::default(), clock.clone()).unwrap()
}

pub(crate) fn settings(folder: &std::path::Path) -> Settings {
    Settings {
        database_url: Some(format!("sqlite:{}", folder.join("issuer.db").display())),
        public_url: Some(PUBLIC.to_owned()),
        housekeeping_interval_ms: 100,
        api_key_secret_file: folder.join("issuer.key").display().to_string(),
        ..Settings::default()
    }
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(NOW_MS);
        let mut settings = settings(folder.path());
        change(&mut settings);
        Self::start_on(folder, clock, settings).await
    }

    /// On every address of the machine, as in a cluster.
    pub(crate) async fn start_reachable() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        Self::listening("0.0.0.0:0", folder, ManualClock::at(NOW_MS), settings).await
    }

    pub(crate) async fn start_on(
        folder: tempfile::TempDir,
        clock: Arc<ManualClock>,
        settings: Settings,
    ) -> Self {
        Self::listening("127.0.0.1:0", folder, clock, settings).await
    }

    async fn listening(
        address: &str,
        folder: tempfile::TempDir,
        clock: Arc<ManualClock>,
        settings: Settings,
    ) -> Self {
        let listener = || std::net::TcpListener::bind(address).unwrap();
        let (api, admin, drain) = (listener(), listener(), server::Drain::new());
        let address = |listener: &std::net::TcpListener| {
            format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port())
        };
        let (url, admin_url) = (address(&api), address(&admin));
        let telemetry = telemetry(&clock);
        let role = server::Role {
            name: "issuer",
            clock: clock.clone(),
            telemetry: telemetry.clone(),
            settings: server::ServerSettings {
                drain_notice_ms: 0,
                ..server::ServerSettings::default()
            },
            api,
            admin,
            drain: drain.clone(),
        };
        let task = tokio::spawn(issuer::run(role, settings.clone()));
        let service = Self {
            url,
            admin: admin_url,
            clock,
            settings,
            telemetry,
            folder,
            drain,
            task,
        };
        service
            .until("it answers", async || {
                service.get("/.well-known/jwks.json").await.is_ok()
            })
            .await;
        service
    }

    /// Ends it in order and leaves folder, clock and settings for another start.
    pub(crate) async fn stop(self) -> (tempfile::TempDir, Arc<ManualClock>, Settings) {
        self.drain.begin();
        self.task.await.unwrap().unwrap();
        (self.folder, self.clock, self.settings)
    }

    /// The same file, as another program would open it.
    pub(crate) async fn open_again(&self) -> sql::Sqlite {
        let (settings, clock) = (sql::SqliteSettings::default(), self.clock.clone());
        let file = self.folder.path().join("issuer.db");
        sql::Sqlite::open(file, settings, self.telemetry.clone(), clock)
            .await
            .unwrap()
    }

    /// Runs a statement on the database behind the service's back.
    pub(crate) async fn sql(&self, statement: &'static str) {
        let sql = self.open_again().await;
        sql.write("behind_the_back", |tx| {
            sql::scoped(async move {
                sqlx::query(statement).execute(&mut *tx).await?;
                Ok::<_, sql::SqlError>(())
            })
        })
        .await
        .unwrap();
    }

    /// The registry, as `orrery key` opens it beside the running service.
    pub(crate) async fn credentials(&self) -> issuer::Credentials {
        let clock: clock::SharedClock = self.clock.clone();
        issuer::Credentials::open(&self.settings, &self.telemetry, &clock)
            .await
            .unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, String> {
        get(format!("{}{path}", self.url)).try_send().await
    }

    pub(crate) async fn until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let waiting = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// A query that passes, with some names set otherwise (`""` leaves one out).
    pub(crate) fn query(changes: &[(&str, &str)]) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let good = [
            ("response_type", "code"),
            ("client_id", "orrery-gateway"),
            ("redirect_uri", CALLBACK),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("scope", "openid links:read links:write"),
            ("state", "xyz"),
            ("nonce", "n-0S6"),
        ];
        let instead = |name: &str| {
            changes
                .iter()
                .find(|change| change.0 == name)
                .map(|change| change.1)
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in good {
            match instead(name) {
                Some("") => {}
                Some(other) => drop(query.append_pair(name, other)),
                None => drop(query.append_pair(name, value)),
            }
        }
        query.finish()
    }

    pub(crate) async fn page(&self, query: &str) -> Answer {
        self.get(&format!("/oauth2/authorize?{query}")).await.unwrap()
    }

    /// The hidden fields of a page, as a browser would send them back.
    pub(crate) fn hidden(page: &Answer) -> Vec<(String, String)> {
        let attribute = |tag: &str, name: &str| {
            let after = tag.split(&format!("{name}=\"")).nth(1)?;
            let raw = after.split('"').next()?;
            Some(
                raw.replace("&amp;", "&")
                    .replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&quot;", "\""),
            )
        };
        page.text()
            .split("<input type=\"hidden\"")
            .skip(1)
            .map(|tag| tag.split('>').next().unwrap())
            .map(|tag| (attribute(tag, "name").unwrap(), attribute(tag, "value").unwrap()))
            .collect()
    }

    pub(crate) async fn send_form(&self, fields: &[(String, String)], headers: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let mut call = call(Method::POST, format!("{}/oauth2/authorize", self.url))
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            call = call.header(name, value);
        }
        call.bytes(body).send().await
    }

    /// Fills the form of a page in and sends it, as a browser behind the gateway would.
    pub(crate) async fn submit(&self, page: &Answer, tenant: &str, user: &str, grants: &[&str]) -> Answer {
        let mut fields = Self::hidden(page);
        fields.push(("tenant".into(), tenant.into()));
        fields.push(("user".into(), user.into()));
        fields.extend(
            grants
                .iter()
                .map(|grant| ("grant".to_owned(), (*grant).to_owned())),
        );
        self.send_form(&fields, &[("origin", PUBLIC), ("sec-fetch-site", "same-origin")])
            .await
    }

    /// Signs Ada of acme in and gives the code.
    pub(crate) async fn code(&self) -> String {
        let page = self.page(&Self::query(&[])).await;
        let sent = self
            .submit(&page, "acme", "ada", &["links:read", "links:write"])
            .await;
        Self::parameter(&sent, "code")
    }

    /// A parameter of the address an answer leads to.
    pub(crate) fn parameter(answer: &Answer, name: &str) -> String {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        let url = Url::parse(answer.header("location")).unwrap();
        assert!(url.as_str().starts_with(CALLBACK));
        url.query_pairs()
            .find(|pair| pair.0 == name)
            .map(|pair| pair.1.into_owned())
            .unwrap_or_default()
    }

    pub(crate) async fn exchange(&self, fields: &[(&str, &str)]) -> Answer {
        self.exchange_as(None, fields).await
    }

    /// A token request with an `Authorization` header.
    pub(crate) async fn exchange_as(&self, authorization: Option<&str>, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let mut request = call(Method::POST, format!("{}/oauth2/token", self.url))
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        request.bytes(body).send().await
    }

    pub(crate) async fn exchange_code(&self, code: &str) -> Answer {
        self.exchange(&Self::exchange_fields(code)).await
    }

    pub(crate) fn exchange_fields(code: &str) -> [(&str, &str); 5] {
        [
            ("grant_type", "authorization_code"),
            ("client_id", "orrery-gateway"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ]
    }

    pub(crate) async fn keys(&self) -> Jwks {
        let answer = self.get("/.well-known/jwks.json").await.unwrap();
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// As any role would: by the published keys of this moment.
    pub(crate) async fn verify(&self, token: &str) -> Result<Principal, VerifyError> {
        let settings = VerifierSettings {
            issuer: PUBLIC.to_owned(),
            ..VerifierSettings::default()
        };
        Verifier::new(
            settings,
            Arc::new(StaticKeys(self.keys().await)),
            self.clock.clone(),
        )
        .verify(token)
        .await
    }
}
