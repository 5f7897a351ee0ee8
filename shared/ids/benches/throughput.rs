//! Ids a second from one thread, as a share of the 4,096,000 that a 12-bit sequence allows.
//! The last line reads `ids_per_second=<n> ratio=<share> best=<share>`; the median round counts. Needs a core of its
//! own: a millisecond during which the thread is not run is lost, and no later one makes up for it.

use clock::{Clock, SystemClock};
use ids::{IdGenerator, IdLease};
use std::hint::black_box;
use std::time::Duration;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);
const ALLOWED_PER_SECOND: f64 = 4_096_000.0;

fn main() {
    let clock = SystemClock;
    let lease = IdLease {
        worker: 1,
        issue_from_ms: clock.unix_ms(),
        issue_until_ms: u64::MAX,
    };
    let ids = IdGenerator::new(SystemClock::shared(), lease).expect("worker 1 fits");
    let mut rates: Vec<f64> = (0..ROUNDS).map(|_| rate_of_one_round(clock, &ids)).collect();
    for rate in &rates {
        println!(
            "round: {rate:.0} ids/s, {:.4} of 4,096,000",
            rate / ALLOWED_PER_SECOND
        );
    }
    rates.sort_by(f64::total_cmp);
    let median = rates[ROUNDS / 2];
    println!(
        "ids_per_second={median:.0} ratio={:.4}",
        median / ALLOWED_PER_SECOND
    );
}

fn rate_of_one_round(clock: SystemClock, ids: &IdGenerator) -> f64 {
    let start = clock.monotonic();
    let mut taken = 0_u32;
    loop {
        for _ in 0..1_024 {
            black_box(ids.next().expect("the lease has no end and the clock runs"));
        }
        taken += 1_024;
        let elapsed = clock.monotonic().saturating_sub(start);
        if elapsed >= ROUND {
            return f64::from(taken) / elapsed.as_secs_f64();
        }
    }
}
