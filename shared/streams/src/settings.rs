//! What an operator may tune.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bounds of each stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StreamSettings {
    /// Events a stream may hold; beyond it publishing is refused.
    pub events_max: u64,
    /// KiB that a stream's events may take, as the engine counts them (SQLite the data alone, NATS with its envelope); beyond it
    /// publishing is refused.
    pub kib_max: u64,
    /// Bytes of data of one event.
    pub event_bytes_max: u32,
    /// Events in one call of publish.
    pub batch_max: u32,
    /// How long an event id is remembered: published again within it, the event is not stored again.
    pub dedupe_window_ms: u64,
    /// How long an event is kept once every group has handled it, as long as half of the room is free; when it is not, for the dedupe
    /// window alone. Never less than that.
    pub retention_ms: u64,
    /// Dead letters that may wait; beyond it a failing event blocks its partition instead of being set aside.
    pub dead_letters_max: u64,
    /// How long a consumer's claim on a partition lasts unless it is renewed.
    pub claim_ms: u64,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            events_max: 1_000_000,
            kib_max: 1_048_576,
            event_bytes_max: 262_144,
            batch_max: 500,
            dedupe_window_ms: 120_000,
            retention_ms: 900_000,
            dead_letters_max: 10_000,
            claim_ms: 15_000,
        }
    }
}

impl StreamSettings {
    /// What is acked and was published before this may be deleted, of a stream that holds so much.
    pub(crate) fn kept_since_ms(&self, now_ms: u64, events: u64, bytes: u64) -> u64 {
        let half_full = events > self.events_max / 2 || bytes > self.kib_max.saturating_mul(1_024) / 2;
        let retention_ms = if half_full { 0 } else { self.retention_ms };
        now_ms.saturating_sub(retention_ms.max(self.dedupe_window_ms))
    }
}

/// How a consumer takes and retries events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConsumerSettings {
    /// Times an event is handed to the handler before it is dead-lettered.
    pub deliveries_max: u32,
    /// Pause before the second delivery; doubles with each further one.
    pub backoff_ms: u64,
    /// The longest pause between two deliveries.
    pub backoff_ms_max: u64,
    /// How long one handling may take before it counts as failed.
    pub handle_timeout_ms: u64,
    /// Events handled at the same time, each of another partition.
    pub concurrency_max: u32,
    /// Events taken from a partition at once.
    pub batch_max: u32,
    /// How often a partition is looked at although nothing was announced.
    pub poll_ms: u64,
    /// How often depth and lag are measured.
    pub measure_ms: u64,
    /// How often what is past its retention is deleted.
    pub collect_ms: u64,
}

impl Default for ConsumerSettings {
    fn default() -> Self {
        Self {
            deliveries_max: 5,
            backoff_ms: 100,
            backoff_ms_max: 10_000,
            handle_timeout_ms: 10_000,
            concurrency_max: 4,
            batch_max: 16,
            poll_ms: 5_000,
            measure_ms: 2_000,
            collect_ms: 10_000,
        }
    }
}

impl ConsumerSettings {
    /// The longest pause before delivery number `deliveries + 1`.
    pub(crate) fn backoff(&self, deliveries: u32) -> Duration {
        let doubled = self
            .backoff_ms
            .saturating_mul(1 << deliveries.saturating_sub(1).min(20));
        Duration::from_millis(doubled.min(self.backoff_ms_max).max(1))
    }
}
