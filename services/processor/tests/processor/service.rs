//! A whole processor on ports of its own, with a clock that the test moves, and whoever it tells.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use clock::ManualClock;
use http::{HeaderMap, Method, StatusCode};
use processor::Settings;
use serde_json::{Value, json};
use telemetry::{Telemetry, TelemetrySettings};
use testkit::http::{Answer, call, get};

/// 2026-11-22T00:00:00Z
pub(crate) const NOW_MS: u64 = 1_795_305_600_000;
pub(crate) const SECRET: &str = "psk_0123456789abcdef0123456789abcdef";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What came to the webhook's address: its headers and what it says.
pub(crate) type Told = Vec<(HeaderMap, Bytes)>;

/// Whoever is told. It answers 500 for as long as `refuse` says.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    told: Arc<Mutex<Told>>,
    refuse: Arc<Mutex<u32>>,
}

impl Receiver {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/hook", axum::routing::post(take))
            .with_state(self.clone());
        tokio::spawn(async move { _ = axum::serve(listener, router).await });
        url
    }

    pub(crate) fn told(&self) -> Told {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn types(&self) -> Vec<String> {
        let kind = |(_, body): &(HeaderMap, Bytes)| {
            let body: Value = serde_json::from_slice(body).unwrap();
            body["type"].as_str().unwrap().to_owned()
        };
        self.told().iter().map(kind).collect()
    }

    pub(crate) fn refuse(&self, times: u32) {
        *self.refuse.lock().unwrap() = times;
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    receiver.told.lock().unwrap().push((headers, body));
    let mut refuse = receiver.refuse.lock().unwrap();
    if *refuse > 0 {
        *refuse -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    StatusCode::NO_CONTENT
}

pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) admin: String,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) receiver: Receiver,
    pub(crate) folder: tempfile::TempDir,
    drain: server::Drain,
    task: tokio::task::JoinHandle<Result<(), processor::ProcessorError>>,
}

pub(crate) fn telemetry(clock: &Arc<ManualClock>) -> Telemetry {
    Telemetry::new("processor", "test", &TelemetrySettings::default(), clock.clone()).unwrap()
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(NOW_MS);
        let receiver = Receiver::default();
        let mut settings = Settings {
            database_url: Some(format!("sqlite:{}", folder.path().join("processor.db").display())),
            webhook_url: Some(receiver.start().await),
            api_secret: config::Secret::new(SECRET),
            webhook_secret: config::Secret::new(WEBHOOK_SECRET),
            fault_controls: true,
            ..Settings::default()
        };
        settings.webhooks.poll_ms = 20;
        change(&mut settings);
        let listener = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (api, admin, drain) = (listener(), listener(), server::Drain::new());
        let address = |listener: &std::net::TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let (url, admin_url) = (address(&api), address(&admin));
        let role = server::Role {
            name: "processor",
            clock: clock.clone(),
            telemetry: telemetry(&clock),
            settings: server::ServerSettings {
                drain_notice_ms: 0,
                drain_deadline_ms: 500,
                ..server::ServerSettings::default()
            },
            api,
            admin,
            drain: drain.clone(),
        };
        let task = tokio::spawn(processor::run(role, settings));
        let service = Self {
            url,
            admin: admin_url,
            clock,
            receiver,
            folder,
            drain,
            task,
        };
        let answers = async || get(format!("{}/readyz", service.admin)).try_send().await.is_ok();
        service.until("it answers", answers).await;
        service
    }

    pub(crate) async fn stop(self) {
        self.drain.begin();
        self.task.await.unwrap().unwrap();
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

    pub(crate) async fn is_ready(&self) -> bool {
        get(format!("{}/readyz", self.admin))
            .try_send()
            .await
            .is_ok_and(|answer| answer.status == StatusCode::OK)
    }

    /// Until the metrics have this line.
    pub(crate) async fn shows(&self, line: &str) {
        let shown = async || {
            let metrics = get(format!("{}/metrics", self.admin)).send().await.text();
            metrics.contains(line)
        };
        self.until(line, shown).await;
    }

    pub(crate) async fn told(&self, count: usize) {
        self.until("that many webhooks", async || self.receiver.told().len() >= count)
            .await;
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(format!("{}/v1/processor/{path}", self.url))
            .bearer(SECRET)
            .send()
            .await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        call(Method::POST, format!("{}/v1/processor/{path}", self.url))
            .bearer(SECRET)
            .header("idempotency-key", key)
            .json(body)
            .send()
            .await
    }

    pub(crate) async fn faults(&self, faults: &Value) {
        let answer = call(Method::PUT, format!("{}/v1/processor/faults", self.url))
            .bearer(SECRET)
            .json(faults)
            .send()
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }

    /// A charge that is taken at once, of 700.
    pub(crate) async fn captured(&self, reference: &str) -> Value {
        let answer = self.post("charges", reference, &charge(reference, true)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.json()
    }
}

pub(crate) fn charge(reference: &str, capture: bool) -> Value {
    json!({"amount": "700", "currency": "EUR", "method": "tok_visa", "capture": capture, "reference": reference})
}
