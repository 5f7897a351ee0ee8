//! Settings of the statistics.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How events of visits become statistics, and how long these are kept.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatisticsSettings {
    /// How long events are gathered before what they change is stored, in milliseconds: a click is in the counts after about this time,
    /// and a page that changes all the time is stored once in it.
    pub cycle_ms: u64,
    /// Events of a partition that are worked on at once.
    pub events_max: u32,
    /// Pages that each partition's worker remembers; one has 64 KiB at most, and most have less than 1.
    pub pages_max: usize,
    /// How many days the statistics of a day are kept; 0 keeps them for ever. Sums over all time are kept as long as their link.
    pub days_kept: u32,
}

impl Default for StatisticsSettings {
    fn default() -> Self {
        Self {
            cycle_ms: 250,
            events_max: 64,
            pages_max: 2_000,
            days_kept: 400,
        }
    }
}

impl StatisticsSettings {
    pub(crate) fn cycle(&self) -> Duration {
        Duration::from_millis(self.cycle_ms.max(1))
    }
}
