use crate::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    wall_micros: AtomicU64,
    monotonic_nanos: AtomicU64,
}

impl ManualClock {
    /// A clock whose wall shows `unix_ms` and whose monotonic time is zero.
    pub fn at(unix_ms: u64) -> Arc<Self> {
        Arc::new(Self {
            wall_micros: AtomicU64::new(unix_ms * 1_000),
            monotonic_nanos: AtomicU64::new(0),
        })
    }

    /// Time passes: both clocks move on. The wall moves in whole microseconds.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.monotonic_nanos.fetch_add(nanos, Ordering::SeqCst);
        self.wall_micros.fetch_add(nanos / 1_000, Ordering::SeqCst);
    }

    /// Somebody sets the wall clock; no time passes. It stops at 1970.
    pub fn step_wall(&self, delta_ms: i64) {
        let delta = delta_ms.saturating_mul(1_000);
        let _: Result<u64, u64> = self
            .wall_micros
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| {
                Some(now.saturating_add_signed(delta))
            });
    }
}

impl Clock for ManualClock {
    fn unix_micros(&self) -> u64 {
        self.wall_micros.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.monotonic_nanos.load(Ordering::SeqCst))
    }
}
