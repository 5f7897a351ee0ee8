use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How copies of a request that is in flight are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IdempotencySettings {
    /// How long a copy waits for the first request's answer before it is told to come back (409).
    pub join_wait_ms_max: u64,
    /// What `Retry-After` tells such a copy.
    pub retry_after_ms: u64,
    /// Keys in flight at once; more are refused (503).
    pub in_flight_max: usize,
}

impl Default for IdempotencySettings {
    fn default() -> Self {
        Self {
            join_wait_ms_max: 2_000,
            retry_after_ms: 1_000,
            in_flight_max: 10_000,
        }
    }
}

impl IdempotencySettings {
    pub(crate) fn join_wait_max(&self) -> Duration {
        Duration::from_millis(self.join_wait_ms_max)
    }

    pub(crate) fn retry_after(&self) -> Duration {
        Duration::from_millis(self.retry_after_ms)
    }
}
