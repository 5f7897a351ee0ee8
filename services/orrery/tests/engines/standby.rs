//! The primary PostgreSQL is lost for good under a load of transfers, and its synchronous standby takes over: nothing acknowledged is lost with it.

mod forwarder;

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use load::{HttpClient, HttpSettings};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};
use testkit::engines::{Kind, OwnEngine, fresh_name};
use tokio::time::Instant;

use super::client::Api;
use super::money_fleet::MoneyFleet;
use forwarder::Forwarder;

/// Clients that transfer one after the other.
const CLIENTS: u64 = 8;
/// How long they go on before the primary dies, and after the standby has taken over.
const BEFORE: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_secs(3);
/// The standby streams within this.
const STREAMS_WITHIN: Duration = Duration::from_mins(1);
/// From the kill to the first new acknowledgement: a bound for a busy machine; what was measured is printed.
const RTO_MAX: Duration = Duration::from_secs(30);
/// Whoever was not answered asks again, up to so long.
const ANSWERED_WITHIN: Duration = Duration::from_mins(1);
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// A trial in which next to nothing happened proves nothing.
const ACKNOWLEDGED_MIN: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nightly_a_standby_that_takes_over_has_every_acknowledged_transfer() {
    let test = "nightly_a_standby_that_takes_over_has_every_acknowledged_transfer";
    if !testkit::skips::nightly() {
        println!("skipped: set ORRERY_NIGHTLY=1 to lose a primary");
        return;
    }
    let _turn = crate::turn::alone().await;
    let Some(mut primary) = OwnEngine::start(Kind::Postgres, test).await else {
        return;
    };
    let Some(nats) = OwnEngine::start(Kind::Nats, test).await else {
        return;
    };
    let standby = primary.standby().await;
    waits_for_its_standby(&primary).await;
    let forwarder = Forwarder::to(primary.address()).await;
    let schema = fresh_name("payment");
    let database = |address| format!("{}?schema={schema}", Kind::Postgres.url_at(&[address]));
    let fleet = MoneyFleet::start(&database(forwarder.address()), &nats.url()).await;
    let token = fleet.token().await;
    let url = fleet.gateway.url();
    open_accounts(&url, &token).await;

    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(transfer(url.clone(), token.clone(), client, over.clone())))
        .collect();
    tokio::time::sleep(BEFORE).await;
    let dying = Instant::now();
    primary.kill();
    let killed = Instant::now();
    promote(&standby).await;
    forwarder.switch(standby.address());
    tokio::time::sleep(AFTER).await;
    over.store(true, Ordering::Release);
    let mut transfers = Vec::new();
    for client in clients {
        transfers.extend(client.await.expect("the client ended"));
    }

    let first = transfers
        .iter()
        .filter(|made| made.begun > killed)
        .map(|made| made.acknowledged)
        .min()
        .expect("there is an acknowledgement after the kill");
    let rto = first - dying;
    let before = transfers
        .iter()
        .filter(|made| made.acknowledged <= killed)
        .count();
    let unsure = transfers
        .iter()
        .filter(|made| made.begun <= killed && made.acknowledged > killed)
        .count();
    println!(
        "RTO {rto:?}; {before} transfers acknowledged before the kill, {unsure} settled by their keys, {} in all",
        transfers.len()
    );
    assert!(rto <= RTO_MAX, "RTO {rto:?}");
    assert!(before >= ACKNOWLEDGED_MIN, "{before} transfers before the kill");
    assert!(
        transfers.len() - before >= ACKNOWLEDGED_MIN,
        "{} after it",
        transfers.len() - before
    );
    everything_is_there(&standby, &schema, &transfers).await;
    verified(&fleet, &database(standby.address())).await;
}

/// A transfer that was acknowledged in the end.
struct Made {
    id: String,
    begun: Instant,
    acknowledged: Instant,
}

async fn connect(engine: &OwnEngine, schema: &str) -> PgConnection {
    PgConnectOptions::from_str(&engine.url())
        .expect("a URL")
        .options([("search_path", schema)])
        .connect()
        .await
        .expect("the engine takes a connection")
}

/// From here on a commit is acknowledged when it is on both disks.
async fn waits_for_its_standby(primary: &OwnEngine) {
    let mut connection = connect(primary, "public").await;
    let waits = async {
        loop {
            let sync: i64 =
                sqlx::query_scalar("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
                    .fetch_one(&mut connection)
                    .await
                    .expect("the primary answers");
            if sync == 1 {
                return;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    };
    let waited = tokio::time::timeout(STREAMS_WITHIN, waits).await;
    assert!(
        waited.is_ok(),
        "the standby does not stream: {}",
        primary.log_tail()
    );
}

async fn promote(standby: &OwnEngine) {
    let mut connection = connect(standby, "public").await;
    let promoted: bool = sqlx::query_scalar("SELECT pg_promote()")
        .fetch_one(&mut connection)
        .await
        .expect("the standby answers");
    assert!(promoted, "{}", standby.log_tail());
}

async fn open_accounts(url: &str, token: &str) {
    let api = Api::new(url, token);
    for (id, kind) in [("1", "asset"), ("2", "liability")] {
        let account = json!({"id": id, "currency": "EUR", "kind": kind});
        let (status, body) = api
            .send(
                Method::POST,
                "/v1/accounts",
                Some(&account),
                Some(&format!("open-{id}")),
            )
            .await;
        assert_eq!(status, http::StatusCode::CREATED, "{body}");
    }
}

/// One minor unit at a time, each under a key of its own, until it is over.
async fn transfer(url: String, token: String, client: u64, over: Arc<AtomicBool>) -> Vec<Made> {
    let settings = HttpSettings {
        deadline: Duration::from_secs(2),
        ..HttpSettings::default()
    };
    let http = HttpClient::new(&url, settings).expect("a loopback address");
    let mut made = Vec::new();
    while !over.load(Ordering::Acquire) {
        let key = format!("transfer-{client}-{}", made.len());
        let begun = Instant::now();
        let id = tokio::time::timeout(ANSWERED_WITHIN, insist(&http, &token, &key)).await;
        made.push(Made {
            id: id.unwrap_or_else(|_| panic!("{key} is not answered within {ANSWERED_WITHIN:?}")),
            begun,
            acknowledged: Instant::now(),
        });
    }
    made
}

/// Asks under the same key until there is an answer, and gives the transfer's id.
async fn insist(http: &HttpClient, token: &str, key: &str) -> String {
    let body = json!({"debit_account_id": "1", "credit_account_id": "2", "amount": "1", "currency": "EUR"})
        .to_string();
    loop {
        let request = http::Request::post("/v1/transfers")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(body.clone())
            .expect("a request");
        match http.send(request).await {
            Ok(answer) if answer.status == http::StatusCode::CREATED => {
                let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
                return body["id"].as_str().expect("an id").to_owned();
            }
            Ok(answer) if answer.status.is_client_error() && answer.status != 429 => {
                panic!(
                    "{key}: {} {}",
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                )
            }
            _ => tokio::time::sleep(ASK_AGAIN).await,
        }
    }
}

/// What was acknowledged is there, and nothing besides: each key made one transfer.
async fn everything_is_there(standby: &OwnEngine, schema: &str, transfers: &[Made]) {
    let mut connection = connect(standby, schema).await;
    let there: Vec<i64> = sqlx::query_scalar("SELECT id FROM journal")
        .fetch_all(&mut connection)
        .await
        .expect("the journal is there");
    let there: BTreeSet<String> = there.into_iter().map(|id| id.to_string()).collect();
    let acknowledged: BTreeSet<String> = transfers.iter().map(|made| made.id.clone()).collect();
    assert_eq!(
        acknowledged.len(),
        transfers.len(),
        "each key has a transfer of its own"
    );
    let lost: Vec<&String> = acknowledged.difference(&there).collect();
    assert!(
        lost.is_empty(),
        "RPO is not 0: {} acknowledged transfers are lost: {lost:?}",
        lost.len()
    );
    let twice: Vec<&String> = there.difference(&acknowledged).collect();
    assert!(twice.is_empty(), "nobody was told of {twice:?}");
    let posted: i64 = sqlx::query_scalar("SELECT sum(posted)::bigint FROM balance WHERE account_id = 1")
        .fetch_one(&mut connection)
        .await
        .expect("the balance is there");
    assert_eq!(usize::try_from(posted).ok(), Some(transfers.len()));
}

/// Recomputes the chain from outside.
pub(super) async fn verified(fleet: &MoneyFleet, database: &str) {
    let output = fleet
        .payment
        .command(&["ledger", "verify", "--database", database])
        .output()
        .await
        .expect("orrery starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{error}");
    println!("{text}");
}
