use std::time::Duration;

use leases::LeaderSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Bounds;

/// How an outbox is relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OutboxSettings {
    /// How long a partition's relay leads unless it renews: so long nothing is published after a process died.
    pub lease_ms: u64,
    /// How often a process that does not lead a partition asks for it.
    pub retry_ms: u64,
    /// How often a partition is looked at although nothing was announced: appends of other processes are seen so late.
    pub poll_ms: u64,
    /// Events in one publish, at most.
    pub batch_max: u32,
    /// KiB of data in one publish, at most, unless one event alone has more.
    pub batch_kib_max: u32,
    /// Publishes of one partition at once, of different aggregates.
    pub publishes_max: u32,
    /// Rows of one partition that a relay holds in memory.
    pub window_max: u32,
    /// Pause after a publish that failed; it doubles with each further one.
    pub backoff_ms: u64,
    /// The longest of those pauses.
    pub backoff_ms_max: u64,
    /// After so long an event that the stream had refused is offered again; until then its aggregate waits.
    pub blocked_ms: u64,
    /// Aggregates of one partition that may wait so; beyond it the whole partition waits.
    pub blocked_max: u32,
    /// How long rows are kept after the stream has made them durable.
    pub retention_ms: u64,
    /// How often rows past their retention are deleted.
    pub sweep_ms: u64,
    /// How often what waits is measured.
    pub measure_ms: u64,
}

impl Default for OutboxSettings {
    fn default() -> Self {
        Self {
            lease_ms: 10_000,
            retry_ms: 1_000,
            poll_ms: 250,
            batch_max: 100,
            batch_kib_max: 1_024,
            publishes_max: 4,
            window_max: 400,
            backoff_ms: 100,
            backoff_ms_max: 5_000,
            blocked_ms: 30_000,
            blocked_max: 100,
            retention_ms: 900_000,
            sweep_ms: 10_000,
            measure_ms: 2_000,
        }
    }
}

impl OutboxSettings {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            batch_max: self.batch_max.max(1) as usize,
            batch_bytes_max: self.batch_kib_max as usize * 1_024,
            publishes_max: self.publishes_max.max(1) as usize,
            window_max: self.window_max.max(1) as usize,
            backoff_ms: self.backoff_ms.max(1),
            backoff_ms_max: self.backoff_ms_max.max(1),
            blocked_ms: self.blocked_ms,
            blocked_max: self.blocked_max.max(1) as usize,
        }
    }

    pub(crate) fn leader(&self) -> LeaderSettings {
        LeaderSettings {
            ttl_ms: self.lease_ms,
            retry_ms: self.retry_ms,
            tick_ms: self.poll_ms,
            ..LeaderSettings::default()
        }
    }

    pub(crate) fn measure(&self) -> Duration {
        Duration::from_millis(self.measure_ms.max(1))
    }
}
