//! The issuer on PostgreSQL: whole, shared by two processes, and with the server behind a network that breaks.

use std::time::Duration;

use http::StatusCode;
use testkit::engines::{self, Kind};
use testkit::http::get;
use testkit::proxy::FaultProxy;

use crate::clients::{ask_with, is_unauthenticated, new_key};
use crate::contract::{Engine as _, OnPostgres};
use crate::service::{NOW_MS, Service, settings, telemetry};

/// A service on that database, with limits that a test can wait for.
async fn start(url: String) -> Service {
    Service::start_with(|settings| {
        settings.database_url = Some(url);
        settings.postgres.connect_timeout_ms = 3_000;
        settings.postgres.acquire_timeout_ms = 500;
        settings.postgres.read_deadline_ms = 500;
        settings.postgres.write_deadline_ms = 500;
        settings.postgres.lock_timeout_ms = 100;
        settings.postgres.readers_max = 2;
        settings.postgres.writers_max = 2;
    })
    .await
}

async fn is_ready(service: &Service) -> bool {
    get(format!("{}/readyz", service.admin))
        .try_send()
        .await
        .is_ok_and(|answer| answer.status == StatusCode::OK)
}

#[tokio::test]
async fn people_and_programs_get_tokens() {
    let Some(engine) = OnPostgres::new("people_and_programs_get_tokens") else {
        return;
    };
    let service = start(engine.url()).await;
    let code = service.code().await;
    let answer = service.exchange_code(&code).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    service.verify(&token).await.unwrap();
    assert_eq!(service.exchange_code(&code).await.status, StatusCode::BAD_REQUEST);
    let made = new_key(&service).await;
    assert_eq!(ask_with(&service, &made).await.status, StatusCode::OK);
    let credentials = service.credentials().await;
    credentials.revoke("acme", &made.id).await.unwrap();
    is_unauthenticated(&ask_with(&service, &made).await);
    credentials.close().await;
    service.stop().await;
    engine.remove().await;
}

#[tokio::test]
async fn two_issuers_share_one_set_of_keys_codes_and_forms() {
    let Some(engine) = OnPostgres::new("two_issuers_share_one_set_of_keys_codes_and_forms") else {
        return;
    };
    let one = start(engine.url()).await;
    let file = one.settings.api_key_secret_file.clone();
    let two = Service::start_with(|settings| {
        settings.database_url = Some(engine.url());
        settings.api_key_secret_file = file;
    })
    .await;
    // A page of one, sent to the other, and its code exchanged at the first.
    let page = one.page(&Service::query(&[])).await;
    let sent = two.submit(&page, "acme", "ada", &["links:read"]).await;
    let code = Service::parameter(&sent, "code");
    assert_eq!(one.exchange_code(&code).await.status, StatusCode::OK);
    assert_eq!(two.exchange_code(&code).await.status, StatusCode::BAD_REQUEST);
    // A key made beside one is good at the other, and revoked at both.
    let made = new_key(&one).await;
    assert_eq!(ask_with(&two, &made).await.status, StatusCode::OK);
    let credentials = two.credentials().await;
    credentials.revoke("acme", &made.id).await.unwrap();
    is_unauthenticated(&ask_with(&one, &made).await);
    // Both find that the next key is due, and one is made.
    for service in [&one, &two] {
        service.clock.advance(Duration::from_hours(24));
    }
    for service in [&one, &two] {
        let both = async || service.keys().await.keys.len() >= 2;
        service.until("the next key is announced", both).await;
    }
    let rotated = "issuer_housekeeping_last_success_timestamp_seconds";
    let day = NOW_MS / 1_000 + 24 * 3_600;
    for service in [&one, &two] {
        let looked_after = async || {
            let metrics = get(format!("{}/metrics", service.admin)).send().await.text();
            metrics.contains(&format!("{rotated} {day}"))
        };
        service
            .until("each has looked after the keys", looked_after)
            .await;
    }
    let kids = |keys: identity::Jwks| keys.keys.into_iter().map(|key| key.kid).collect::<Vec<_>>();
    let (seen_by_one, seen_by_two) = (kids(one.keys().await), kids(two.keys().await));
    assert_eq!(seen_by_one.len(), 2, "one successor, not two");
    assert_eq!(seen_by_one, seen_by_two);
    one.stop().await;
    two.stop().await;
    engine.remove().await;
}

#[tokio::test]
async fn with_postgresql_cut_off_or_stalled_sign_ins_are_503_and_come_back() {
    let case = "with_postgresql_cut_off_or_stalled_sign_ins_are_503_and_come_back";
    let (Some(engine), Some(address)) = (OnPostgres::new(case), engines::address(Kind::Postgres, case))
    else {
        return;
    };
    let proxy = FaultProxy::to(address).await;
    let service = start(engine.url_through(proxy.address())).await;
    service.until("ready", async || is_ready(&service).await).await;
    let made = new_key(&service).await;
    let page = service.page(&Service::query(&[])).await;
    for fault in [FaultProxy::cut, FaultProxy::stall, FaultProxy::half_open] {
        let code = service.code().await;
        fault(&proxy);
        service
            .until("not ready", async || !is_ready(&service).await)
            .await;
        let answers = [
            service.submit(&page, "acme", "ada", &[]).await,
            ask_with(&service, &made).await,
            service.get("/.well-known/jwks.json").await.unwrap(),
        ];
        for refused in answers {
            assert_eq!(
                refused.status,
                StatusCode::SERVICE_UNAVAILABLE,
                "{}",
                refused.text()
            );
            assert_eq!(refused.header("content-type"), "application/problem+json");
            assert!(!refused.header("retry-after").is_empty());
        }
        proxy.heal();
        service
            .until("ready again", async || is_ready(&service).await)
            .await;
        assert_eq!(service.exchange_code(&code).await.status, StatusCode::OK);
        assert_eq!(ask_with(&service, &made).await.status, StatusCode::OK);
    }
    service.stop().await;
    engine.remove().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_at_start_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock::ManualClock::at(NOW_MS);
    let shared: clock::SharedClock = clock.clone();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut settings = settings(folder.path());
    settings.database_url = Some(format!("postgres://orrery:s3cret@{address}/orrery"));
    settings.postgres.connect_timeout_ms = 200;
    let error = issuer::migrate(&settings, &telemetry(&clock), &shared)
        .await
        .unwrap_err();
    assert!(error.retryable(), "{error}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[tokio::test]
async fn a_lock_that_another_program_holds_is_503_and_uses_no_code_up() {
    let Some(engine) = OnPostgres::new("a_lock_that_another_program_holds") else {
        return;
    };
    let service = start(engine.url()).await;
    let code = service.code().await;
    let other = sql::Postgres::connect(
        &engine.url(),
        sql::PostgresSettings::default(),
        service.telemetry.clone(),
        service.clock.clone(),
    )
    .await
    .unwrap();
    let held = other.write("hold_the_lock", |tx| {
        let (service, code) = (&service, &code);
        sql::scoped(async move {
            sqlx::query("LOCK TABLE authorization_code IN EXCLUSIVE MODE")
                .execute(&mut *tx)
                .await?;
            let refused = service.exchange_code(code).await;
            assert_eq!(
                refused.status,
                StatusCode::SERVICE_UNAVAILABLE,
                "{}",
                refused.text()
            );
            assert!(!refused.header("retry-after").is_empty());
            Ok::<_, sql::SqlError>(())
        })
    });
    held.await.unwrap();
    assert_eq!(service.exchange_code(&code).await.status, StatusCode::OK);
    other.close().await;
    service.stop().await;
    engine.remove().await;
}

#[tokio::test]
async fn a_schema_that_an_older_program_cannot_live_with_is_refused() {
    let Some(engine) = OnPostgres::new("a_schema_that_an_older_program_cannot_live_with_is_refused") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let clock = clock::ManualClock::at(NOW_MS);
    let shared: clock::SharedClock = clock.clone();
    let settings = issuer::Settings {
        database_url: Some(engine.url()),
        ..settings(folder.path())
    };
    let telemetry = telemetry(&clock);
    let migrate = async || issuer::migrate(&settings, &telemetry, &shared).await;
    migrate().await.unwrap();
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)";
    engine
        .sql(&format!(
            "{later} VALUES (98, 'adds', true, '\\x00', 0); INSERT INTO sql_schema VALUES (98, 0)"
        ))
        .await;
    migrate().await.expect("what only adds is lived with");
    engine
        .sql(&format!(
            "{later} VALUES (99, 'takes away', true, '\\x00', 0); INSERT INTO sql_schema VALUES (99, 99)"
        ))
        .await;
    let error = migrate().await.unwrap_err();
    assert_eq!(error.code(), "sql_schema_newer", "{error}");
    engine.remove().await;
}
