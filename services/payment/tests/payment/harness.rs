//! The service in this process: real sockets on free ports, data of its own, tokens signed here.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clock::{ManualClock, SharedClock, SystemClock};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use identity::{Claims, Jwks, Principal, Scopes, SigningKey, StaticKeys, Tenant, User};
use payment::{RunError, Settings};
use serde_json::{Value, json};
use server::{Drain, Role, ServerSettings};
use telemetry::{Telemetry, TelemetrySettings};
use tokio::task::JoinHandle;

use crate::engines::Folder;

/// How long any condition may take to come true.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// What tokens are for.
const ISSUER: &str = "http://127.0.0.1:8080";
const ALL_SCOPES: &str = "ledger:read ledger:write payments:read payments:write";

/// Processes on the same data must not give the same key to different requests.
static KEYS: AtomicU64 = AtomicU64::new(0);

/// A running payment service.
pub(crate) struct Service {
    pub(crate) clock: SharedClock,
    pub(crate) folder: Arc<Folder>,
    pub(crate) base: String,
    pub(crate) admin: String,
    key: SigningKey,
    client: Client<HttpConnector, Full<Bytes>>,
    drain: Drain,
    running: JoinHandle<Result<(), RunError>>,
}

/// How a service is to be started.
pub(crate) struct Setup {
    pub(crate) clock: SharedClock,
    pub(crate) folder: Arc<Folder>,
    pub(crate) settings: Settings,
    /// Whether the clock is a test's own, which a server's need not agree with.
    is_manual: bool,
}

impl Setup {
    /// On data of its own.
    pub(crate) fn new() -> Self {
        Self::at(Folder::fresh())
    }

    /// Where another one has its data, or left it.
    pub(crate) fn at(folder: Arc<Folder>) -> Self {
        Self {
            clock: SystemClock::shared(),
            settings: folder.settings(),
            folder,
            is_manual: false,
        }
    }

    pub(crate) fn clock(mut self, clock: &Arc<ManualClock>) -> Self {
        self.clock = clock.clone();
        self.is_manual = true;
        self
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Started and ready.
    pub(crate) async fn start(self) -> Service {
        if self.is_manual {
            self.folder.trust_clocks(&self.settings).await;
        }
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (api, admin, drain) = (listen(), listen(), Drain::new());
        let base = format!("http://{}", api.local_addr().unwrap());
        let admin_base = format!("http://{}", admin.local_addr().unwrap());
        let telemetry = TelemetrySettings::default();
        let role = Role {
            name: "payment",
            clock: Arc::clone(&self.clock),
            telemetry: Telemetry::new("payment", "test", &telemetry, Arc::clone(&self.clock)).unwrap(),
            settings: ServerSettings {
                drain_notice_ms: 0,
                ..ServerSettings::default()
            },
            api,
            admin,
            drain: drain.clone(),
        };
        let key = SigningKey::generate();
        let keys = Arc::new(StaticKeys(Jwks::of([&key])));
        let (settings, folder) = (self.settings, Arc::clone(&self.folder));
        let running = async move {
            // The data is there while it is used.
            let _folder = folder;
            payment::run_with_keys(role, settings, keys).await
        };
        let service = Service {
            running: tokio::spawn(running),
            clock: self.clock,
            folder: self.folder,
            base,
            admin: admin_base,
            key,
            client: Client::builder(TokioExecutor::new()).build_http(),
            drain,
        };
        service.ready().await;
        service
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The status and code of the problem this must be.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        (self.status, problem["code"].as_str().unwrap().to_owned())
    }

    /// The pointers of the fields that a problem names.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Whether it says that it answers an earlier request.
    pub(crate) fn is_replay(&self) -> bool {
        self.header("idempotency-replayed") == Some("true")
    }

    /// Its JSON, once its status is checked.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }
}

impl Service {
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    async fn ready(&self) {
        eventually("the service is ready", async || {
            assert!(
                !self.running.is_finished(),
                "the service ended instead of getting ready"
            );
            let url = format!("{}/readyz", self.admin);
            let answer = self.call(Method::GET, &url, &[], Bytes::new()).await;
            answer.is_some_and(|answer| answer.status == 200)
        })
        .await;
    }

    /// Drains it, and gives what another start needs.
    pub(crate) async fn stop(self) -> Arc<Folder> {
        self.drain.begin();
        let ended = tokio::time::timeout(PATIENCE, self.running)
            .await
            .expect("it drains in time");
        ended.unwrap().unwrap();
        self.folder
    }

    /// A token with every scope.
    pub(crate) fn token(&self, tenant: &str) -> String {
        self.token_for(tenant, "ada", ALL_SCOPES)
    }

    pub(crate) fn token_for(&self, tenant: &str, user: &str, scopes: &str) -> String {
        let principal = Principal {
            tenant: Tenant::parse(tenant).unwrap(),
            user: User::parse(user).unwrap(),
            scopes: Scopes::parse(scopes).unwrap(),
        };
        let claims = Claims::new(ISSUER, "orrery", &principal, self.clock.unix_ms() / 1_000, 900);
        self.key.sign(&claims).unwrap()
    }

    /// A request of tenant `acme`, with a key of its own where it is a POST.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send_as(&self.token("acme"), method, path, body).await
    }

    pub(crate) async fn send_as(&self, token: &str, method: Method, path: &str, body: &Value) -> Answer {
        let key = format!("key-{}", KEYS.fetch_add(1, Ordering::Relaxed));
        let key = (method == Method::POST).then_some(key);
        self.send_under(token, key.as_deref(), method, path, body).await
    }

    pub(crate) async fn send_under(
        &self,
        token: &str,
        key: Option<&str>,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Answer {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let authorization = format!("Bearer {token}");
        let mut headers = vec![
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        self.request(method, path, &headers, &text).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &body).await
    }

    /// A POST of tenant `acme` under this key.
    pub(crate) async fn post_under(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.send_under(&self.token("acme"), Some(key), Method::POST, path, body)
            .await
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let url = format!("{}{path}", self.base);
        self.call(method, &url, headers, Bytes::from(body.to_owned()))
            .await
            .expect("an answer")
    }

    async fn call(&self, method: Method, url: &str, headers: &[(&str, &str)], body: Bytes) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        let (parts, body) = self.client.request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }

    /// The value of a metric on the admin port; 0 when it is not there.
    pub(crate) async fn metric(&self, line: &str) -> u64 {
        let url = format!("{}/metrics", self.admin);
        let answer = self.call(Method::GET, &url, &[], Bytes::new()).await.unwrap();
        let found = answer
            .text()
            .lines()
            .find_map(|text| text.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or(0)
    }

    /// Opens an account with this id, which stays at zero or above unless it is an asset.
    pub(crate) async fn open(&self, id: u64, kind: &str, currency: &str) {
        let body = json!({
            "id": id.to_string(), "kind": kind, "currency": currency, "not_below_zero": kind != "asset",
        });
        self.post("/v1/accounts", body).await.expect(201);
    }

    /// The bank (an asset, 1000) and the wallets 1001, 1002 and 1003, all in EUR; 1001 has 10.00, which came from the bank.
    pub(crate) async fn open_books(&self) {
        self.open(1000, "asset", "EUR").await;
        for id in 1001..=1003 {
            self.open(id, "liability", "EUR").await;
        }
        self.post("/v1/transfers", transfer(1000, 1001, "1000"))
            .await
            .expect(201);
    }

    /// What an account has now: posted, held to go out, available.
    pub(crate) async fn balance(&self, id: u64) -> (String, String, String) {
        let balance = self.get(&format!("/v1/accounts/{id}/balance")).await.expect(200);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            text(&balance["posted"]),
            text(&balance["pending"]["out"]),
            text(&balance["available"]),
        )
    }

    /// What all of `acme` has: anything that moved shows in it.
    pub(crate) async fn everything(&self) -> Vec<Value> {
        let mut seen = Vec::new();
        let accounts = self.get("/v1/accounts?limit=200").await.expect(200);
        for account in accounts["items"].as_array().unwrap() {
            let id = account["id"].as_str().unwrap();
            let mut balance = self.get(&format!("/v1/accounts/{id}/balance")).await.expect(200);
            balance.as_object_mut().unwrap().remove("as_of");
            seen.push(balance);
        }
        seen.push(self.get("/v1/holds").await.expect(200));
        seen
    }

    /// That debits equal credits in every currency of `acme`.
    pub(crate) async fn is_balanced(&self) {
        let totals = self.get("/v1/trial-balance").await.expect(200);
        for total in totals["totals"].as_array().unwrap() {
            assert_eq!(total["balanced"], true, "{totals}");
        }
    }
}

/// A transfer in EUR. A wallet is credited to fill it and debited to empty it.
pub(crate) fn transfer(debited: u64, credited: u64, amount: &str) -> Value {
    json!({
        "debit_account_id": debited.to_string(), "credit_account_id": credited.to_string(),
        "amount": amount, "currency": "EUR",
    })
}

/// Waits until `condition` holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, holds).await.is_ok(),
        "never: {what}"
    );
}
