//! What happens when something the service needs is slow, down, wrong, cut off or full. The README's table names these.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clock::ManualClock;
use http::Method;
use identity::{FetchKeys, FetchKeysError, Jwks, SigningKey, StaticKeys};
use serde_json::{Value, json};

use crate::engines::embedded_only;
use crate::harness::{Answer, Blocked, Service, Setup, eventually};

const NOW_MS: u64 = 1_795_305_600_000;

async fn post(service: &Service) -> Answer {
    service
        .send(Method::POST, "/v1/links", &json!({"url": "https://example.com/"}))
        .await
}

async fn with_a_link() -> Service {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "kept"}))
        .await;
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_refused_at_start_and_named() {
    if embedded_only("the stores are files") {
        return;
    }
    let (folder, clock) = with_a_link().await.stop().await;
    for (file, setting) in [
        ("shortener.db", "database_url"),
        ("leases.db", "leases_url"),
        ("streams.db", "streams_url"),
    ] {
        let path = folder.path().join(file);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, vec![7; 8_192]).unwrap();
        let failure = Setup::at(Arc::clone(&folder))
            .clock(clock.clone())
            .begin()
            .failure()
            .await;
        assert!(failure.to_string().contains(setting), "{failure}");
        assert!(!failure.retryable(), "{failure}");
        std::fs::write(&path, good).unwrap();
    }
    let service = Setup::at(folder).clock(clock).start().await;
    assert_eq!(service.get("/kept").await.status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_store_moved_away_it_is_not_ready_writes_are_503_and_both_end() {
    if embedded_only("the store is a file") {
        return;
    }
    let service = with_a_link().await;
    service.get("/kept").await;
    let file = service.folder.path().join("shortener.db");
    std::fs::rename(&file, file.with_extension("away")).unwrap();
    eventually("it is not ready", async || !service.is_ready().await).await;
    let refused = post(&service).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(service.get("/kept").await.status, 302, "remembered");
    std::fs::rename(file.with_extension("away"), &file).unwrap();
    service.ready().await;
    assert_eq!(post(&service).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_holds_clicks_back_until_there_is_room_and_redirects_go_on() {
    let setup = Setup::new().await.change(|settings| {
        settings.streams.events_max = 3;
        settings.streams.dedupe_window_ms = 200;
        settings.streams.retention_ms = 200;
        settings.consumer.collect_ms = 50;
        settings.clicks.flush_interval_ms = 1;
        settings.statistics.cycle_ms = 20;
    });
    let service = setup.start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "full"}))
        .await;
    for _ in 0..200 {
        assert_eq!(service.get("/full").await.status, 302);
    }
    service.clicked("full", 200).await;
}

/// An issuer that does not answer, or with an error at once.
struct NoKeys {
    silent: bool,
}

#[async_trait]
impl FetchKeys for NoKeys {
    async fn fetch(&self) -> Result<Jwks, FetchKeysError> {
        if self.silent {
            std::future::pending::<()>().await;
        }
        Err(FetchKeysError::Unreachable("no route".to_owned()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_issuers_keys_management_is_503_and_redirects_go_on() {
    let (folder, clock) = with_a_link().await.stop().await;
    let start = async |keys: Arc<dyn FetchKeys>| {
        let setup = Setup::at(Arc::clone(&folder)).clock(clock.clone());
        setup
            .keys(keys)
            .change(|settings| settings.tokens.fetch_timeout_ms = 200)
            .start()
            .await
    };
    for silent in [true, false] {
        let service = start(Arc::new(NoKeys { silent })).await;
        let refused = post(&service).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (503, "token_keys_unavailable")
        );
        assert!(refused.header("retry-after").is_some());
        assert_eq!(service.get("/kept").await.status, 302);
        assert!(service.is_ready().await, "redirects need no keys");
        service.stop().await;
    }
    let others = StaticKeys(Jwks::of([&SigningKey::generate()]));
    let service = start(Arc::new(others)).await;
    assert_eq!(
        (post(&service).await.status, service.get("/kept").await.status),
        (401, 302)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_renewed_worker_number_links_cannot_be_made_and_redirects_go_on() {
    if embedded_only("the leases are a file that somebody locks") {
        return;
    }
    let clock = ManualClock::at(NOW_MS);
    let setup = Setup::new()
        .await
        .clock(clock.clone())
        .change(|settings| settings.sqlite.write_deadline_ms = 1_000);
    let service = setup.start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "kept"}))
        .await;
    let blocked = Blocked::new(service.folder.path().join("leases.db")).await;
    assert_eq!(post(&service).await.status, 201, "the lease lasts a while");
    clock.advance(Duration::from_mins(1));
    let refused = post(&service).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
    assert_eq!(service.get("/kept").await.status, 302);
    blocked.release().await;
    eventually("ids are issued again", async || {
        post(&service).await.status == 201
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_far_stops_ids_and_nothing_else_until_it_has_caught_up() {
    let clock = ManualClock::at(NOW_MS);
    let service = Setup::new().await.clock(clock.clone()).start().await;
    let first = service
        .make(json!({"url": "https://example.com/", "alias": "kept"}))
        .await;
    clock.step_wall(-5_000);
    assert_eq!(post(&service).await.status, 503);
    assert_eq!(service.get("/kept").await.status, 302);
    clock.step_wall(5_001);
    let second = post(&service).await.json();
    let id = |link: &Value| link["id"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(id(&second) > id(&first));
}
