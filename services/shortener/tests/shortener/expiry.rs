//! Expiry, by the service's clock.

use std::time::Duration;

use clock::{Clock as _, ManualClock};
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Service, Setup, eventually};

/// 2026-11-22T00:00:00Z.
const NOW_MS: u64 = 1_795_305_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_link_answers_410_from_its_last_moment_on_remembered_or_not() {
    let clock = ManualClock::at(NOW_MS);
    let service = Setup::new().await.clock(clock.clone()).start().await;
    for alias in ["remembered", "cold"] {
        service
            .make(
                json!({"url": "https://example.com/", "alias": alias, "expires_at": "2026-11-22T00:00:10Z"}),
            )
            .await;
    }
    assert_eq!(service.get("/remembered").await.status, 302);
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(
        service.get("/remembered").await.status,
        302,
        "a millisecond before"
    );
    clock.advance(Duration::from_millis(1));
    for path in ["/remembered", "/cold"] {
        let answer = service.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (410, "gone"), "{path}");
        assert_eq!(
            answer.header("cache-control"),
            Some("private, no-store, max-age=0")
        );
    }
    // Its owner still sees it, keeps the alias, and can bring it back.
    let shown = service.send(Method::GET, "/v1/links/cold", &Value::Null).await;
    assert_eq!(
        (shown.status, &shown.json()["expires_at"]),
        (200, &json!("2026-11-22T00:00:10.000Z"))
    );
    let taken = service
        .send(
            Method::POST,
            "/v1/links",
            &json!({"url": "https://a.example/", "alias": "cold"}),
        )
        .await;
    assert_eq!(taken.code(), "alias_taken");
    let tagged = service
        .send(Method::PATCH, "/v1/links/cold", &json!({"tags": ["old"]}))
        .await;
    assert_eq!(tagged.status, 200, "what is not touched may have passed");
    assert_eq!(
        service
            .send(Method::PATCH, "/v1/links/cold", &json!({"expires_at": null}))
            .await
            .status,
        200
    );
    assert_eq!(service.get("/cold").await.status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_clock_that_is_set_back_brings_a_link_back() {
    let clock = ManualClock::at(NOW_MS);
    let service = Setup::new().await.clock(clock.clone()).start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "short", "expires_at": "2026-11-22T00:00:05Z"}))
        .await;
    clock.step_wall(6_000);
    assert_eq!(service.get("/short").await.status, 410);
    clock.step_wall(-6_000);
    assert_eq!(service.get("/short").await.status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_for_a_day_and_then_forgotten() {
    let clock = ManualClock::at(NOW_MS);
    let service = Setup::new().await.clock(clock.clone()).start().await;
    let first = make_with_key(&service).await.expect("the first is made");
    clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
    assert_eq!(make_with_key(&service).await, Some(first.clone()));
    clock.advance(Duration::from_secs(1));
    eventually("ids can be issued again after the jump", async || {
        make_with_key(&service).await.is_some()
    })
    .await;
    assert_ne!(make_with_key(&service).await, Some(first));
    assert!(clock.unix_ms() > NOW_MS);
}

/// The code of the link, or `None` while its worker number is not renewed.
async fn make_with_key(service: &Service) -> Option<String> {
    let bearer = format!("Bearer {}", service.token("acme"));
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "daily"),
    ];
    let answer = service
        .request(
            Method::POST,
            "/v1/links",
            &headers,
            r#"{"url":"https://example.com/"}"#,
        )
        .await;
    assert!([201, 503].contains(&answer.status), "{answer:?}");
    (answer.status == 201).then(|| answer.json()["code"].as_str().unwrap().to_owned())
}
