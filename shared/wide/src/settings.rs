//! What an operator may tune about a CQL session.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits and deadlines of one CQL session. Levels are not among them: each statement declares its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WideSettings {
    /// How long connecting at the start may take, in all.
    pub connect_timeout_ms: u64,
    /// Connections to each node (to each shard of one, on ScyllaDB).
    pub connections_per_shard: u32,
    /// Requests under way at the same time; one more waits until its deadline.
    pub requests_max: u32,
    /// How long a read may take, its waits included.
    pub read_deadline_ms: u64,
    /// How long a write may take, its waits and its repetitions included.
    pub write_deadline_ms: u64,
    /// A read that has no answer after this time is asked of another replica as well; 0 turns that off.
    pub speculate_after_ms: u64,
    /// Rows that one answer may hold; a longer one is refused.
    pub rows_max: u32,
    /// Parts that one batch may have.
    pub batch_parts_max: u32,
    /// A connection without traffic is tried this often, and given up when no answer comes for as long again.
    pub keepalive_ms: u64,
    /// How long the health probe may take before the database counts as lost.
    pub probe_timeout_ms: u64,
    /// How long migrating may take, waiting for another process that migrates included.
    pub migrate_deadline_ms: u64,
    /// How long the right to migrate outlives a process that died with it, in seconds. One schema change may take as long.
    pub migrate_lock_s: u32,
}

impl Default for WideSettings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 10_000,
            connections_per_shard: 1,
            requests_max: 1_024,
            read_deadline_ms: 5_000,
            write_deadline_ms: 5_000,
            speculate_after_ms: 0,
            rows_max: 10_000,
            batch_parts_max: 200,
            keepalive_ms: 5_000,
            probe_timeout_ms: 500,
            migrate_deadline_ms: 120_000,
            migrate_lock_s: 60,
        }
    }
}

impl WideSettings {
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn read_deadline(&self) -> Duration {
        Duration::from_millis(self.read_deadline_ms)
    }

    pub(crate) fn write_deadline(&self) -> Duration {
        Duration::from_millis(self.write_deadline_ms)
    }

    pub(crate) fn keepalive(&self) -> Duration {
        Duration::from_millis(self.keepalive_ms.max(1))
    }

    pub(crate) fn probe_timeout(&self) -> Duration {
        Duration::from_millis(self.probe_timeout_ms)
    }

    /// One schema change ends before the lock it is made under does.
    pub(crate) fn change_deadline(&self) -> Duration {
        Duration::from_secs(u64::from(self.migrate_lock_s.max(1))) * 3 / 4
    }

    pub(crate) fn migrate_deadline(&self) -> Duration {
        Duration::from_millis(self.migrate_deadline_ms)
    }
}
