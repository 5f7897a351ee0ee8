//! A role in the test's own process: real sockets on free ports, tokens signed here. What is not as a test needs it panics.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on fails where it stands"
)]

use std::fmt::Debug;
use std::net::TcpListener;
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
use nats::{Nats, NatsError, NatsSettings};
use serde_json::Value;
use server::{Drain, Role, ServerSettings};
use telemetry::{Telemetry, TelemetrySettings};
use tokio::task::JoinHandle;

/// How long any condition may take to come true.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// What tokens are for.
const ISSUER: &str = "http://127.0.0.1:8080";

/// A running role, and a client of it. `E` is why it could not run.
#[derive(Debug)]
pub struct Service<E> {
    /// The role's clock.
    pub clock: SharedClock,
    /// Where its API is.
    pub base: String,
    /// Where its admin port is.
    pub admin: String,
    key: SigningKey,
    client: Client<HttpConnector, Full<Bytes>>,
    drain: Drain,
    running: JoinHandle<Result<(), E>>,
}

impl<E: Debug + Send + 'static> Service<E> {
    /// Starts `run` on free ports, with the keys that [`Service::token_for`]s are signed with. Perhaps it is not ready, now or ever.
    pub fn begin<F>(
        name: &'static str,
        clock: SharedClock,
        telemetry: &TelemetrySettings,
        run: impl FnOnce(Role, Arc<dyn FetchKeys>) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let address = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let (api, admin, drain) = (listen(), listen(), Drain::new());
        let (base, admin_base) = (address(&api), address(&admin));
        let role = Role {
            name,
            clock: Arc::clone(&clock),
            telemetry: Telemetry::new(name, "test", telemetry, Arc::clone(&clock)).unwrap(),
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
        Self {
            running: tokio::spawn(run(role, keys)),
            clock,
            base,
            admin: admin_base,
            key,
            client: Client::builder(TokioExecutor::new()).build_http(),
            drain,
        }
    }

    /// Waits until `/readyz` says so.
    pub async fn ready(&self) {
        eventually("the service is ready", async || {
            assert!(
                !self.running.is_finished(),
                "the service ended instead of getting ready"
            );
            self.is_ready().await
        })
        .await;
    }

    /// What `/readyz` says.
    pub async fn is_ready(&self) -> bool {
        let url = format!("{}/readyz", self.admin);
        let answer = self.call(Method::GET, &url, &[], Bytes::new()).await;
        answer.is_some_and(|answer| answer.status == 200)
    }

    /// Drains it, and waits until it has ended well.
    pub async fn drained(self) {
        self.drain.begin();
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        ended.expect("it drains in time").unwrap().unwrap();
    }

    /// How it ends when it cannot start.
    pub async fn failure(self) -> E {
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        ended.expect("it ends in time").unwrap().unwrap_err()
    }

    /// A token of 15 minutes.
    pub fn token_for(&self, tenant: &str, user: &str, scopes: &str) -> String {
        let principal = Principal {
            tenant: Tenant::parse(tenant).unwrap(),
            user: User::parse(user).unwrap(),
            scopes: Scopes::parse(scopes).unwrap(),
        };
        let claims = Claims::new(ISSUER, "orrery", &principal, self.clock.unix_ms() / 1_000, 900);
        self.key.sign(&claims).unwrap()
    }

    /// A request to the API.
    pub async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let url = format!("{}{path}", self.base);
        let body = Bytes::from(body.to_owned());
        self.call(method, &url, headers, body).await.expect("an answer")
    }

    /// A request with this token and, unless it is null, this JSON.
    pub async fn request_as(
        &self,
        token: &str,
        headers: &[(&str, &str)],
        method: Method,
        path: &str,
        body: &Value,
    ) -> Answer {
        let authorization = format!("Bearer {token}");
        let mut all = vec![
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        all.extend(headers);
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.request(method, path, &all, &text).await
    }

    /// An answer that goes on: its status now, and all of its body once it has ended; `None` if it was cut off.
    pub async fn open_answer(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (u16, impl Future<Output = Option<Bytes>> + Send + 'static) {
        let url = format!("{}{path}", self.base);
        let request = request(Method::GET, &url, headers, Bytes::new());
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let rest = async move { Some(body.collect().await.ok()?.to_bytes()) };
        (parts.status.as_u16(), rest)
    }

    /// A request to anywhere; `None` without a whole answer.
    pub async fn call(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Option<Answer> {
        let request = request(method, url, headers, body);
        let (parts, body) = self.client.request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }

    /// All metrics, as text.
    pub async fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.admin);
        let answer = self.call(Method::GET, &url, &[], Bytes::new()).await;
        answer.expect("metrics").text().to_owned()
    }

    /// The value of a metric, by its name and labels as they are written; 0 when it is not there.
    pub async fn metric(&self, line: &str) -> u64 {
        let metrics = self.metrics().await;
        let value = |text: &str| text.strip_prefix(line)?.trim().parse().ok();
        metrics.lines().find_map(value).unwrap_or(0)
    }
}

fn request(method: Method, url: &str, headers: &[(&str, &str)], body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body)).unwrap()
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// Its JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Its text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// A header that it may have.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Its JSON, once its status is checked.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// The status and code of the problem that it must be.
    pub fn problem(&self) -> (u16, String) {
        let kind = self.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        (self.status, problem["code"].as_str().unwrap().to_owned())
    }

    /// The code of the problem that it must be.
    pub fn code(&self) -> String {
        self.problem().1
    }

    /// The pointers of the fields that a problem names.
    pub fn pointers(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        let pointer = |error: &Value| error["pointer"].as_str().unwrap().to_owned();
        errors.iter().map(pointer).collect()
    }

    /// Whether it says that it answers an earlier request.
    pub fn is_replay(&self) -> bool {
        self.header("idempotency-replayed") == Some("true")
    }
}

/// Waits until `condition` holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let held = tokio::time::timeout(PATIENCE, holds).await;
    assert!(held.is_ok(), "never: {what}");
}

/// Deletes every stream and bucket whose name begins with the prefix of this `nats:` URL.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn delete_streams(url: &str) -> Result<(), NatsError> {
    let clock = SystemClock::shared();
    let telemetry = Telemetry::new("names", "test", &TelemetrySettings::default(), clock.clone());
    let telemetry = telemetry.expect("the defaults are good");
    let nats = Nats::connect(url, NatsSettings::default(), telemetry, clock).await?;
    let prefix = nats.prefix();
    let bucket = |name: &str| format!("$KV.{prefix}_{name}.>");
    for subject in [format!("{prefix}.>"), bucket("progress"), bucket("leases")] {
        for (name, _) in nats.streams_of(&subject).await? {
            nats.delete_stream(&name).await?;
        }
    }
    nats.close().await;
    Ok(())
}
