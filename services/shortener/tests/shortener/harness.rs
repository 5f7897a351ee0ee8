//! The service in this process: real sockets on free ports, data of its own, tokens signed here.

use std::future::Future;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clock::{SharedClock, SystemClock};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use identity::{Claims, FetchKeys, Jwks, Principal, Scopes, SigningKey, StaticKeys, Tenant, User};
use serde_json::Value;
use server::{Drain, Role, ServerSettings};
use shortener::{RunError, Settings};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use telemetry::{Telemetry, TelemetrySettings};
use tokio::task::JoinHandle;

use crate::engines::Folder;

/// How long any condition may take to come true.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// What tokens are for.
const ISSUER: &str = "http://127.0.0.1:8080";
const ALL_SCOPES: &str = "links:read links:write";

/// Operations of whoever makes statistics of clicks.
const COUNTING: [&str; 3] = [
    "\"put_statistics\"",
    "\"find_statistics_head\"",
    "\"find_statistics_pages\"",
];

/// A running shortener.
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
    pub(crate) telemetry: TelemetrySettings,
    /// The issuer's keys; those that the service's tokens are signed with, unless given.
    pub(crate) keys: Option<Arc<dyn FetchKeys>>,
}

impl Setup {
    /// On data of its own.
    pub(crate) async fn new() -> Self {
        Self::at(Folder::fresh().await)
    }

    /// Where another one has left its data.
    pub(crate) fn at(folder: Arc<Folder>) -> Self {
        Self {
            clock: SystemClock::shared(),
            settings: folder.settings(),
            folder,
            telemetry: TelemetrySettings::default(),
            keys: None,
        }
    }

    pub(crate) fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn keys(mut self, keys: Arc<dyn FetchKeys>) -> Self {
        self.keys = Some(keys);
        self
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub(crate) async fn start(self) -> Service {
        let service = self.begin();
        service.ready().await;
        service
    }

    /// Started, but perhaps not ready, now or ever.
    pub(crate) fn begin(self) -> Service {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (api, admin, drain) = (listen(), listen(), Drain::new());
        let base = format!("http://{}", api.local_addr().unwrap());
        let admin_base = format!("http://{}", admin.local_addr().unwrap());
        let role = Role {
            name: "shortener",
            clock: Arc::clone(&self.clock),
            telemetry: Telemetry::new("shortener", "test", &self.telemetry, Arc::clone(&self.clock)).unwrap(),
            settings: ServerSettings {
                drain_notice_ms: 0,
                ..ServerSettings::default()
            },
            api,
            admin,
            drain: drain.clone(),
        };
        let key = SigningKey::generate();
        let keys = self
            .keys
            .unwrap_or_else(|| Arc::new(StaticKeys(Jwks::of([&key]))));
        let (settings, folder) = (self.settings, Arc::clone(&self.folder));
        let running = async move {
            // Nobody else has the data while it is used.
            let _folder = folder;
            shortener::run_with_keys(role, settings, keys).await
        };
        Service {
            running: tokio::spawn(running),
            clock: self.clock,
            folder: self.folder,
            base,
            admin: admin_base,
            key,
            client: Client::builder(TokioExecutor::new()).build_http(),
            drain,
        }
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

    /// The code of the problem this must be.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        problem["code"].as_str().unwrap().to_owned()
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
}

impl Service {
    pub(crate) async fn start() -> Self {
        Setup::new().await.start().await
    }

    pub(crate) async fn ready(&self) {
        eventually("the service is ready", async || {
            assert!(
                !self.running.is_finished(),
                "the service ended instead of getting ready"
            );
            self.is_ready().await
        })
        .await;
    }

    pub(crate) async fn is_ready(&self) -> bool {
        let url = format!("{}/readyz", self.admin);
        self.call(Method::GET, &url, &[], Bytes::new())
            .await
            .is_some_and(|answer| answer.status == 200)
    }

    /// Drains it, and gives what another start needs.
    pub(crate) async fn stop(self) -> (Arc<Folder>, SharedClock) {
        self.drain.begin();
        let ended = tokio::time::timeout(PATIENCE, self.running)
            .await
            .expect("it drains in time");
        ended.unwrap().unwrap();
        (self.folder, self.clock)
    }

    pub(crate) async fn restart(self) -> Self {
        let (folder, clock) = self.stop().await;
        Setup::at(folder).clock(clock).start().await
    }

    /// How a service ends that cannot start.
    pub(crate) async fn failure(self) -> RunError {
        tokio::time::timeout(PATIENCE, self.running)
            .await
            .unwrap()
            .unwrap()
            .unwrap_err()
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

    /// A request with a token of tenant `acme`.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send_as(&self.token("acme"), method, path, body).await
    }

    pub(crate) async fn send_as(&self, token: &str, method: Method, path: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {token}");
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        self.request(method, path, &headers, &text).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, &[], "").await
    }

    /// Makes a link and gives its JSON.
    pub(crate) async fn make(&self, body: Value) -> Value {
        let answer = self.send(Method::POST, "/v1/links", &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
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

    /// A request of tenant `acme` with a body of any bytes.
    pub(crate) async fn send_bytes(&self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Answer {
        let authorization = format!("Bearer {}", self.token("acme"));
        let headers = [("authorization", authorization.as_str()), ("content-type", kind)];
        let url = format!("{}{path}", self.base);
        self.call(method, &url, &headers, body.into())
            .await
            .expect("an answer")
    }

    /// An answer that goes on: its status now, and all of its body once it has ended; `None` if it was cut off.
    pub(crate) async fn open(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (u16, Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>) {
        let mut request = Request::get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::new())).unwrap();
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let rest = async move { Some(body.collect().await.ok()?.to_bytes()) };
        (parts.status.as_u16(), Box::pin(rest))
    }

    pub(crate) async fn request_at(&self, method: Method, url: &str) -> Answer {
        self.call(method, url, &[], Bytes::new())
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

    /// How often adding clicks to the counts has failed.
    pub(crate) async fn failed_counts(&self) -> u64 {
        let url = format!("{}/metrics", self.admin);
        let answer = self.request_at(Method::GET, &url).await;
        let tries = answer.text().lines().filter_map(|line| {
            let labels = line.strip_prefix("db_client_operation_duration_seconds_count{")?;
            let counts = COUNTING.iter().any(|operation| labels.contains(operation));
            let failed = counts && !labels.contains("outcome=\"ok\"");
            failed.then(|| line.rsplit(' ').next()?.parse::<u64>().ok())?
        });
        tries.sum()
    }

    /// Waits until a link of `acme` has this many clicks.
    pub(crate) async fn clicked(&self, code: &str, clicks: u64) -> Value {
        let mut last = Value::Null;
        for _ in 0..400 {
            last = self
                .send(Method::GET, &format!("/v1/links/{code}"), &Value::Null)
                .await
                .json();
            if last["clicks"].as_u64() >= Some(clicks) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert_eq!(last["clicks"], clicks, "{last}");
        last
    }
}

/// Runs a statement on a database beside the service.
pub(crate) async fn execute(path: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// A database whose write lock somebody else holds.
pub(crate) struct Blocked(SqliteConnection);

impl Blocked {
    pub(crate) async fn new(path: PathBuf) -> Self {
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .connect()
            .await
            .unwrap();
        lock(&mut connection).await;
        Self(connection)
    }

    pub(crate) async fn release(mut self) {
        sqlx::query("ROLLBACK").execute(&mut self.0).await.unwrap();
        self.0.close().await.unwrap();
    }
}

/// Takes the lock between two writes of the service.
async fn lock(connection: &mut SqliteConnection) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while let Err(error) = sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await {
        assert!(tokio::time::Instant::now() < deadline, "{error}");
    }
}

/// Polls a condition until it holds, or fails after [`PATIENCE`].
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
