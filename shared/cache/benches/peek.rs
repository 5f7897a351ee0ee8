//! Nanoseconds a `peek` that hits, on one thread. The last line reads `peek_ns=<n>`; the median round counts.

use cache::{Cache, CacheMetrics, CacheSettings, Lookup};
use clock::SystemClock;
use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;

const KEYS: u32 = 10_000;
const PEEKS: u32 = 2_000_000;
const ROUNDS: usize = 5;

fn main() {
    let clock = SystemClock::shared();
    let settings = CacheSettings {
        ttl_ms: 3_600_000,
        ..CacheSettings::default()
    };
    let metrics = CacheMetrics::default();
    let links: Cache<String, Arc<str>, Infallible> = Cache::new("bench", &settings, clock.clone(), &metrics);
    let keys: Vec<String> = (0..KEYS).map(|i| format!("4{i:06}")).collect();
    for key in &keys {
        links.put(
            links.ticket(key.as_str()),
            key.clone(),
            Arc::from("https://example.com/"),
        );
    }
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = clock.monotonic();
            for i in 0..PEEKS {
                let key = &keys[(i.wrapping_mul(7_919) % KEYS) as usize];
                assert!(matches!(
                    black_box(links.peek(key.as_str())),
                    Some(Lookup::Hit(_))
                ));
            }
            clock.monotonic().saturating_sub(start).as_secs_f64() * 1e9 / f64::from(PEEKS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("peek_ns={:.0}", rounds[ROUNDS / 2]);
}
