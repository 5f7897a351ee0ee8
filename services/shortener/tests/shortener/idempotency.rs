//! `Idempotency-Key`: a repeat gets the first answer.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use crate::engines::embedded_only;
use crate::harness::{Answer, Blocked, Service, Setup};

const BODY: &str = r#"{"url":"https://example.com/","tags":["a"]}"#;

async fn post(service: &Service, token: &str, key: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    service.request(Method::POST, "/v1/links", &headers, body).await
}

async fn made(service: &Service) -> usize {
    let listed = service
        .send(Method::GET, "/v1/links?limit=100", &Value::Null)
        .await
        .json();
    listed["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_body_get_the_same_answer_also_after_a_restart() {
    let service = Service::start().await;
    let token = service.token("acme");
    let first = post(&service, &token, "k1", BODY).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    let spelled_otherwise = r#" { "tags": ["a"], "url": "https://example.com/", "permanent": false } "#;
    let again = post(&service, &token, "k1", spelled_otherwise).await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (201, Some("true"))
    );
    assert_eq!(
        (again.json(), again.header("location")),
        (first.json(), first.header("location"))
    );

    let service = service.restart().await;
    let later = post(&service, &service.token("acme"), "k1", BODY).await;
    assert_eq!((later.status, later.json()), (201, first.json()));
    assert_eq!(made(&service).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_answer_stands_whatever_happens_to_the_link_since() {
    let service = Service::start().await;
    let token = service.token("acme");
    let body = r#"{"url":"https://example.com/","alias":"stands"}"#;
    let first = post(&service, &token, "k1", body).await.json();
    service
        .send(
            Method::PATCH,
            "/v1/links/stands",
            &json!({"url": "https://other.example/"}),
        )
        .await;
    assert_eq!(
        post(&service, &token, "k1", body).await.json(),
        first,
        "not 409: the alias is its own"
    );
    service
        .send(Method::DELETE, "/v1/links/stands", &Value::Null)
        .await;
    assert_eq!(post(&service, &token, "k1", body).await.json(), first);
    assert_eq!(service.get("/stands").await.status, 404, "nothing was made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_with_another_body_is_422() {
    let service = Service::start().await;
    let token = service.token("acme");
    assert_eq!(post(&service, &token, "k1", BODY).await.status, 201);
    let refused = post(&service, &token, "k1", r#"{"url":"https://example.com/other"}"#).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (422, "idempotency_key_reused")
    );
    assert_eq!(made(&service).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_one_user_of_one_tenant() {
    let service = Service::start().await;
    let scopes = "links:read links:write";
    let tokens = [
        service.token_for("acme", "ada", scopes),
        service.token_for("acme", "bob", scopes),
        service.token_for("other", "ada", scopes),
    ];
    let mut codes = Vec::new();
    for token in &tokens {
        let answer = post(&service, token, "k1", BODY).await;
        assert_eq!(
            (answer.status, answer.header("idempotency-replayed")),
            (201, None)
        );
        codes.push(answer.json()["code"].clone());
    }
    codes.dedup();
    assert_eq!(codes.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_remembered() {
    let service = Service::start().await;
    let token = service.token("acme");
    let body = r#"{"url":"https://example.com/","alias":"wanted"}"#;
    service
        .make(json!({"url": "https://first.example/", "alias": "wanted"}))
        .await;
    assert_eq!(post(&service, &token, "k1", body).await.status, 409);
    assert_eq!(
        post(&service, &token, "k1", r#"{"url":"ftp://x"}"#).await.status,
        422
    );
    service
        .send(Method::DELETE, "/v1/links/wanted", &Value::Null)
        .await;
    assert_eq!(post(&service, &token, "k1", body).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_race_make_one_link_and_get_one_answer() {
    let service = Arc::new(Service::start().await);
    let token = service.token("acme");
    let mut copies = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (service, token) = (Arc::clone(&service), token.clone());
        copies.spawn(async move { post(&service, &token, "k1", BODY).await });
    }
    let answers = copies.join_all().await;
    let codes: std::collections::HashSet<String> = answers
        .iter()
        .map(|answer| answer.json()["code"].as_str().unwrap().to_owned())
        .collect();
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!((codes.len(), made(&service).await), (1, 1));
    let first = answers
        .iter()
        .filter(|answer| answer.header("idempotency-replayed").is_none());
    assert_eq!(first.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_request_that_takes_too_long_is_409_and_told_when_to_come_back() {
    if embedded_only("the store is a file that somebody locks") {
        return;
    }
    let setup = Setup::new().await.change(|settings| {
        settings.idempotency.join_wait_ms_max = 50;
        settings.sqlite.write_deadline_ms = 20_000;
    });
    let service = Arc::new(setup.start().await);
    let token = service.token("acme");
    // Codes are at hand, so that the writer is what the first one waits for.
    service.make(json!({"url": "https://example.com/"})).await;
    let blocked = Blocked::new(service.folder.path().join("shortener.db")).await;
    let first = tokio::spawn({
        let (service, token) = (Arc::clone(&service), token.clone());
        async move { post(&service, &token, "slow", BODY).await }
    });
    crate::harness::eventually("the copy finds the first in flight", async || {
        let copy = tokio::time::timeout(
            std::time::Duration::from_secs(1),
            post(&service, &token, "slow", BODY),
        );
        copy.await.is_ok_and(|copy| {
            copy.status == 409
                && copy.code() == "idempotency_in_flight"
                && copy.header("retry-after").is_some()
        })
    })
    .await;
    blocked.release().await;
    // Either of them may have come first; whoever did has the one effect.
    assert!([201, 409].contains(&first.await.unwrap().status));
    let answered = post(&service, &token, "slow", BODY).await;
    assert_eq!(answered.status, 201, "{answered:?}");
    assert_eq!(post(&service, &token, "slow", BODY).await.json(), answered.json());
    assert_eq!(made(&service).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_finds_its_link_under_its_key() {
    let service = Service::start().await;
    let token = service.token("acme");
    for number in 0..20 {
        let key = format!("gone-{number}");
        let patience = std::time::Duration::from_millis(number);
        let _ = tokio::time::timeout(patience, post(&service, &token, &key, BODY)).await;
        let answer = post(&service, &token, &key, BODY).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    assert_eq!(made(&service).await, 20);
    let counted = service.metric(r#"shortener_links_total{change="created"}"#).await;
    assert_eq!(counted, 20, "also those whose client was gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_key_is_400() {
    let service = Service::start().await;
    let token = service.token("acme");
    let long = "k".repeat(256);
    for key in ["", "two words", &long] {
        let answer = post(&service, &token, key, BODY).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "idempotency_key_malformed"),
            "{key}"
        );
    }
    assert_eq!(made(&service).await, 0);
}
