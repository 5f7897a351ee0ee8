//! Counting at the place that pays.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::SharedClock;

/// Steps of time that are kept; what comes later counts in the last one.
const STEPS_MAX: usize = 100_000;

/// Counts calls: how many, how many at once, and when. A clone is the same meter.
#[derive(Debug, Clone)]
pub struct Meter {
    clock: SharedClock,
    step: Duration,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    began: Duration,
    calls: u64,
    running: u64,
    most: u64,
    steps: Vec<u64>,
}

/// A call under way, until it is dropped.
#[derive(Debug)]
pub struct Metered {
    counts: Arc<Mutex<Counts>>,
}

impl Meter {
    /// A meter that begins now and tells calls apart by steps of this length.
    pub fn new(clock: &SharedClock, step: Duration) -> Self {
        let counts = Counts {
            began: clock.monotonic(),
            ..Counts::default()
        };
        Self {
            clock: clock.clone(),
            step: step.max(Duration::from_millis(1)),
            counts: Arc::new(Mutex::new(counts)),
        }
    }

    /// Counts a call, which goes on until what is answered is dropped.
    pub fn begin(&self) -> Metered {
        let now = self.clock.monotonic();
        let mut counts = locked(&self.counts);
        let since = now.saturating_sub(counts.began);
        let at = usize::try_from(since.as_nanos() / self.step.as_nanos()).unwrap_or(usize::MAX);
        let at = at.min(STEPS_MAX - 1);
        if counts.steps.len() <= at {
            counts.steps.resize(at + 1, 0);
        }
        counts.steps[at] += 1;
        counts.calls += 1;
        counts.running += 1;
        counts.most = counts.most.max(counts.running);
        Metered {
            counts: Arc::clone(&self.counts),
        }
    }

    /// Forgets what was counted so far; time begins anew.
    pub fn reset(&self) {
        let mut counts = locked(&self.counts);
        let running = counts.running;
        *counts = Counts {
            began: self.clock.monotonic(),
            running,
            most: running,
            ..Counts::default()
        };
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        locked(&self.counts).calls
    }

    /// The most calls that were under way at the same time.
    pub fn most_at_once(&self) -> u64 {
        locked(&self.counts).most
    }

    /// The most calls that began within one step.
    pub fn most_in_a_step(&self) -> u64 {
        locked(&self.counts).steps.iter().copied().max().unwrap_or(0)
    }

    /// Calls that began in each of the first `count` steps.
    pub fn steps(&self, count: usize) -> Vec<u64> {
        let mut steps = locked(&self.counts).steps.clone();
        steps.resize(count, 0);
        steps
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        let mut counts = locked(&self.counts);
        counts.running = counts.running.saturating_sub(1);
    }
}

/// Counts what had to wait, where the waiting is done: a busy machine's sockets are not mistaken for a slow origin. A clone is the
/// same count.
#[derive(Debug, Clone)]
pub struct Waits {
    clock: SharedClock,
    at_least: Duration,
    count: Arc<AtomicU64>,
}

impl Waits {
    /// Counts what takes at least this long.
    pub fn new(clock: &SharedClock, at_least: Duration) -> Self {
        Self {
            clock: clock.clone(),
            at_least,
            count: Arc::default(),
        }
    }

    /// Watches one.
    pub async fn watch<T>(&self, waiting: impl Future<Output = T>) -> T {
        let began = self.clock.monotonic();
        let answer = waiting.await;
        if self.clock.monotonic().saturating_sub(began) >= self.at_least {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// How many waited so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

fn locked(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use clock::ManualClock;

    use super::*;

    #[test]
    fn calls_are_counted_by_number_by_time_and_by_how_many_run_together() {
        let clock = ManualClock::at(0);
        let shared: SharedClock = clock.clone();
        let meter = Meter::new(&shared, Duration::from_millis(100));
        let first = meter.begin();
        drop(meter.begin());
        clock.advance(Duration::from_millis(250));
        drop(first);
        drop(meter.clone().begin());
        assert_eq!((meter.calls(), meter.most_at_once()), (3, 2));
        assert_eq!(meter.steps(4), [2, 0, 1, 0]);
        assert_eq!(meter.most_in_a_step(), 2);
        meter.reset();
        assert_eq!((meter.calls(), meter.most_at_once()), (0, 0));
        assert_eq!(meter.steps(1), [0]);
    }

    #[tokio::test]
    async fn only_what_takes_long_enough_counts_as_having_waited() {
        let clock = ManualClock::at(0);
        let shared: SharedClock = clock.clone();
        let waits = Waits::new(&shared, Duration::from_millis(10));
        for ms in [0, 9, 10, 500] {
            let asked = waits.watch(async {
                clock.advance(Duration::from_millis(ms));
                ms
            });
            assert_eq!(asked.await, ms);
        }
        assert_eq!(waits.clone().count(), 2);
    }
}
