//! What an operator may tune about a PostgreSQL database.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits and deadlines of one PostgreSQL database. Durability is not among them: `synchronous_commit=on`, always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresSettings {
    /// Connections that read at the same time. With the writers and one probe it is what a process takes of the server's
    /// `max_connections`.
    pub readers_max: u32,
    /// Connections that write at the same time.
    pub writers_max: u32,
    /// How long a start waits for the server before it is refused.
    pub connect_timeout_ms: u64,
    /// How long a read or a write waits for a connection, a free one or a new one, before it is refused.
    pub acquire_timeout_ms: u64,
    /// How long one read may take, its waits and its retries included. The server ends a statement that takes longer.
    pub read_deadline_ms: u64,
    /// How long one write may take, its waits and its retries included. The server ends a statement that takes longer.
    pub write_deadline_ms: u64,
    /// How long one try waits for another transaction's lock; the whole transaction is then tried again.
    pub lock_timeout_ms: u64,
    /// How long the health probe may take before the database counts as lost. Readiness asks every 500 ms and waits as long at
    /// most, so more than that changes nothing there.
    pub probe_timeout_ms: u64,
    /// How long one step of a migration may take, waiting for another process that migrates included.
    pub migrate_deadline_ms: u64,
    /// A connection that nobody used for so long is closed.
    pub idle_ms_max: u64,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            readers_max: 8,
            writers_max: 8,
            connect_timeout_ms: 5_000,
            acquire_timeout_ms: 2_000,
            read_deadline_ms: 5_000,
            write_deadline_ms: 5_000,
            lock_timeout_ms: 1_000,
            probe_timeout_ms: 500,
            migrate_deadline_ms: 60_000,
            idle_ms_max: 600_000,
        }
    }
}

impl PostgresSettings {
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
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

    pub(crate) fn migrate_deadline(&self) -> Duration {
        Duration::from_millis(self.migrate_deadline_ms)
    }

    pub(crate) fn idle_max(&self) -> Duration {
        Duration::from_millis(self.idle_ms_max)
    }
}
