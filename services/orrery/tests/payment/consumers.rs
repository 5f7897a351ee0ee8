//! `orrery up` is killed whenever a receipt is there of which the merchant is not told yet: in the end each captured payment has one receipt, and each
//! endpoint was told of it once.

mod merchant;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use testkit::http::post;
use testkit::platform::{Options, Platform};

use super::money::ENVIRONMENT;
use super::{PAYMENT, SCOPES};
use crate::platform::binary;
use merchant::Merchant;

const ENDPOINTS: usize = 2;
const PAYMENTS_A_LIFE: usize = 5;
/// Between receipt and notification there are milliseconds: they are looked for as often, and a life that shows none ends after this.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
const LIFE_MAX: Duration = Duration::from_secs(3);
/// Whatever a killed process had taken belongs to another within this, and everything is told.
const TOLD_WITHIN: Duration = Duration::from_mins(1);

/// What a killed process leaves behind is soon another's.
const QUICKLY: [(&str, &str); 10] = [
    ("ORRERY_PAYMENT_STREAMS_CLAIM_MS", "2000"),
    ("ORRERY_PAYMENT_CONSUMER_POLL_MS", "50"),
    ("ORRERY_PAYMENT_OUTBOX_LEASE_MS", "1000"),
    ("ORRERY_PAYMENT_OUTBOX_RETRY_MS", "100"),
    ("ORRERY_PAYMENT_OUTBOX_POLL_MS", "50"),
    ("ORRERY_PAYMENT_WEBHOOKS_POLL_INTERVAL_MS", "50"),
    ("ORRERY_PAYMENT_WEBHOOKS_LEASE_MS", "2000"),
    ("ORRERY_PAYMENT_WEBHOOKS_OUTBOUND_TOTAL_TIMEOUT_MS", "800"),
    ("ORRERY_PAYMENT_WEBHOOKS_OUTBOUND_BODY_WAIT_MS", "100"),
    // The merchant is on this machine.
    ("ORRERY_PAYMENT_WEBHOOKS_OUTBOUND_OPEN_LOOPBACK", "true"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_receipt_and_notification_it_issues_and_tells_once() {
    let _turn = crate::turn::alone().await;
    let kills = if testkit::skips::nightly() { 100 } else { 4 };
    let options = ENVIRONMENT
        .iter()
        .chain(&QUICKLY)
        .fold(Options::default().without_console(), |options, (name, value)| {
            options.env(name, value)
        });
    let mut platform = Platform::start(binary(), options).await;
    let token = platform.token("acme", "ada", &SCOPES).await;
    let shop = Shop::open(&platform, &token).await;
    let mut between = 0;
    for kill in 0..kills {
        shop.pay(kill).await;
        until_a_receipt_waits(platform.data()).await;
        platform.kill().await;
        if receipts_that_wait(&mut open(platform.data()).await).await > 0 {
            between += 1;
        }
        platform.restart().await;
    }
    println!("{between} of {kills} kills came between a receipt and its notification");
    assert!(
        between * 2 >= kills,
        "only {between} of {kills} kills came in between"
    );
    shop.everything_is_told_once(platform.data(), kills * PAYMENTS_A_LIFE)
        .await;
}

/// A merchant with two receivers, and somebody who pays.
struct Shop {
    url: String,
    token: String,
    merchants: Vec<Merchant>,
}

impl Shop {
    async fn open(platform: &Platform, token: &str) -> Self {
        let mut shop = Self {
            url: platform.api_url(PAYMENT),
            token: token.to_owned(),
            merchants: Vec::new(),
        };
        for (id, kind) in [("1", "asset"), ("2", "liability"), ("3", "liability")] {
            let account = json!({"id": id, "currency": "EUR", "kind": kind});
            shop.post("/v1/accounts", &account, &format!("open-{id}")).await;
        }
        let funds = json!({"debit_account_id": "1", "credit_account_id": "2", "amount": "1000000", "currency": "EUR"});
        shop.post("/v1/transfers", &funds, "fund").await;
        for place in 0..ENDPOINTS {
            let merchant = Merchant::listen().await;
            let endpoint = json!({"url": merchant.url(), "event_kinds": ["payment.captured"]});
            shop.post("/v1/webhook-endpoints", &endpoint, &format!("endpoint-{place}"))
                .await;
            shop.merchants.push(merchant);
        }
        shop
    }

    async fn post(&self, path: &str, body: &Value, key: &str) {
        let answer = post(format!("{}{path}", self.url), body)
            .bearer(&self.token)
            .header("idempotency-key", key)
            .send()
            .await;
        assert!(
            answer.status.is_success(),
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
    }

    async fn pay(&self, life: usize) {
        for payment in 0..PAYMENTS_A_LIFE {
            let body = json!({
                "payer_account_id": "2", "merchant_account_id": "3", "amount": "25", "currency": "EUR", "method": {"token": "tok_visa"}
            });
            self.post("/v1/payments", &body, &format!("pay-{life}-{payment}"))
                .await;
        }
    }

    async fn everything_is_told_once(&self, data: &Path, payments: usize) {
        let told = async {
            while self
                .merchants
                .iter()
                .any(|merchant| merchant.told().len() < payments)
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let in_time = tokio::time::timeout(TOLD_WITHIN, told).await.is_ok();
        let mut books = open(data).await;
        let receipts: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT p.id, (SELECT count(*) FROM receipt r WHERE r.payment_id = p.id) FROM payment p",
        )
        .fetch_all(&mut books)
        .await
        .expect("the books can be read");
        assert_eq!(receipts.len(), payments);
        for (payment, count) in &receipts {
            assert_eq!(*count, 1, "payment {payment} has {count} receipts");
        }
        assert!(in_time, "not every webhook was sent within {TOLD_WITHIN:?}");
        for merchant in &self.merchants {
            let told = merchant.told();
            assert_eq!(told.len(), payments, "a webhook of nobody's payment: {told:?}");
            for (payment, ids) in told {
                // One that was sent again, for nobody knew that it had come, bears the same id.
                assert_eq!(ids.len(), 1, "payment {payment} was told of as {ids:?}");
            }
        }
        let deliveries: BTreeMap<i64, i64> =
            sqlx::query_as("SELECT endpoint_id, count(*) FROM webhook_delivery GROUP BY endpoint_id")
                .fetch_all(&mut books)
                .await
                .expect("the books can be read")
                .into_iter()
                .collect();
        assert_eq!(deliveries.len(), ENDPOINTS);
        for (endpoint, count) in deliveries {
            assert_eq!(usize::try_from(count).ok(), Some(payments), "endpoint {endpoint}");
        }
    }
}

async fn open(data: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(data.join("payment.db"))
        .read_only(true)
        .connect()
        .await
        .expect("the books are there")
}

/// Waits for a receipt that nobody is told of yet, as long as a life lasts.
async fn until_a_receipt_waits(data: &Path) {
    let mut books = open(data).await;
    let waiting = async {
        while receipts_that_wait(&mut books).await == 0 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    // A life that shows none is ended all the same.
    let _ = tokio::time::timeout(LIFE_MAX, waiting).await;
}

/// Receipts that no notification has followed.
async fn receipts_that_wait(books: &mut SqliteConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM receipt r WHERE NOT EXISTS (SELECT 1 FROM notification n WHERE n.payment_id = r.payment_id)",
    )
    .fetch_one(books)
    .await
    .expect("the books can be read")
}
