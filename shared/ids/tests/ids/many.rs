//! 10^8 ids from 8 threads on the system clock, all different; 10^9 with `ORRERY_NIGHTLY=1`.

use crate::generator;
use clock::{Clock, SystemClock};
use ids::{Id, IdGenerator, IdLease};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::scope;

const THREADS: u64 = 8;
/// One second of ids: 1,000 milliseconds of 4,096 bits each.
const SECOND_BITS: u64 = 1_000 * 4_096;
/// A machine so busy that the nightly run takes longer than this has other troubles.
const SECONDS_MAX: usize = 3_600;

/// One bit for every id a worker can issue from `start_ms` on, made second by second as ids come.
struct Seen {
    start_ms: u64,
    seconds: Vec<OnceLock<Box<[AtomicU64]>>>,
}

impl Seen {
    fn from(start_ms: u64) -> Self {
        Self {
            start_ms,
            seconds: (0..SECONDS_MAX).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Whether the id is new.
    fn mark(&self, id: Id) -> bool {
        let bit = (id.timestamp_ms() - self.start_ms) * 4_096 + u64::from(id.sequence());
        let (second, bit) = (bit / SECOND_BITS, bit % SECOND_BITS);
        let words = self.seconds[usize::try_from(second).expect("small")]
            .get_or_init(|| (0..SECOND_BITS / 64).map(|_| AtomicU64::new(0)).collect());
        let mask = 1 << (bit % 64);
        words[usize::try_from(bit / 64).expect("small")].fetch_or(mask, Ordering::Relaxed) & mask == 0
    }

    fn count(&self) -> u64 {
        let words = self.seconds.iter().filter_map(OnceLock::get).flatten();
        words
            .map(|word| u64::from(word.load(Ordering::Relaxed).count_ones()))
            .sum()
    }
}

fn from_now(worker: u16) -> (IdGenerator, Seen) {
    let start_ms = SystemClock.unix_ms();
    let lease = IdLease {
        worker,
        issue_from_ms: start_ms - 1,
        issue_until_ms: u64::MAX,
    };
    (generator(SystemClock::shared(), lease), Seen::from(start_ms))
}

/// Takes `count` ids; each must be new, later than this thread's last one, and of the right worker.
fn take(ids: &IdGenerator, seen: &Seen, count: u64) {
    let mut last = None;
    for _ in 0..count {
        let id = ids.next().expect("the lease has no end and the clock runs");
        assert!(last < Some(id), "{id:?} after {last:?}");
        assert!(seen.mark(id), "{id:?} came twice");
        assert_eq!(id.worker(), ids.worker());
        last = Some(id);
    }
}

#[test]
fn a_hundred_million_ids_from_eight_threads_are_all_different() {
    let nightly = std::env::var_os("ORRERY_NIGHTLY").is_some_and(|value| value == "1");
    let total: u64 = if nightly { 1_000_000_000 } else { 100_000_000 };
    let (ids, seen) = from_now(3);
    scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| take(&ids, &seen, total / THREADS));
        }
    });
    assert_eq!(seen.count(), total);
    assert_eq!(ids.refusals(), ids::RefusalCounts::default());
}

#[test]
fn two_workers_at_once_each_give_only_their_own_ids() {
    const EACH: u64 = 4_000_000;
    let workers = [from_now(0), from_now(1_023)];
    scope(|scope| {
        for (ids, seen) in &workers {
            for _ in 0..2 {
                scope.spawn(|| take(ids, seen, EACH / 2));
            }
        }
    });
    for (_, seen) in &workers {
        assert_eq!(seen.count(), EACH);
    }
}
