//! Ordinary traffic of money: what is moved, held, paid and sent back, and a merchant who is told of it.

use std::net::Ipv4Addr;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use testkit::http::{Call, call};
use testkit::platform::{Options, Platform};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::payment::SCOPES;

/// What the platform is told so that one payer may pay all the time, a merchant may stand on loopback, and audits are no minute apart.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("ORRERY_PAYMENT_LIMITS_PAYMENTS_PER_HOUR_MAX", "1000000"),
    (
        "ORRERY_PAYMENT_LIMITS_PAYMENTS_MINOR_PER_HOUR_MAX",
        "1000000000000",
    ),
    ("ORRERY_PAYMENT_RISK_PAYMENTS_PER_HOUR_MAX", "1000000"),
    ("ORRERY_PAYMENT_WEBHOOKS_OUTBOUND_OPEN_LOOPBACK", "true"),
    ("ORRERY_PAYMENT_AUDIT_INTERVAL_MS", "1000"),
];

/// A payer and a merchant of one platform.
pub(crate) struct Till {
    url: String,
    token: String,
    payer: String,
    merchant: String,
    /// The latest payment: by the next round it has been captured.
    paid: String,
    merchants_server: JoinHandle<()>,
}

/// A platform that lets a till be.
pub(crate) fn patient(options: Options) -> Options {
    ENVIRONMENT
        .iter()
        .fold(options, |options, (name, value)| options.env(name, value))
}

impl Drop for Till {
    fn drop(&mut self) {
        self.merchants_server.abort();
    }
}

impl Till {
    /// Opens two accounts and tells the merchant of all that is paid.
    pub(crate) async fn open(platform: &Platform) -> Self {
        let (url, merchants_server) = merchant().await;
        let mut till = Self {
            url: platform.url(),
            token: platform.token("acme", "ada", &SCOPES).await,
            payer: String::new(),
            merchant: String::new(),
            paid: "1".to_owned(),
            merchants_server,
        };
        let account = json!({"currency": "EUR", "kind": "liability"});
        till.payer = till.made("payer", "/v1/accounts", &account).await;
        till.merchant = till.made("merchant", "/v1/accounts", &account).await;
        let hook = json!({"url": url});
        till.made("hook", "/v1/webhook-endpoints", &hook).await;
        till
    }

    /// One of each. Answers do not matter here, but for what is captured and sent back.
    pub(crate) async fn round(&mut self, turn: u64) {
        let money = |amount: &str| {
            let (payer, merchant) = (&self.payer, &self.merchant);
            json!({"debit_account_id": payer, "credit_account_id": merchant, "amount": amount, "currency": "EUR"})
        };
        let pay = json!({
            "payer_account_id": self.payer, "merchant_account_id": self.merchant, "amount": "11", "currency": "EUR",
            "method": {"token": "tok_visa"},
        });
        let held = self.posts(&format!("hold-{turn}"), "/v1/holds", &money("5"));
        let payment = self.posts(&format!("pay-{turn}"), "/v1/payments", &pay);
        let (held, payment) = (id_of(held).await, id_of(payment).await);
        let paid = std::mem::replace(&mut self.paid, payment);
        let account = format!("/v1/accounts/{}", self.payer);
        let round = [
            self.posts(&format!("transfer-{turn}"), "/v1/transfers", &money("7")),
            self.posts(
                &format!("capture-{turn}"),
                &format!("/v1/holds/{held}/capture"),
                &json!({"amount": "3"}),
            ),
            self.posts(
                &format!("refund-{turn}"),
                &format!("/v1/payments/{paid}/refunds"),
                &json!({"amount": "2"}),
            ),
            self.reads(&format!("{account}/balance")),
            self.reads(&format!("{account}/entries?limit=5")),
            self.reads(&format!("/v1/payments/{paid}")),
            self.reads("/v1/trial-balance"),
            self.reads("/v1/webhook-deliveries?limit=5"),
        ];
        for request in round {
            let _ = request.try_send().await;
        }
    }

    async fn made(&self, key: &str, path: &str, body: &Value) -> String {
        let made = self.posts(key, path, body).send().await;
        assert_eq!(made.status, StatusCode::CREATED, "{path}: {}", made.text());
        made.json()["id"].as_str().expect("an id").to_owned()
    }

    fn posts(&self, key: &str, path: &str, body: &Value) -> Call {
        call(Method::POST, format!("{}{path}", self.url))
            .bearer(&self.token)
            .header("idempotency-key", key)
            .json(body)
    }

    fn reads(&self, path: &str) -> Call {
        call(Method::GET, format!("{}{path}", self.url)).bearer(&self.token)
    }
}

/// Puts an event into the outbox of an embedded platform that no stream takes, for it has no id.
pub(crate) async fn refused_by_the_stream(platform: &Platform) {
    let mut database = SqliteConnectOptions::new()
        .filename(platform.data().join("payment.db"))
        .busy_timeout(Duration::from_secs(5))
        .connect()
        .await
        .expect("the platform's own database");
    sqlx::query(
        "INSERT INTO outbox (part, aggregate, id, source, kind, time_ms, data)
         VALUES (0, 'payment/none', '', '/test', 'payment.captured', 1, '{}')",
    )
    .execute(&mut database)
    .await
    .expect("an outbox takes any event");
}

/// The id in an answer; none of anything where there was no such answer.
async fn id_of(request: Call) -> String {
    let Ok(answer) = request.try_send().await else {
        return "1".to_owned();
    };
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["id"].as_str().unwrap_or("1").to_owned()
}

/// A merchant who takes every webhook, and where.
async fn merchant() -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = [0; 4096];
                let _ = stream.read(&mut read).await;
                let taken = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(taken).await;
                // The rest of what it was told; the sender hangs up.
                while let Ok(1..) = stream.read(&mut read).await {}
            });
        }
    });
    (format!("http://{address}/hooks"), server)
}
