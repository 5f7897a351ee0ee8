//! Offers arrivals at their time and counts what came of them.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use clock::SharedClock;
use tokio::task::JoinSet;

use crate::arrivals::Arrivals;
use crate::latencies::Latencies;

/// A load to offer. Every bound must be finite: the run ends at whichever is met first.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How requests arrive.
    pub arrivals: Arrivals,
    /// Decides the gaps between arrivals.
    pub seed: u64,
    /// Arrivals in all, at most.
    pub count_max: u64,
    /// How long arrivals go on, at most.
    pub duration: Duration,
    /// Operations in flight, at most; an arrival beyond is dropped and counted.
    pub in_flight_max: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            arrivals: Arrivals::Poisson { per_second: 100.0 },
            seed: 1,
            count_max: 1_000_000,
            duration: Duration::from_secs(10),
            in_flight_max: 256,
        }
    }
}

/// One arrival.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Its place in the schedule, from 0.
    pub index: u64,
    /// When it was due, since the start of the run.
    pub due: Duration,
}

/// What came of a load.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Arrivals that were due.
    pub due: u64,
    /// Operations that said they succeeded.
    pub succeeded: u64,
    /// Operations that said they failed, or panicked.
    pub failed: u64,
    /// Arrivals that would have exceeded the bound on work in flight.
    pub dropped: u64,
    /// From the intended start to the end of each operation that succeeded.
    pub latencies: Latencies,
    /// The latest that an arrival was started: when large, the generator was the bottleneck.
    pub lateness_longest: Duration,
    /// From the start to the end of the last operation.
    pub elapsed: Duration,
}

/// Offers the load. `operation` is called at each arrival's time, whatever became of those before; its answer is
/// whether it succeeded. Returns when the last operation has ended, so operations need deadlines of their own.
pub async fn run<Operation, Running>(plan: Plan, clock: &SharedClock, operation: Operation) -> Summary
where
    Operation: Fn(Arrival) -> Running,
    Running: Future<Output = bool> + Send + 'static,
{
    let start = clock.monotonic();
    let since_start = || clock.monotonic().saturating_sub(start);
    let mut summary = Summary::default();
    let mut in_flight: JoinSet<(bool, Duration)> = JoinSet::new();
    let schedule = plan.arrivals.schedule(plan.seed, plan.count_max, plan.duration);
    for (index, due) in (0..).zip(schedule) {
        let wait = due.saturating_sub(since_start());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        while let Some(ended) = in_flight.try_join_next() {
            summary.count(&ended);
        }
        summary.due += 1;
        summary.lateness_longest = summary.lateness_longest.max(since_start().saturating_sub(due));
        if in_flight.len() >= plan.in_flight_max {
            summary.dropped += 1;
            continue;
        }
        let running = operation(Arrival { index, due });
        let clock = clock.clone();
        in_flight.spawn(async move {
            let succeeded = running.await;
            (
                succeeded,
                clock.monotonic().saturating_sub(start).saturating_sub(due),
            )
        });
    }
    while let Some(ended) = in_flight.join_next().await {
        summary.count(&ended);
    }
    summary.elapsed = since_start();
    summary
}

impl Summary {
    fn count(&mut self, ended: &Result<(bool, Duration), tokio::task::JoinError>) {
        match ended {
            Ok((true, latency)) => {
                self.succeeded += 1;
                self.latencies.record(*latency);
            }
            Ok((false, _)) | Err(_) => self.failed += 1,
        }
    }

    /// Operations a second that succeeded.
    pub fn succeeded_per_second(&self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate needs no more digits than a double has"
        )]
        let succeeded = self.succeeded as f64;
        if self.elapsed.is_zero() {
            0.0
        } else {
            succeeded / self.elapsed.as_secs_f64()
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} due, {} succeeded ({:.0}/s), {} failed, {} dropped; {}; started at most {:?} late",
            self.due,
            self.succeeded,
            self.succeeded_per_second(),
            self.failed,
            self.dropped,
            self.latencies,
            self.lateness_longest,
        )
    }
}
