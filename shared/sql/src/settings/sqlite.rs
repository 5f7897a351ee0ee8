//! What an operator may tune about a database file.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits and deadlines of one SQLite file. Durability is not among them: WAL with `synchronous=FULL`, always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SqliteSettings {
    /// Connections that read at the same time; writes have one connection of their own.
    pub readers_max: u32,
    /// How long a read waits for a free connection before it is refused.
    pub acquire_timeout_ms: u64,
    /// How long SQLite itself waits for another process's lock before a try counts as busy.
    pub busy_timeout_ms: u64,
    /// How long one read may take once it has a connection.
    pub read_deadline_ms: u64,
    /// How long one write may take, its waits and its retries included.
    pub write_deadline_ms: u64,
    /// How long the health probe may take before the database counts as lost. Readiness asks every 500 ms and waits as long at
    /// most, so more than that changes nothing there.
    pub probe_timeout_ms: u64,
    /// Page cache of each connection, in KiB.
    pub cache_kib: u32,
    /// The write-ahead log is truncated to this size after a checkpoint, in KiB.
    pub wal_kib_max: u32,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            readers_max: 4,
            acquire_timeout_ms: 2_000,
            busy_timeout_ms: 250,
            read_deadline_ms: 5_000,
            write_deadline_ms: 5_000,
            probe_timeout_ms: 500,
            cache_kib: 2_048,
            wal_kib_max: 65_536,
        }
    }
}

impl SqliteSettings {
    pub(crate) fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }

    pub(crate) fn busy_timeout(&self) -> Duration {
        Duration::from_millis(self.busy_timeout_ms)
    }

    pub(crate) fn read_deadline(&self) -> Duration {
        Duration::from_millis(self.read_deadline_ms)
    }

    pub(crate) fn write_deadline(&self) -> Duration {
        Duration::from_millis(self.write_deadline_ms)
    }

    pub(crate) fn probe_timeout(&self) -> Duration {
        Duration::from_millis(self.probe_timeout_ms)
    }
}
