//! The cache's promises. Time is a manual clock; interleavings are forced by channels.

#[macro_use]
mod contract;
#[macro_use]
mod two_levels;
mod bounds;
mod eviction;
mod expiry;
mod flights;
mod lost;
mod memory;
mod mixed;
mod processes;
mod races;
mod redis;
mod refresh;

use cache::{Cache, CacheMetrics, CacheSettings};
use clock::ManualClock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use telemetry::Registry;
use telemetry::prometheus_client::encoding::text::encode;

type Links = Cache<String, Arc<str>, &'static str>;
type Loaded = Result<Option<Arc<str>>, &'static str>;

/// A cache, and everything about it that a test moves or reads.
struct World {
    links: Links,
    clock: Arc<ManualClock>,
    metrics: CacheMetrics,
    chance: Arc<AtomicU64>,
    calls: Arc<AtomicU32>,
}

/// No jitter, no early refresh, until the test says otherwise.
const CALM: CacheSettings = CacheSettings {
    capacity: 1_000,
    ttl_ms: 60_000,
    ttl_jitter: 0.0,
    negative_ttl_ms: 5_000,
    xfetch_beta: 1.0,
    loads_max: 64,
    loads_waiting_max: 1_024,
    load_timeout_ms: 60_000,
};

impl World {
    fn new(settings: CacheSettings) -> Self {
        let clock = ManualClock::at(1_800_000_000_000);
        let metrics = CacheMetrics::default();
        let chance = Arc::new(AtomicU64::new(1.0_f64.to_bits()));
        let drawn = Arc::clone(&chance);
        let draw = move || f64::from_bits(drawn.load(Ordering::SeqCst));
        let links = Cache::with_chance("links", &settings, clock.clone(), &metrics, draw);
        Self {
            links,
            clock,
            metrics,
            chance,
            calls: Arc::default(),
        }
    }

    /// What every later draw gives.
    fn set_chance(&self, chance: f64) {
        self.chance.store(chance.to_bits(), Ordering::SeqCst);
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Reads through the cache; the origin would answer `answer` at once.
    async fn read(
        &self,
        key: &str,
        answer: Loaded,
    ) -> Result<Option<Arc<str>>, cache::LoadError<&'static str>> {
        let calls = Arc::clone(&self.calls);
        let load = move || async move {
            calls.fetch_add(1, Ordering::SeqCst);
            answer
        };
        self.links.get_or_load(key.to_owned(), load).await
    }

    /// The value of one line of the metrics, 0 where there is none.
    fn metric(&self, line: &str) -> u64 {
        metric_of(&self.metrics, line)
    }
}

fn metric_of(metrics: &CacheMetrics, line: &str) -> u64 {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, registry.series()).expect("the metrics encode");
    let value = text.lines().find_map(|found| found.strip_prefix(line));
    value.map_or(0, |value| value.trim().parse().expect("a count"))
}

fn url(text: &str) -> Arc<str> {
    Arc::from(text)
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a loader answers")]
fn found(text: &str) -> Loaded {
    Ok(Some(url(text)))
}

/// Lets every other task of this single-threaded runtime run until it waits.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
