#![doc = include_str!("../README.md")]

mod manual;
mod system;

pub use manual::ManualClock;
pub use system::SystemClock;

use std::sync::Arc;
use std::time::Duration;

/// A source of wall and monotonic time. Both are cheap enough to ask for on every request.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// Wall time in microseconds since 1970-01-01T00:00:00Z. It may step in either direction.
    fn unix_micros(&self) -> u64;

    /// Wall time in milliseconds since 1970-01-01T00:00:00Z: `unix_micros`, rounded down.
    fn unix_ms(&self) -> u64 {
        self.unix_micros() / 1_000
    }

    /// Time since an arbitrary start in this process. It never goes back.
    fn monotonic(&self) -> Duration;
}

/// The form in which a clock is handed around.
pub type SharedClock = Arc<dyn Clock>;
