use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a worker number is held, and how often that is looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LeaseSettings {
    /// How far ahead ids may be issued without asking the store again; also how long a crashed holder keeps its slot.
    pub lease_ms: u64,
    /// Pause between two looks at the lease. It is renewed once less than two thirds are left.
    pub check_interval_ms: u64,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self {
            lease_ms: 30_000,
            check_interval_ms: 500,
        }
    }
}

impl LeaseSettings {
    pub(crate) fn check_interval(&self) -> Duration {
        Duration::from_millis(self.check_interval_ms.max(1))
    }

    /// With less than this left, in milliseconds, the lease is renewed.
    pub(crate) fn renew_below_ms(&self) -> u64 {
        self.lease_ms / 3 * 2
    }
}
