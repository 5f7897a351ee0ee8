//! A whole service that pays, beside a stand-in of the processor whose faults each payment's token asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use clock::{SharedClock, SystemClock};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use identity::{Claims, Jwks, Principal, Scopes, SigningKey, StaticKeys, Tenant, User};
use payment::Settings;
use serde_json::{Value, json};
use server::{Drain, Json, Path as Segment, Query, Role, ServerSettings};
use telemetry::{Telemetry, TelemetrySettings};
use tokio::runtime::{Builder, Runtime};
use tracing::Dispatch;

use crate::engines::Folder;

/// How long any condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);
const ISSUER: &str = "http://127.0.0.1:8080";

/// A charge at the stand-in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Charge {
    reference: String,
    amount: i64,
    status: &'static str,
    captured: i64,
    refunded: i64,
    /// What goes wrong, once each: `(operation, fault)`.
    faults: BTreeSet<(String, String)>,
    /// What was answered under a key.
    keys: BTreeMap<String, (u16, Value)>,
    /// How often each operation was asked for.
    pub(crate) asked: BTreeMap<String, u32>,
}

impl Charge {
    pub(crate) fn net(&self) -> i64 {
        self.captured - self.refunded
    }

    pub(crate) fn status(&self) -> &'static str {
        self.status
    }

    fn body(&self, id: &str) -> Value {
        json!({
            "id": id, "reference": self.reference, "amount": self.amount.to_string(), "currency": "EUR", "status": self.status,
            "captured_amount": self.captured.to_string(), "refunded_amount": self.refunded.to_string(),
        })
    }
}

/// The stand-in. It speaks the processor's API and keeps its promises, but for the faults.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stub {
    charges: Arc<Mutex<BTreeMap<String, Charge>>>,
    settlements: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Stub {
    pub(crate) async fn start() -> (Self, String) {
        let stub = Self::default();
        let router = Router::new()
            .route("/v1/processor/charges", post(authorize).get(look_up))
            .route("/v1/processor/charges/{id}/{change}", post(change))
            .route("/v1/processor/settlements/{day}", get(settlement))
            .with_state(stub.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (stub, url)
    }

    /// Publishes the settlement of a day: reference, kind, amount and currency of each line.
    pub(crate) fn publish(&self, day: &str, lines: &[(&str, &str, &str, &str)]) {
        let mut text = "charge_id,reference,kind,amount,currency,fee,at\n".to_owned();
        for (reference, kind, amount, currency) in lines {
            text.push_str(&format!(
                "ch_1,{reference},{kind},{amount},{currency},0,{day}T12:00:00Z\n"
            ));
        }
        self.settlements.lock().unwrap().insert(day.to_owned(), text);
    }

    pub(crate) fn charge(&self, payment: &str) -> Option<Charge> {
        self.charges
            .lock()
            .unwrap()
            .get(&format!("ch_{payment}"))
            .cloned()
    }

    /// The answer to an operation: as `decide` has it, once a key, unless something goes wrong.
    async fn answer(
        &self,
        id: &str,
        operation: &str,
        key: &str,
        decide: impl FnOnce(&mut Charge) -> (u16, Value),
    ) -> Response {
        let (answer, hang) = {
            let mut charges = self.charges.lock().unwrap();
            let charge = charges.entry(id.to_owned()).or_default();
            *charge.asked.entry(operation.to_owned()).or_default() += 1;
            let fault = charge.faults.iter().find(|(at, _)| at == operation).cloned();
            let fault = fault.map(|fault| {
                charge.faults.remove(&fault);
                fault.1
            });
            match fault.as_deref() {
                Some("notdone") => (None, true),
                Some("broken") => (Some((500, json!({"code": "internal"}))), false),
                Some("refused") => {
                    let refused = (422, json!({"code": "charge_not_capturable"}));
                    charge.keys.insert(key.to_owned(), refused.clone());
                    (Some(refused), false)
                }
                fault => {
                    let known = charge.keys.get(key).cloned();
                    let answer = known.unwrap_or_else(|| decide(charge));
                    charge.keys.insert(key.to_owned(), answer.clone());
                    (Some(answer), fault == Some("done"))
                }
            }
        };
        if hang {
            std::future::pending::<()>().await;
        }
        let (status, body) = answer.unwrap_or((500, Value::Null));
        (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
    }
}

fn key(headers: &HeaderMap) -> String {
    headers["idempotency-key"].to_str().unwrap().to_owned()
}

async fn authorize(State(stub): State<Stub>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let reference = body["reference"].as_str().unwrap().to_owned();
    let id = format!("ch_{}", reference.strip_prefix("payment/").unwrap());
    let method = body["method"]
        .as_str()
        .unwrap()
        .strip_prefix("tok_")
        .unwrap()
        .to_owned();
    {
        let mut charges = stub.charges.lock().unwrap();
        charges.entry(id.clone()).or_insert_with(|| Charge {
            faults: method
                .split("__")
                .filter_map(|fault| fault.split_once('_'))
                .map(|(at, fault)| (at.to_owned(), fault.to_owned()))
                .collect(),
            ..Charge::default()
        });
    }
    let of = id.clone();
    stub.answer(&id, "authorize", &key(&headers), move |charge| {
        charge.reference = reference;
        charge.amount = body["amount"].as_str().unwrap().parse().unwrap();
        charge.status = if method == "declined" {
            "declined"
        } else {
            "authorized"
        };
        (201, charge.body(&of))
    })
    .await
}

async fn change(
    State(stub): State<Stub>,
    Segment((id, change)): Segment<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let amount = body["amount"]
        .as_str()
        .map_or(0, |text| text.parse::<i64>().unwrap());
    let (of, what) = (id.clone(), change.clone());
    stub.answer(&id, &change, &key(&headers), move |charge| {
        match (what.as_str(), charge.status) {
            ("capture", "authorized") => {
                charge.status = "captured";
                charge.captured = amount;
            }
            ("void", "authorized") => charge.status = "voided",
            ("refunds", "captured") if charge.net() >= amount => charge.refunded += amount,
            _ => return (422, json!({"code": "amount_too_large"})),
        }
        (200, charge.body(&of))
    })
    .await
}

async fn look_up(State(stub): State<Stub>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let id = format!("ch_{}", query["reference"].strip_prefix("payment/").unwrap());
    let found = {
        let mut charges = stub.charges.lock().unwrap();
        let charge = charges.get_mut(&id);
        charge.map(|charge| {
            *charge.asked.entry("lookup".to_owned()).or_default() += 1;
            charge.clone()
        })
    };
    let charges: Vec<Value> = found
        .iter()
        .filter(|charge| !charge.status.is_empty())
        .map(|charge| charge.body(&id))
        .collect();
    Json(json!({"charges": charges})).into_response()
}

async fn settlement(State(stub): State<Stub>, Segment(day): Segment<String>) -> Response {
    match stub.settlements.lock().unwrap().get(&day) {
        Some(text) => ([("content-type", "text/csv")], text.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// An answer of the service.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// A running service, in a runtime of its own so that it can be killed.
pub(crate) struct Till {
    base: String,
    key: SigningKey,
    client: Client<HttpConnector, Full<Bytes>>,
    clock: SharedClock,
    runtime: Option<Runtime>,
    /// The data is there while it is used.
    _folder: Arc<Folder>,
}

/// Where and how a service is to run.
pub(crate) struct Opening<'a> {
    pub(crate) folder: &'a Arc<Folder>,
    /// The processor.
    pub(crate) url: &'a str,
    pub(crate) clock: SharedClock,
    /// Gets everything that is logged.
    pub(crate) logs: Option<Dispatch>,
}

impl Till {
    /// On the data of `folder`, with the processor at `url`.
    pub(crate) async fn start(folder: &Arc<Folder>, url: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let opening = Opening {
            folder,
            url,
            clock: SystemClock::shared(),
            logs: None,
        };
        Self::open(opening, change).await
    }

    pub(crate) async fn open(opening: Opening<'_>, change: impl FnOnce(&mut Settings)) -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (api, admin) = (listen(), listen());
        let base = format!("http://{}", api.local_addr().unwrap());
        let clock = opening.clock;
        let telemetry = TelemetrySettings::default();
        let role = Role {
            name: "payment",
            clock: clock.clone(),
            telemetry: Telemetry::new("payment", "test", &telemetry, clock.clone()).unwrap(),
            settings: ServerSettings::default(),
            api,
            admin,
            drain: Drain::new(),
        };
        let key = SigningKey::generate();
        let keys = Arc::new(StaticKeys(Jwks::of([&key])));
        let mut settings = opening.folder.settings();
        settings.processor.url = opening.url.to_owned();
        change(&mut settings);
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all();
        if let Some(logs) = opening.logs {
            // As the program does: for as long as the thread lives.
            builder.on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&logs)));
        }
        let runtime = builder.build().unwrap();
        runtime.spawn(async move { payment::run_with_keys(role, settings, keys).await.unwrap() });
        let till = Self {
            base,
            key,
            client: Client::builder(TokioExecutor::new()).build_http(),
            clock,
            runtime: Some(runtime),
            _folder: Arc::clone(opening.folder),
        };
        eventually("it serves", async || {
            let asked = till.try_send("acme", "GET", "/v1/payments", &[], "").await;
            asked.is_some_and(|answer| answer.status == 200)
        })
        .await;
        till
    }

    /// Nothing of it runs any more; what was under way is cut off.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    async fn try_send(
        &self,
        tenant: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Answer> {
        let principal = Principal {
            tenant: Tenant::parse(tenant).unwrap(),
            user: User::parse("ada").unwrap(),
            scopes: Scopes::parse("ledger:read ledger:write payments:read payments:write").unwrap(),
        };
        let now_s = self.clock.unix_ms() / 1_000;
        let token = self
            .key
            .sign(&Claims::new(ISSUER, "orrery", &principal, now_s, 900))
            .unwrap();
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let (parts, body) = self.client.request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            // A page is its text.
            body: serde_json::from_slice(&body)
                .unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into()),
        })
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.send_as("acme", method, path, headers, body).await
    }

    pub(crate) async fn send_as(
        &self,
        tenant: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.try_send(tenant, method, path, headers, body)
            .await
            .expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, &[], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    pub(crate) async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("idempotency-key", key)], &body.to_string())
            .await
    }

    pub(crate) async fn post_text(&self, key: &str, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("idempotency-key", key)], body).await
    }

    /// The bank 1000, a payer 1001 that has a million, and a merchant 1002.
    pub(crate) async fn open_accounts(&self) {
        for (id, kind) in [("1000", "asset"), ("1001", "liability"), ("1002", "liability")] {
            let body =
                json!({"id": id, "kind": kind, "currency": "EUR", "not_below_zero": kind == "liability"});
            let made = self.post(&format!("open-{id}"), "/v1/accounts", &body).await;
            assert_eq!(made.status, 201, "{made:?}");
        }
        let fill = json!({"debit_account_id": "1000", "credit_account_id": "1001", "amount": "1000000", "currency": "EUR"});
        assert_eq!(self.post("fill", "/v1/transfers", &fill).await.status, 201);
    }

    /// Takes a payment in and gives its id.
    pub(crate) async fn pay(&self, key: &str, token: &str) -> String {
        let made = self.post(key, "/v1/payments", &payment(token)).await;
        assert_eq!(made.status, 202, "{made:?}");
        made.body["id"].as_str().unwrap().to_owned()
    }

    /// The payment, once it is in one of these states.
    pub(crate) async fn settled(&self, id: &str, states: &[&str]) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let payment = self.get(&format!("/v1/payments/{id}")).await;
            if states.contains(&payment["state"].as_str().unwrap()) {
                return payment;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "never {states:?}: {payment:#}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What an account has, and what of it is held to go out.
    pub(crate) async fn balance(&self, id: &str) -> (i64, i64) {
        let balance = self.get(&format!("/v1/accounts/{id}/balance")).await;
        let number = |value: &Value| value.as_str().unwrap().parse().unwrap();
        (number(&balance["posted"]), number(&balance["pending"]["out"]))
    }
}

impl Drop for Till {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Seven euros from 1001 to 1002.
pub(crate) fn payment(token: &str) -> Value {
    json!({
        "payer_account_id": "1001", "merchant_account_id": "1002", "amount": "700", "currency": "EUR", "method": {"token": token},
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
