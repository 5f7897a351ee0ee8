//! What is worth keeping: our clock beside FIFO, LRU, LFU, TinyLFU and S3-FIFO, by the same traces. The others are small models; ours is the
//! cache itself.

mod policies;

use crate::{CALM, World, url};
use cache::CacheSettings;
use load::{Zipf, draw};
use policies::{Fifo, Lfu, Lru, Policy, S3Fifo, TinyLfu};

const KEYS: usize = 10_000;
const CAPACITY: usize = 500;
const READS: u64 = 60_000;

/// The cache itself, filled as its callers fill it.
struct Clock(World);

impl Clock {
    fn new() -> Self {
        Self(World::new(CacheSettings {
            capacity: CAPACITY,
            ..CALM
        }))
    }
}

impl Policy for Clock {
    fn reads(&mut self, key: u64) -> bool {
        let key = key.to_string();
        if self.0.links.peek(&key).is_some() {
            return true;
        }
        let ticket = self.0.links.ticket(&key);
        self.0.links.put(ticket, key, url("https://example.com"));
        false
    }
}

/// Which key is read when.
type Trace = fn(&Zipf, u64) -> u64;

/// Few keys are hot, and stay so.
fn steady(zipf: &Zipf, index: u64) -> u64 {
    zipf.at(1, index) as u64
}

/// What is hot is forgotten every fifth of the trace: yesterday's links.
fn shifting(zipf: &Zipf, index: u64) -> u64 {
    let era = index / (READS / 5);
    zipf.at(2, index) as u64 + era * KEYS as u64
}

/// A crawler goes through links that nobody else reads, once each, in a tenth of the reads.
fn crawled(zipf: &Zipf, index: u64) -> u64 {
    if draw(3, index ^ u64::MAX) < 0.1 {
        return 1_000_000 + index;
    }
    zipf.at(3, index) as u64
}

/// A burst of more keys than there is room for, each read once, every twentieth of the trace: an export of all links.
fn scanned(zipf: &Zipf, index: u64) -> u64 {
    let at = index % (READS / 20);
    if at < 2 * CAPACITY as u64 {
        return 1_000_000 + index;
    }
    zipf.at(4, index) as u64
}

/// Hits in a hundred reads, once the cache is warm.
fn hits(mut policy: impl Policy, trace: Trace, zipf: &Zipf) -> f64 {
    let warm = READS / 5;
    let mut hits = 0_u32;
    for index in 0..READS {
        if policy.reads(trace(zipf, index)) && index >= warm {
            hits += 1;
        }
    }
    100.0 * f64::from(hits) / f64::from(u32::try_from(READS - warm).expect("it fits"))
}

/// Hits in a hundred, by policy.
struct Hits {
    clock: f64,
    fifo: f64,
    lru: f64,
    lfu: f64,
    tiny: f64,
    s3: f64,
}

fn compare(name: &str, trace: Trace, exponent: f64) -> Hits {
    let zipf = Zipf::new(KEYS, exponent);
    let found = Hits {
        clock: hits(Clock::new(), trace, &zipf),
        fifo: hits(Fifo::new(CAPACITY), trace, &zipf),
        lru: hits(Lru::new(CAPACITY), trace, &zipf),
        lfu: hits(Lfu::new(CAPACITY), trace, &zipf),
        tiny: hits(TinyLfu::new(CAPACITY), trace, &zipf),
        s3: hits(S3Fifo::new(CAPACITY), trace, &zipf),
    };
    // `cargo test -p cache eviction -- --nocapture` prints what stands in docs/playbook/eviction.md.
    println!(
        "| {name}, exponent {exponent} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
        found.clock,
        found.fifo,
        found.lru,
        found.lfu,
        found.tiny,
        found.s3,
        100.0 * zipf.share_of_hottest(CAPACITY)
    );
    let models = [found.lru, found.lfu, found.tiny, found.s3];
    assert!(
        models.iter().all(|hits| *hits > 25.0),
        "{name}: a model that is wrong proves nothing: {models:?}"
    );
    found
}

#[tokio::test]
async fn the_clock_keeps_what_lru_would_keep_on_every_trace() {
    let traces = [
        ("steady", steady as Trace, 0.8),
        ("steady", steady, 1.0),
        ("steady", steady, 1.2),
        ("shifting", shifting, 1.0),
        ("crawled", crawled, 1.0),
        ("scanned", scanned, 1.0),
    ];
    for (name, trace, exponent) in traces {
        let found = compare(name, trace, exponent);
        assert!(
            found.clock > found.fifo + 1.0,
            "{name} {exponent}: clock {:.1} %, and {:.1} % without its bit",
            found.clock,
            found.fifo
        );
        assert!(
            found.clock > found.lru - 0.3,
            "{name} {exponent}: clock {:.1} %, LRU {:.1} %",
            found.clock,
            found.lru
        );
    }
}

#[tokio::test]
async fn counting_reads_alone_keeps_yesterdays_links_and_the_clock_does_not() {
    let found = compare("shifting", shifting, 1.0);
    assert!(
        found.clock > found.lfu + 10.0,
        "clock {:.1} %, LFU {:.1} %",
        found.clock,
        found.lfu
    );
    let found = compare("steady", steady, 1.0);
    assert!(
        found.lfu > found.clock + 3.0,
        "where nothing changes it is the better one: clock {:.1} %, LFU {:.1} %",
        found.clock,
        found.lfu
    );
}
