use resilience::BreakerSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What happens to reads for which the origin has no room while the shared level is away, or was wiped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenSharedLost {
    /// Answered with what this process last knew, up to `stale_max_ms` old; refused only where it knows nothing.
    #[default]
    Stale,
    /// Refused.
    Refuse,
}

/// What happens to writes while the shared level is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WritesWithoutShared {
    /// Refused: an acknowledged change would not bind processes that still reach the level.
    #[default]
    Refuse,
    /// Made: other processes may serve what was there before until its time in the shared level is over.
    Allow,
}

/// How a cache and the level it shares with other processes work together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SharedCacheSettings {
    /// The longest time for which a process serves a value from its own memory, counted from when it began to ask for it. The
    /// bound on staleness after a change by another process: it holds even if no message about the change arrives.
    pub near_ttl_ms: u64,
    /// The longest time for which the shared level believes "not there".
    pub absent_ttl_ms: u64,
    /// How long a process that found nothing may take to fill it in, before another one may.
    pub lease_ms: u64,
    /// The largest value that is filled in.
    pub value_bytes_max: usize,
    /// How long a read waits for the shared level before it goes to the origin.
    pub read_timeout_ms: u64,
    /// How long a write waits for the shared level.
    pub write_timeout_ms: u64,
    /// How long a key stays out of the shared level after a write of it began and never ended (a crash, an unknown outcome). Longer
    /// than a write to the origin takes.
    pub write_hold_ms: u64,
    /// Ended writes of which the shared level could not yet be told and still has to be; further ones are left to time.
    pub untold_max: usize,
    /// When the shared level is left alone because it fails or stalls, and for how long.
    pub breaker: BreakerSettings,
    /// Over how long the usual rate of the origin's reads is averaged; while the shared level is away or was wiped, the origin is read
    /// at most twice as often.
    pub usual_window_ms: u64,
    /// Reads of the origin a second that are allowed while the shared level is away or was wiped, even if twice the usual rate is less.
    pub origin_reads_per_s_min: u32,
    /// How long after the shared level was wiped the origin's reads stay limited to twice their usual rate.
    pub refill_ms: u64,
    /// While the shared level is away or was wiped, what happens to reads beyond twice the usual rate: `stale` (what this process last
    /// knew; once the level answers again, only what cannot have been changed unheard) or `refuse` (503).
    pub when_lost: WhenSharedLost,
    /// With `when_lost = "stale"`, the greatest age of a value that is still served.
    pub stale_max_ms: u64,
    /// What happens to writes while the shared level is away: `refuse` or `allow`.
    pub writes_without_shared: WritesWithoutShared,
}

impl Default for SharedCacheSettings {
    fn default() -> Self {
        Self {
            near_ttl_ms: 900,
            absent_ttl_ms: 1_000,
            lease_ms: 3_000,
            value_bytes_max: 65_536,
            read_timeout_ms: 100,
            write_timeout_ms: 1_500,
            write_hold_ms: 10_000,
            untold_max: 1_024,
            breaker: BreakerSettings::default(),
            usual_window_ms: 30_000,
            origin_reads_per_s_min: 50,
            refill_ms: 60_000,
            when_lost: WhenSharedLost::default(),
            stale_max_ms: 60_000,
            writes_without_shared: WritesWithoutShared::default(),
        }
    }
}

impl SharedCacheSettings {
    pub(crate) fn near_ttl(&self) -> Duration {
        Duration::from_millis(self.near_ttl_ms)
    }

    pub(crate) fn absent_ttl(&self) -> Duration {
        Duration::from_millis(self.absent_ttl_ms)
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    pub(crate) fn read_timeout(&self) -> Duration {
        Duration::from_millis(self.read_timeout_ms)
    }

    pub(crate) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    pub(crate) fn write_hold(&self) -> Duration {
        Duration::from_millis(self.write_hold_ms)
    }

    pub(crate) fn usual_window(&self) -> Duration {
        Duration::from_millis(self.usual_window_ms.max(1))
    }

    pub(crate) fn refill(&self) -> Duration {
        Duration::from_millis(self.refill_ms)
    }

    pub(crate) fn stale_max(&self) -> Duration {
        Duration::from_millis(self.stale_max_ms)
    }
}
