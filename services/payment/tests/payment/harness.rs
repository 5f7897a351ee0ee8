//! The service in this process: real sockets on free ports, data of its own, tokens signed here.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clock::{ManualClock, SharedClock, SystemClock};
use http::Method;
use payment::{RunError, Settings};
use serde_json::{Value, json};
use telemetry::TelemetrySettings;
pub(crate) use testkit::service::{Answer, eventually};

use crate::engines::Folder;

const ALL_SCOPES: &str = "ledger:read ledger:write payments:read payments:write";

/// Processes on the same data must not give the same key to different requests.
static KEYS: AtomicU64 = AtomicU64::new(0);

/// A running payment service.
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
        let (settings, folder) = (self.settings, Arc::clone(&self.folder));
        let run = |role, keys| async move {
            // The data is there while it is used.
            let _folder = folder;
            payment::run_with_keys(role, settings, keys).await
        };
        let telemetry = TelemetrySettings::default();
        let service = Service {
            running: testkit::service::Service::begin("payment", self.clock, &telemetry, run),
            folder: self.folder,
        };
        service.ready().await;
        service
    }
}

impl Service {
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    /// Drains it, and gives what another start needs.
    pub(crate) async fn stop(self) -> Arc<Folder> {
        self.running.drained().await;
        self.folder
    }

    /// A token with every scope.
    pub(crate) fn token(&self, tenant: &str) -> String {
        self.token_for(tenant, "ada", ALL_SCOPES)
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
        let headers: Vec<_> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        self.request_as(token, &headers, method, path, body).await
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
