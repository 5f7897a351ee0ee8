use crate::{Clock, SharedClock};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The operating system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// All `SystemClock`s of a process share one start, so that monotonic times of two roles can be compared.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where the system is asked for the time"
)]
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl SystemClock {
    /// The system clock in the form in which clocks are handed around.
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    fn unix_micros(&self) -> u64 {
        let now = since_1970();
        now.as_secs() * 1_000_000 + u64::from(now.subsec_micros())
    }

    fn unix_ms(&self) -> u64 {
        let now = since_1970();
        now.as_secs() * 1_000 + u64::from(now.subsec_millis())
    }

    fn monotonic(&self) -> Duration {
        START.elapsed()
    }
}

/// A wall clock set before 1970 reads as 1970: whoever issues ids or tokens by it refuses, which is the right outcome.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where the system is asked for the time"
)]
fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
}
