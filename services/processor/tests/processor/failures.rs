//! What happens when something the processor needs is slow, down, wrong, cut off or full. The README's table names these.

use std::time::Duration;

use clock::SharedClock;
use http::StatusCode;
use processor::Settings;
use serde_json::json;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use testkit::engines::{self, Kind};
use testkit::http::Answer;
use testkit::proxy::FaultProxy;

use crate::service::{NOW_MS, Service, charge, telemetry};

fn is_unavailable(answer: &Answer) {
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(!answer.header("retry-after").is_empty());
}

/// The service's file, opened by another program.
async fn beside(service: &Service) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(service.folder.path().join("processor.db"))
        .busy_timeout(Duration::from_secs(10));
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[tokio::test]
async fn a_database_that_another_program_keeps_locked_is_503_and_the_same_key_settles_it() {
    let service = Service::start_with(|settings| settings.sqlite.write_deadline_ms = 200).await;
    let mut other = beside(&service).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    is_unavailable(&service.post("charges", "k", &charge("payment/1", true)).await);
    let found = service.get("charges?reference=payment/1").await;
    assert_eq!(
        found.json()["charges"],
        json!([]),
        "reads go on, and nothing was done"
    );
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    let made = service.post("charges", "k", &charge("payment/1", true)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    other.close().await.unwrap();
    service.stop().await;
}

#[tokio::test]
async fn a_charge_that_makes_no_sense_is_our_fault_and_says_nothing() {
    let service = Service::start().await;
    let id = service.captured("a").await["id"].as_str().unwrap().to_owned();
    let mut other = beside(&service).await;
    sqlx::query("UPDATE charge SET status = 'half_way'")
        .execute(&mut other)
        .await
        .unwrap();
    let wrong = service.get(&format!("charges/{id}")).await;
    assert_eq!(wrong.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!wrong.text().contains("half_way"), "{}", wrong.text());
    other.close().await.unwrap();
    service.stop().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_told_at_start_without_its_password() {
    let clock = clock::ManualClock::at(NOW_MS);
    let (telemetry, shared): (_, SharedClock) = (telemetry(&clock), clock);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("processor.db");
    std::fs::write(&file, vec![7; 8_192]).unwrap();
    let no_database = Settings {
        database_url: Some(format!("sqlite:{}", file.display())),
        ..Settings::default()
    };
    let refused = processor::migrate(&no_database, &telemetry, &shared)
        .await
        .unwrap_err();
    assert!(!refused.retryable(), "{refused}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut nobody_there = Settings {
        database_url: Some(format!("postgres://orrery:s3cret@{address}/orrery")),
        ..Settings::default()
    };
    nobody_there.postgres.connect_timeout_ms = 200;
    let refused = processor::migrate(&nobody_there, &telemetry, &shared)
        .await
        .unwrap_err();
    assert!(refused.retryable(), "{refused}");
    assert!(!refused.to_string().contains("s3cret"), "{refused}");
}

#[tokio::test]
async fn with_postgresql_cut_off_stalled_or_half_open_charges_are_503_and_the_same_key_makes_one() {
    let case = "with_postgresql_cut_off_stalled_or_half_open_charges_are_503";
    let (Some(base), Some(address)) = (
        engines::url(Kind::Postgres, case),
        engines::address(Kind::Postgres, case),
    ) else {
        return;
    };
    let (proxy, schema) = (FaultProxy::to(address).await, engines::fresh_name("processor"));
    let url = format!("{}?schema={schema}", Kind::Postgres.url_at(&[proxy.address()]));
    let service = Service::start_with(|settings| {
        settings.database_url = Some(url);
        settings.postgres.connect_timeout_ms = 3_000;
        settings.postgres.acquire_timeout_ms = 500;
        settings.postgres.read_deadline_ms = 500;
        settings.postgres.write_deadline_ms = 500;
        settings.postgres.lock_timeout_ms = 100;
        settings.postgres.readers_max = 2;
        settings.postgres.writers_max = 2;
    })
    .await;
    service.until("ready", async || service.is_ready().await).await;
    for (round, fault) in [FaultProxy::cut, FaultProxy::stall, FaultProxy::half_open]
        .into_iter()
        .enumerate()
    {
        let (key, reference) = (format!("k{round}"), format!("payment/{round}"));
        fault(&proxy);
        service
            .until("not ready", async || !service.is_ready().await)
            .await;
        is_unavailable(&service.post("charges", &key, &charge(&reference, true)).await);
        is_unavailable(&service.get(&format!("charges?reference={reference}")).await);
        proxy.heal();
        service
            .until("ready again", async || service.is_ready().await)
            .await;
        // What was under way when it broke may still be ending.
        service
            .until("the charge is made", async || {
                let made = service.post("charges", &key, &charge(&reference, true)).await;
                made.status == StatusCode::CREATED
            })
            .await;
        let found = service
            .get(&format!("charges?reference={reference}"))
            .await
            .json();
        assert_eq!(found["charges"].as_array().unwrap().len(), 1, "{found}");
    }
    service.stop().await;
    let mut connection = sqlx::PgConnection::connect(&base).await.unwrap();
    let drop = format!("DROP SCHEMA {schema} CASCADE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
        .execute(&mut connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_past_its_time_is_forgotten_and_its_key_is_free_again() {
    let service = Service::start_with(|settings| settings.housekeeping_interval_ms = 20).await;
    service.receiver.refuse(u32::MAX);
    let id = service.captured("a").await["id"].as_str().unwrap().to_owned();
    service.told(1).await;
    service.shows("processor_webhooks_pending 1").await;
    service.clock.advance(Duration::from_hours(169));
    let gone = async || {
        let again = service.post("charges", "a", &charge("b", true)).await;
        again.status == StatusCode::CREATED
    };
    service.until("the key is free", gone).await;
    assert_eq!(service.get(&format!("charges/{id}")).await.status, StatusCode::OK);
    service.clock.advance(Duration::from_hours(31 * 24));
    service.shows("outcome=\"given_up\"").await;
    service.shows("processor_webhooks_pending 0").await;
    service.clock.advance(Duration::from_hours(400 * 24));
    service
        .until("the charge is forgotten", async || {
            service.get(&format!("charges/{id}")).await.status == StatusCode::NOT_FOUND
        })
        .await;
    service.stop().await;
}

#[tokio::test]
async fn a_receiver_that_never_answers_or_is_away_is_given_up_on_and_told_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let service = Service::start_with(|settings| {
        settings.webhook_url = Some(url);
        settings.webhooks.timeout_ms = 100;
    })
    .await;
    service.captured("a").await;
    // It is accepted by the system, and nobody reads.
    service
        .shows("processor_webhooks_total{outcome=\"failed\"} 1")
        .await;
    drop(listener);
    service.clock.advance(Duration::from_mins(1));
    service
        .shows("processor_webhooks_total{outcome=\"failed\"} 2")
        .await;
    service.shows("processor_webhooks_pending 1").await;
    assert_eq!(service.captured("b").await["status"], "captured", "charges go on");
    service.stop().await;
}
