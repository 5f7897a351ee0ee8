//! Redirects that are answered once their click is safe.

use serde_json::json;
use tokio::task::JoinSet;

use crate::engines::embedded_only;
use crate::harness::{Blocked, Service, Setup, eventually};

/// Much longer than a test: nothing in it waits for this.
const NEVER_MS: u64 = 600_000;

async fn durable(wait_ms: u64) -> Setup {
    Setup::new().await.change(|settings| {
        settings.clicks.durable = true;
        settings.clicks.durable_wait_ms = wait_ms;
        settings.clicks.flush_interval_ms = NEVER_MS;
        settings.sqlite.write_deadline_ms = 300;
    })
}

async fn recorded(service: &Service, step: &str) -> u64 {
    let metric = format!(r#"shortener_clicks_total{{step="{step}"}}"#);
    service.metric(&metric).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answered_redirect_is_in_the_stream_by_then() {
    let service = std::sync::Arc::new(durable(NEVER_MS).await.start().await);
    let made = [
        json!({"url": "https://example.com/", "alias": "plain"}),
        json!({"url": "https://example.com/", "alias": "gated", "max_clicks": 1_000}),
    ];
    for body in made {
        service.make(body).await;
    }
    let mut readers = JoinSet::new();
    for number in 0..16 {
        let service = service.clone();
        readers.spawn(async move {
            let path = if number % 2 == 0 { "/plain" } else { "/gated" };
            for _ in 0..10 {
                assert_eq!(service.get(path).await.status, 302);
            }
        });
    }
    readers.join_all().await;
    assert_eq!(recorded(&service, "published").await, 160);
    service.clicked("plain", 80).await;
    service.clicked("gated", 80).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_whose_click_cannot_be_made_safe_is_503_and_looks_are_answered() {
    if embedded_only("the stream is a file that somebody locks") {
        return;
    }
    let service = durable(500).await.start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "careful"}))
        .await;
    let blocked = Blocked::new(service.folder.path().join("streams.db")).await;
    let refused = service.get("/careful").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    let looked = service.request(http::Method::HEAD, "/careful", &[], "").await;
    assert_eq!(looked.status, 302);
    blocked.release().await;
    eventually("redirects are answered again", async || {
        service.get("/careful").await.status == 302
    })
    .await;
    // The one that was refused counts too: it was followed, as far as anybody knows here.
    eventually("what waited was appended", async || {
        recorded(&service, "published").await == recorded(&service, "recorded").await
    })
    .await;
    assert_eq!(recorded(&service, "lost").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_its_click_a_redirect_is_refused_and_not_left_uncounted() {
    if embedded_only("the stream is a file that somebody locks") {
        return;
    }
    let setup = durable(NEVER_MS).await;
    let setup = setup.change(|settings| settings.clicks.queue_max = 1);
    let service = std::sync::Arc::new(setup.start().await);
    service
        .make(json!({"url": "https://example.com/", "alias": "crowded"}))
        .await;
    let blocked = Blocked::new(service.folder.path().join("streams.db")).await;
    let mut waiting = JoinSet::new();
    // One is being appended, one is in the queue; there is no place for a third.
    for placed in 1..=2 {
        let reader = service.clone();
        waiting.spawn(async move { reader.get("/crowded").await.status });
        eventually("the click has its place", async || {
            let queued = service.metric("shortener_click_queue_length").await;
            recorded(&service, "recorded").await == placed && queued == placed - 1
        })
        .await;
    }
    assert_eq!(service.get("/crowded").await.status, 503);
    assert_eq!(recorded(&service, "dropped").await, 1);
    blocked.release().await;
    assert_eq!(waiting.join_all().await, [302, 302]);
    service.clicked("crowded", 2).await;
}
