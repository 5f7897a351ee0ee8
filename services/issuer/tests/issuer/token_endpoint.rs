//! The token endpoint: what it refuses, and how it fails.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use testkit::http::{Answer, call, get};

use crate::service::Service;

fn refused_with(answer: &Answer, error: &str) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    assert_eq!(answer.json()["error"], error);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_code_works_once() {
    let service = Service::start().await;
    let code = service.code().await;
    assert_eq!(service.exchange_code(&code).await.status, StatusCode::OK);
    refused_with(&service.exchange_code(&code).await, "invalid_grant");
}

#[tokio::test]
async fn of_twenty_that_race_for_one_code_exactly_one_gets_a_token() {
    let service = Arc::new(Service::start().await);
    let code = service.code().await;
    let racers: Vec<_> = (0..20)
        .map(|_| {
            let (service, code) = (service.clone(), code.clone());
            tokio::spawn(async move { service.exchange_code(&code).await.status })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap() == StatusCode::OK);
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn a_wrong_attempt_uses_the_code_up() {
    let service = Service::start().await;
    let wrong_verifier = "a".repeat(43);
    let wrongs = [
        ("code_verifier", wrong_verifier.as_str()),
        ("redirect_uri", "http://127.0.0.1:18080/ui/other"),
    ];
    for (name, wrong) in wrongs {
        let code = service.code().await;
        let fields =
            Service::exchange_fields(&code).map(|field| if field.0 == name { (name, wrong) } else { field });
        refused_with(&service.exchange(&fields).await, "invalid_grant");
        refused_with(&service.exchange_code(&code).await, "invalid_grant");
    }
}

#[tokio::test]
async fn a_code_expires_after_a_minute() {
    let service = Service::start_with(|settings| settings.housekeeping_interval_ms = 3_600_000).await;
    let code = service.code().await;
    service.clock.advance(Duration::from_millis(59_999));
    assert_eq!(service.exchange_code(&code).await.status, StatusCode::OK);
    let code = service.code().await;
    service.clock.advance(Duration::from_mins(1));
    refused_with(&service.exchange_code(&code).await, "invalid_grant");
}

#[tokio::test]
async fn malformed_requests_get_oauth_errors() {
    let service = Service::start().await;
    let without = |name: &str| {
        Service::exchange_fields("c")
            .into_iter()
            .filter(|field| field.0 != name)
            .collect::<Vec<_>>()
    };
    for name in ["grant_type", "code", "redirect_uri", "code_verifier"] {
        refused_with(&service.exchange(&without(name)).await, "invalid_request");
    }
    refused_with(&service.exchange(&without("client_id")).await, "invalid_client");
    let mut doubled = Service::exchange_fields("c").to_vec();
    doubled.push(("code", "d"));
    refused_with(&service.exchange(&doubled).await, "invalid_request");
    for grant in ["password", "refresh_token", "CLIENT_CREDENTIALS"] {
        let mut fields = without("grant_type");
        fields.push(("grant_type", grant));
        refused_with(&service.exchange(&fields).await, "unsupported_grant_type");
    }
    for verifier in [
        "short".to_owned(),
        "a".repeat(129),
        format!("{} ", "a".repeat(43)),
    ] {
        let mut fields = without("code_verifier");
        fields.push(("code_verifier", &verifier));
        refused_with(&service.exchange(&fields).await, "invalid_request");
    }
    refused_with(&service.exchange_code("never-issued").await, "invalid_grant");
}

#[tokio::test]
async fn only_forms_are_read() {
    let service = Service::start().await;
    let url = format!("{}/oauth2/token", service.url);
    let json = serde_json::json!({"grant_type": "authorization_code"});
    let answer = call(Method::POST, &url).json(&json).send().await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let huge = "x=".to_owned() + &"y".repeat(200_000);
    let form = "application/x-www-form-urlencoded";
    let answer = call(Method::POST, &url)
        .header("content-type", form)
        .bytes(huge)
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn with_the_database_cut_off_sign_ins_are_503_and_come_back() {
    let service = Service::start().await;
    let (file, away) = (
        service.folder.path().join("issuer.db"),
        service.folder.path().join("away.db"),
    );
    let page = service.page(&Service::query(&[])).await;
    let ready = async |wanted: StatusCode| {
        get(format!("{}/readyz", service.admin))
            .try_send()
            .await
            .is_ok_and(|answer| answer.status == wanted)
    };
    service.until("ready", async || ready(StatusCode::OK).await).await;
    std::fs::rename(&file, &away).unwrap();
    service
        .until("not ready", async || ready(StatusCode::SERVICE_UNAVAILABLE).await)
        .await;
    let refused = service.submit(&page, "acme", "ada", &[]).await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        refused.text()
    );
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(
        service.exchange_code("c").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    std::fs::rename(&away, &file).unwrap();
    service
        .until("ready again", async || ready(StatusCode::OK).await)
        .await;
    assert_eq!(
        service.exchange_code(&service.code().await).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_damaged_key_is_our_fault_and_says_nothing() {
    let service = Service::start().await;
    let code = service.code().await;
    service.sql("UPDATE signing_key SET pkcs8 = x'00'").await;
    for answer in [
        service.exchange_code(&code).await,
        service.get("/.well-known/jwks.json").await.unwrap(),
    ] {
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(!answer.text().contains("PKCS"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_database_that_is_not_what_it_was_is_no_matter_of_waiting() {
    let service = Service::start().await;
    service.sql("DROP TABLE signing_key").await;
    let answer = service.get("/.well-known/jwks.json").await.unwrap();
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.header("retry-after"), "");
    assert!(!answer.text().contains("signing_key"), "{}", answer.text());
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_named() {
    let service = Service::start().await;
    service
        .sql("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', 1, x'00', 0)")
        .await;
    let clock: clock::SharedClock = service.clock.clone();
    let error = issuer::migrate(&service.settings, &service.telemetry, &clock)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "sql_schema_newer", "{error}");
    let mut settings = service.settings.clone();
    settings.database_url = Some(format!(
        "sqlite:{}/no/such/folder/issuer.db",
        service.folder.path().display()
    ));
    let error = issuer::migrate(&settings, &service.telemetry, &clock)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no/such/folder"), "{error}");
}

#[tokio::test]
async fn a_database_that_another_program_keeps_locked_is_503_and_uses_no_code_up() {
    let service = Service::start_with(|settings| {
        settings.sqlite.write_deadline_ms = 200;
        settings.sqlite.busy_timeout_ms = 20;
    })
    .await;
    let code = service.code().await;
    let other = service.open_again().await;
    let held = other.write("hold_the_lock", |_| {
        sql::scoped(async {
            let refused = service.exchange_code(&code).await;
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
}
