//! What happens when something the ledger needs is slow, down, wrong, cut off or full. The README's table names these.

use std::time::Duration;

use clock::{ManualClock, SystemClock};
use http::Method;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use telemetry::{Telemetry, TelemetrySettings};
use testkit::engines::{self, Kind, are_real};
use testkit::proxy::FaultProxy;

use crate::engines::Folder;
use crate::harness::{Service, Setup, eventually, transfer};
use crate::pages::page;

/// Somebody else holds the write lock of a file until this is released.
struct Blocked(SqliteConnection);

impl Blocked {
    async fn new(service: &Service, file: &str) -> Self {
        let path = service.folder.path().join(file);
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .connect()
            .await
            .unwrap();
        let locked = async {
            while sqlx::query("BEGIN IMMEDIATE")
                .execute(&mut connection)
                .await
                .is_err()
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), locked)
            .await
            .unwrap();
        Self(connection)
    }

    async fn release(mut self) {
        sqlx::query("ROLLBACK").execute(&mut self.0).await.unwrap();
        self.0.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_another_program_keeps_locked_is_503_and_the_same_key_moves_the_money_once() {
    if are_real() {
        return;
    }
    let impatient = |settings: &mut payment::Settings| settings.sqlite.write_deadline_ms = 300;
    let service = Setup::new().change(impatient).start().await;
    service.open_books().await;
    let blocked = Blocked::new(&service, "payment.db").await;
    let body = transfer(1001, 1002, "100");
    let refused = service.post_under("locked", "/v1/transfers", &body).await;
    assert_eq!(refused.problem(), (503, "unavailable".to_owned()));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(service.balance(1001).await.0, "1000", "reads go on");
    // A page asks again as it asked: with the key, and with no word of balances, which may have changed.
    let typed = "key=typed&debit_account_id=1001&credit_account_id=1002&amount=1.00&description=";
    let asked_again = page(&service, Method::POST, "/ui/payment/transfers", typed).await;
    assert_eq!(asked_again.status, 503);
    let shown = asked_again.text();
    assert!(
        shown.contains("Move this?") && shown.contains("name=\"key\" value=\"typed\""),
        "{shown}"
    );
    blocked.release().await;
    for _ in 0..2 {
        let moved = page(&service, Method::POST, "/ui/payment/transfers", typed).await;
        assert_eq!(moved.status, 303);
    }
    assert_eq!(service.balance(1001).await.0, "900", "once");
    for _ in 0..2 {
        service
            .post_under("locked", "/v1/transfers", &body)
            .await
            .expect(201);
    }
    assert_eq!(service.balance(1001).await.0, "800");
    service.is_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_used_is_refused_at_start_and_named() {
    let telemetry = |clock: &clock::SharedClock| {
        Telemetry::new("payment", "test", &TelemetrySettings::default(), clock.clone()).unwrap()
    };
    let clock = SystemClock::shared();
    let folder = Folder::fresh();
    for (file, setting) in [
        ("payment.db", "database_url"),
        ("streams.db", "streams_url"),
        ("leases.db", "leases_url"),
    ] {
        let mut settings = folder.settings();
        let path = folder.path().join(format!("broken-{file}"));
        std::fs::write(&path, vec![7; 8_192]).unwrap();
        let url = format!("sqlite:{}", path.display());
        match setting {
            "database_url" => settings.database_url = url,
            "streams_url" => settings.streams_url = url,
            _ => settings.leases_url = url,
        }
        let refused = payment::migrate(&settings, &telemetry(&clock), &clock)
            .await
            .unwrap_err();
        assert!(!refused.retryable(), "{refused}");
        assert!(refused.to_string().contains(setting), "{refused}");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut settings = folder.settings();
    settings.database_url = format!("postgres://orrery:s3cret@{address}/orrery");
    settings.postgres.connect_timeout_ms = 200;
    let refused = payment::migrate(&settings, &telemetry(&clock), &clock)
        .await
        .unwrap_err();
    assert!(refused.retryable(), "{refused}");
    assert!(!refused.to_string().contains("s3cret"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_renewed_worker_number_only_ids_of_ours_are_missing() {
    if are_real() {
        return;
    }
    let clock = ManualClock::at(1_768_464_000_000);
    let impatient = |settings: &mut payment::Settings| settings.sqlite.write_deadline_ms = 300;
    let service = Setup::new().clock(&clock).change(impatient).start().await;
    service.open_books().await;
    let blocked = Blocked::new(&service, "leases.db").await;
    service
        .post("/v1/transfers", transfer(1001, 1002, "1"))
        .await
        .expect(201);
    clock.advance(Duration::from_mins(1));
    let refused = service.post("/v1/transfers", transfer(1001, 1002, "1")).await;
    assert_eq!(refused.problem(), (503, "unavailable".to_owned()));
    let mut named = transfer(1001, 1002, "1");
    named["id"] = json!("77");
    service.post("/v1/transfers", named).await.expect(201);
    blocked.release().await;
    eventually("ids are issued again", async || {
        service
            .post("/v1/transfers", transfer(1001, 1002, "1"))
            .await
            .status
            == 201
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_postgresql_cut_off_stalled_or_half_open_answers_are_honest_and_the_same_keys_find_out() {
    let case = "with_postgresql_cut_off_stalled_or_half_open_answers_are_honest";
    let (Some(base), Some(address), Some(nats)) = (
        engines::url(Kind::Postgres, case),
        engines::address(Kind::Postgres, case),
        engines::url(Kind::Nats, case),
    ) else {
        return;
    };
    let (proxy, schema) = (FaultProxy::to(address).await, engines::fresh_name("payment_cut"));
    let through = format!("{}?schema={schema}", Kind::Postgres.url_at(&[proxy.address()]));
    let setup = Setup::new().change(|settings| {
        settings.database_url = through;
        settings.leases_url = format!("{nats}?prefix={schema}");
        settings.postgres.read_deadline_ms = 500;
        settings.postgres.write_deadline_ms = 500;
        settings.postgres.acquire_timeout_ms = 500;
        settings.commits.deadline_ms = 1_000;
    });
    let service = setup.start().await;
    service.open_books().await;
    let mut asked = Vec::new();
    for (round, fault) in [FaultProxy::cut, FaultProxy::stall, FaultProxy::half_open]
        .into_iter()
        .enumerate()
    {
        fault(&proxy);
        for copy in 0..3 {
            let key = format!("cut-{round}-{copy}");
            let refused = service
                .post_under(&key, "/v1/transfers", &transfer(1001, 1002, "10"))
                .await;
            assert_eq!(refused.status, 503, "{refused:?}");
            assert!(refused.header("retry-after").is_some());
            asked.push(key);
        }
        let read = service.get("/v1/accounts/1001/balance").await;
        assert_eq!(read.status, 503, "{read:?}");
        proxy.heal();
        eventually("it answers again", async || {
            service.get("/v1/accounts/1001/balance").await.status == 200
        })
        .await;
    }
    for key in &asked {
        eventually("the same key finds out", async || {
            service
                .post_under(key, "/v1/transfers", &transfer(1001, 1002, "10"))
                .await
                .status
                == 201
        })
        .await;
    }
    assert_eq!(service.balance(1001).await.0, "910", "each once");
    service.is_balanced().await;
    service.stop().await;
    let mut connection = sqlx::PgConnection::connect(&base).await.unwrap();
    let drop = sqlx::AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"));
    sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_of_commits_is_503_and_moves_nothing() {
    if are_real() {
        return;
    }
    let small = |settings: &mut payment::Settings| {
        settings.commits.queue_max = 8_190;
        settings.sqlite.write_deadline_ms = 60_000;
    };
    let service = Setup::new().change(small).start().await;
    service.open_books().await;
    let many: Vec<Value> = (0..8_190).map(|_| transfer(1000, 1001, "1")).collect();
    let batch = json!({"transfers": many});
    let blocked = Blocked::new(&service, "payment.db").await;
    let token = service.token("acme");
    let send = |key: &'static str| {
        service.send_under(&token, Some(key), Method::POST, "/v1/transfers/batch", &batch)
    };
    let overflow = async {
        eventually("the queue is full", async || {
            service.metric("payment_commit_queue_length ").await == 8_190
        })
        .await;
        let refused = service.post("/v1/transfers", transfer(1001, 1002, "1")).await;
        blocked.release().await;
        refused
    };
    let (one, two, refused) = tokio::join!(send("one"), send("two"), overflow);
    assert_eq!(refused.problem(), (503, "unavailable".to_owned()));
    one.expect(200);
    two.expect(200);
    assert_eq!(service.balance(1001).await.0, (1_000 + 2 * 8_190).to_string());
    assert_eq!(service.balance(1002).await.0, "0");
}
