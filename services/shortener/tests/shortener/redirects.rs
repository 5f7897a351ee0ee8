//! Following links.

use std::sync::Arc;

use http::Method;
use serde_json::json;

use crate::engines::embedded_only;
use crate::harness::{Service, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_302_or_301_and_never_cached() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/t", "alias": "temporary"}))
        .await;
    service
        .make(json!({"url": "https://example.com/p", "alias": "permanent", "permanent": true}))
        .await;
    for (path, status) in [
        ("/temporary", 302),
        ("/permanent", 301),
        ("/temporary", 302),
        ("/permanent", 301),
    ] {
        let answer = service.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(
            answer.header("cache-control"),
            Some("private, no-store, max-age=0"),
            "counting stays honest"
        );
        assert!(
            answer
                .header("location")
                .unwrap()
                .starts_with("https://example.com/")
        );
        assert!(answer.body.is_empty());
        assert!(answer.header("x-request-id").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_tells_where_a_link_leads() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "looked-at"}))
        .await;
    let answer = service.request(Method::HEAD, "/looked-at", &[], "").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some("https://example.com/"))
    );
    assert_eq!(
        service.request(Method::HEAD, "/nowhere", &[], "").await.status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_code_is_404_remembered_and_followed_as_soon_as_it_is_claimed() {
    let setup = Setup::new().await.change(|settings| {
        settings.cache.negative_ttl_ms = 60_000;
        settings.shared_cache.absent_ttl_ms = 60_000;
    });
    let service = setup.start().await;
    for _ in 0..5 {
        let answer = service.get("/not-yet").await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
        assert_eq!(
            answer.header("cache-control"),
            Some("private, no-store, max-age=0")
        );
    }
    let absent = r#"cache_loads_total{cache="destinations",outcome="absent"}"#;
    assert_eq!(service.metric(absent).await, 1, "asked the store once");
    service
        .make(json!({"url": "https://example.com/", "alias": "not-yet"}))
        .await;
    assert_eq!(service.get("/not-yet").await.status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_no_code_is_404_without_asking_the_store() {
    let service = Service::start().await;
    let long = format!("/{}", "a".repeat(65));
    for path in [
        "/a.b.c",
        "/%00%00%00",
        "/%2e%2e",
        "/..%2f..%2fetc",
        "/%ff%fe%fd",
        "/-abc",
        &long,
    ] {
        let answer = service.get(path).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
    assert_eq!(
        service
            .metric(r#"cache_lookups_total{cache="destinations",outcome="miss"}"#)
            .await,
        0
    );
}

#[tokio::test]
async fn what_is_answered_before_routing_and_what_is_routed_are_one_route_to_whoever_looks() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "plain"}))
        .await;
    service
        .make(json!({"url": "https://example.com/", "alias": "gated", "max_clicks": 5}))
        .await;
    for path in ["/plain", "/plain", "/gated"] {
        assert_eq!(service.get(path).await.status, 302, "{path}");
    }
    let series = r#"http_server_request_duration_seconds_count{method="GET",route="/{code}",status="302"}"#;
    assert_eq!(service.metric(series).await, 3);
    for path in ["/plain", "/gated"] {
        let answer = service.send(Method::PUT, path, &json!(null)).await;
        assert_eq!(answer.status, 405, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cold_readers_cost_the_store_one_read() {
    let service = Arc::new(Service::start().await);
    service
        .make(json!({"url": "https://example.com/", "alias": "popular"}))
        .await;
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let service = Arc::clone(&service);
        readers.spawn(async move { service.get("/popular").await.status });
    }
    let statuses = readers.join_all().await;
    // Too many at once may be turned away, but none is sent elsewhere.
    assert!(statuses.iter().all(|status| [302, 503].contains(status)));
    assert!(statuses.iter().filter(|status| **status == 302).count() > 900);
    let loads = r#"cache_loads_total{cache="destinations",outcome="found"}"#;
    assert_eq!(service.metric(loads).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_out_of_the_cache_needs_no_store() {
    if embedded_only("the store is a file that is moved away") {
        return;
    }
    let service = Setup::new()
        .await
        .change(|settings| settings.cache.ttl_ms = 600_000)
        .start()
        .await;
    service
        .make(json!({"url": "https://example.com/", "alias": "kept"}))
        .await;
    assert_eq!(service.get("/kept").await.status, 302);
    let file = service.folder.path().join("shortener.db");
    std::fs::rename(&file, file.with_extension("away")).unwrap();
    for _ in 0..20 {
        assert_eq!(service.get("/kept").await.status, 302);
    }
    assert!(
        service
            .metric(r#"shortener_redirects_total{outcome="found"}"#)
            .await
            >= 21
    );
}
