//! The port's contract on each engine, and the consumer's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[macro_use]
mod contract;
mod consumer;
mod jetstream;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use clock::{ManualClock, SharedClock, SystemClock};
use sql::SqliteSettings;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use streams::{SqliteStreamLog, StreamLog, StreamSettings};
use telemetry::{Telemetry, TelemetrySettings};
use tempfile::TempDir;

use contract::{Cut, Engine};

fn telemetry() -> Telemetry {
    Telemetry::new(
        "streams-test",
        "1",
        &TelemetrySettings::default(),
        SystemClock::shared(),
    )
    .unwrap()
}

/// A file of its own for each test.
struct SqliteEngine {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl SqliteEngine {
    fn new() -> Self {
        let now_ms = SystemClock::shared().unix_ms();
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: ManualClock::at(now_ms),
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("streams.db")
    }

    async fn open_with(&self, settings: StreamSettings, telemetry: Telemetry) -> SqliteStreamLog {
        let clock: SharedClock = self.clock.clone();
        let sqlite = SqliteSettings {
            busy_timeout_ms: 20,
            write_deadline_ms: 2_000,
            probe_timeout_ms: 500,
            ..SqliteSettings::default()
        };
        SqliteStreamLog::open(self.path(), sqlite, settings, telemetry, clock)
            .await
            .unwrap()
    }
}

#[async_trait]
impl Engine for SqliteEngine {
    async fn open(&self, settings: StreamSettings) -> Arc<dyn StreamLog> {
        Arc::new(self.open_with(settings, telemetry()).await)
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn restart(&self, log: Arc<dyn StreamLog>, settings: StreamSettings) -> Arc<dyn StreamLog> {
        drop(log);
        self.open(settings).await
    }

    /// Another connection holds the write lock until the cut is healed.
    async fn cut(&self) -> Cut {
        let mut stranger = SqliteConnectOptions::new()
            .filename(self.path())
            .connect()
            .await
            .unwrap();
        sqlx::raw_sql("BEGIN EXCLUSIVE")
            .execute(&mut stranger)
            .await
            .unwrap();
        Cut::new(async move {
            sqlx::raw_sql("ROLLBACK").execute(&mut stranger).await.unwrap();
        })
    }
}
