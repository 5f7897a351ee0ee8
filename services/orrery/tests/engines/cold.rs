//! Deploys with cold caches, and the one link that everybody follows: reads of the store are counted at the shorteners.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use testkit::engines::{Kind, OwnEngine};
use testkit::http::get;
use testkit::platform::Platform;

use super::client::Api;
use super::fleet::{EngineUrls, Fleet, SHORTENER};

const PATIENCE: Duration = Duration::from_secs(40);
const LINKS: u64 = 40;
/// Readers of the hottest link at each gateway.
const READERS: usize = 32;
/// Longer than the hottest link is remembered anywhere, several times.
const HAMMERED: Duration = Duration::from_secs(6);
const TTL_MS: u64 = 1_000;

/// The hottest link expires every second here, and nobody refreshes it early: each expiry meets all readers.
const SETTINGS: [(&str, &str); 4] = [
    ("ORRERY_SHORTENER_CACHE_TTL_MS", "1000"),
    ("ORRERY_SHORTENER_CACHE_TTL_JITTER", "0"),
    ("ORRERY_SHORTENER_CACHE_XFETCH_BETA", "0"),
    ("ORRERY_SHORTENER_SHARED_CACHE_NEAR_TTL_MS", "200"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_deploy_with_cold_caches_the_hottest_links_cost_the_store_nothing_when_they_are_asked_for() {
    let test =
        "after_a_deploy_with_cold_caches_the_hottest_links_cost_the_store_nothing_when_they_are_asked_for";
    let _turn = crate::turn::alone().await;
    let Some((mut redis, mut fleet, api)) = start(test, &[]).await else {
        return;
    };
    for link in 0..LINKS {
        // The first is followed most.
        for _ in 0..LINKS - link {
            assert_eq!(api.follow(&alias(link)).await.0, StatusCode::FOUND);
        }
    }
    eventually(&fleet, "the clicks are in the statistics", async || {
        clicks(&api, &alias(LINKS - 1)).await >= 1 && clicks(&api, &alias(0)).await >= LINKS
    })
    .await;

    for shortener in &mut fleet.shorteners {
        assert!(shortener.terminate().await.success(), "{}", shortener.tail());
    }
    redis.kill();
    redis.restart().await;
    for shortener in &mut fleet.shorteners {
        shortener.restart().await;
    }
    let warmed = reads(&fleet).await;
    assert!(
        (LINKS..=2 * LINKS).contains(&warmed),
        "each of the hottest was read, once by each process at most: {warmed}"
    );
    for link in 0..LINKS {
        assert_eq!(api.follow(&alias(link)).await.0, StatusCode::FOUND);
    }
    assert_eq!(reads(&fleet).await, warmed, "no redirect waited for the store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_hottest_link_expires_under_many_readers_each_process_reads_the_store_once_at_most() {
    let test = "when_the_hottest_link_expires_under_many_readers_each_process_reads_the_store_once_at_most";
    let _turn = crate::turn::alone().await;
    let Some((_redis, fleet, _)) = start(test, &SETTINGS).await else {
        return;
    };
    let before = reads(&fleet).await;
    let (stop, followed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clock = clock::SystemClock::shared();
    let started = clock.monotonic();
    let mut readers = tokio::task::JoinSet::new();
    for gateway in &fleet.gateways {
        for _ in 0..READERS {
            let (url, stop, followed) = (gateway.url(), Arc::clone(&stop), Arc::clone(&followed));
            readers.spawn(async move {
                let api = Api::new(&url, "");
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(api.follow(&alias(0)).await.0, StatusCode::FOUND);
                    followed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    tokio::time::sleep(HAMMERED).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(reader) = readers.join_next().await {
        reader.expect("each redirect leads there");
    }
    let lives =
        u64::try_from(clock.monotonic().saturating_sub(started).as_millis()).expect("seconds") / TTL_MS + 1;
    let (reads, followed) = (reads(&fleet).await - before, followed.load(Ordering::Relaxed));
    println!("{followed} redirects of one link over {lives} lives of a second: {reads} reads of the store");
    assert!(followed > 20 * lives, "there were hardly any readers: {followed}");
    // One a life and process: who finds that another is reading does not wait for it.
    assert!(reads <= 2 * lives, "{reads} reads in {lives} lives");
    assert!(reads >= 2, "it never expired: {reads}");
}

async fn start(test: &str, settings: &[(&str, &str)]) -> Option<(OwnEngine, Fleet, Api)> {
    let shared = EngineUrls::shared(test)?;
    // Its own: it is wiped.
    let redis = OwnEngine::start(Kind::Redis, test).await?;
    let engines = EngineUrls {
        redis: format!("{}/0?prefix=cold", redis.url()),
        ..shared
    };
    let fleet = Fleet::start_with(&engines, settings).await;
    let api = Api::new(&fleet.gateways[0].url(), &fleet.token("acme").await);
    for link in 0..LINKS {
        let body = json!({ "url": format!("https://example.com/{link}"), "alias": alias(link) });
        let (status, made) = api.send(Method::POST, "/v1/links", Some(&body), None).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
    }
    Some((redis, fleet, api))
}

fn alias(link: u64) -> String {
    format!("link-{link}")
}

async fn clicks(api: &Api, alias: &str) -> u64 {
    let (_, link) = api
        .send(Method::GET, &format!("/v1/links/{alias}"), None, None)
        .await;
    link["clicks"].as_u64().unwrap_or_default()
}

/// Reads of the store by both shorteners since they started, for redirects.
async fn reads(fleet: &Fleet) -> u64 {
    let mut all = 0.0;
    for shortener in &fleet.shorteners {
        all += reads_of(shortener).await;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count far below 2^53"
    )]
    let all = all as u64;
    all
}

async fn reads_of(shortener: &Platform) -> f64 {
    let answer = get(format!("{}/metrics", shortener.admin_url(SHORTENER)))
        .send()
        .await;
    let text = answer.text();
    let lines = text.lines().filter(|line| {
        line.starts_with("db_client_operation_duration_seconds_count{")
            && line.contains(r#"operation="resolve_link""#)
    });
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

async fn eventually(fleet: &Fleet, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(
        waited.await.is_ok(),
        "{what}: not within {PATIENCE:?}\n{}",
        fleet.tails()
    );
}
