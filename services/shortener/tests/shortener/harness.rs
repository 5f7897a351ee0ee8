//! The service in this process: real sockets on free ports, data of its own, tokens signed here.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clock::{SharedClock, SystemClock};
use http::Method;
use identity::FetchKeys;
use serde_json::Value;
use shortener::{RunError, Settings};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use telemetry::TelemetrySettings;
pub(crate) use testkit::service::{Answer, PATIENCE, eventually};

use crate::engines::Folder;

const ALL_SCOPES: &str = "links:read links:write";

/// Operations of whoever makes statistics of clicks.
const COUNTING: [&str; 3] = [
    "\"put_statistics\"",
    "\"find_statistics_head\"",
    "\"find_statistics_pages\"",
];

/// A running shortener.
pub(crate) struct Service {
    pub(crate) folder: Arc<Folder>,
    running: testkit::service::Service<RunError>,
}

impl Deref for Service {
    type Target = testkit::service::Service<RunError>;

    fn deref(&self) -> &Self::Target {
        &self.running
    }
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
        let (settings, folder, given) = (self.settings, Arc::clone(&self.folder), self.keys);
        let run = |role, keys| async move {
            // Nobody else has the data while it is used.
            let _folder = folder;
            shortener::run_with_keys(role, settings, given.unwrap_or(keys)).await
        };
        Service {
            running: testkit::service::Service::begin("shortener", self.clock, &self.telemetry, run),
            folder: self.folder,
        }
    }
}

impl Service {
    pub(crate) async fn start() -> Self {
        Setup::new().await.start().await
    }

    /// Drains it, and gives what another start needs.
    pub(crate) async fn stop(self) -> (Arc<Folder>, SharedClock) {
        let clock = Arc::clone(&self.clock);
        self.running.drained().await;
        (self.folder, clock)
    }

    pub(crate) async fn restart(self) -> Self {
        let (folder, clock) = self.stop().await;
        Setup::at(folder).clock(clock).start().await
    }

    /// How a service ends that cannot start.
    pub(crate) async fn failure(self) -> RunError {
        self.running.failure().await
    }

    /// A token with every scope.
    pub(crate) fn token(&self, tenant: &str) -> String {
        self.token_for(tenant, "ada", ALL_SCOPES)
    }

    /// A request with a token of tenant `acme`.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send_as(&self.token("acme"), method, path, body).await
    }

    pub(crate) async fn send_as(&self, token: &str, method: Method, path: &str, body: &Value) -> Answer {
        self.request_as(token, &[], method, path, body).await
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

    /// A request of tenant `acme` with a body of any bytes.
    pub(crate) async fn send_bytes(&self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Answer {
        let authorization = format!("Bearer {}", self.token("acme"));
        let headers = [("authorization", authorization.as_str()), ("content-type", kind)];
        let url = format!("{}{path}", self.base);
        self.call(method, &url, &headers, body.into())
            .await
            .expect("an answer")
    }

    pub(crate) async fn request_at(&self, method: Method, url: &str) -> Answer {
        self.call(method, url, &[], Bytes::new())
            .await
            .expect("an answer")
    }

    /// How often adding clicks to the counts has failed.
    pub(crate) async fn failed_counts(&self) -> u64 {
        let metrics = self.metrics().await;
        let tries = metrics.lines().filter_map(|line| {
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
