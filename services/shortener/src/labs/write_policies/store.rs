//! The origin of this lab: what outlives a crash.

use std::path::Path;
use std::time::Duration;

use clock::SharedClock;
use lab::{LabError, Meter};
use sql::{Migration, SqlError, Sqlite, SqliteSettings, scoped};
use telemetry::Telemetry;

static MIGRATIONS: &[Migration] = &[Migration::expand(
    1,
    "values of a lab",
    "CREATE TABLE kept (key TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
)];

/// Values by key, each a version that only grows: so it can be told what is old and what is lost.
#[derive(Clone)]
pub(super) struct Store {
    sql: Sqlite,
    takes: Duration,
    pub(super) reads: Meter,
    pub(super) writes: Meter,
}

impl Store {
    /// Opens the file, made if it is not there.
    pub(super) async fn open(
        path: &Path,
        takes: Duration,
        telemetry: Telemetry,
        clock: &SharedClock,
    ) -> Result<Self, LabError> {
        let opened = Sqlite::open(path, SqliteSettings::default(), telemetry, clock.clone());
        let sql = opened.await.map_err(LabError::while_("opening the origin"))?;
        sql.migrate(MIGRATIONS)
            .await
            .map_err(LabError::while_("making the origin's table"))?;
        let meter = || Meter::new(clock, Duration::from_millis(100));
        Ok(Self {
            sql,
            takes,
            reads: meter(),
            writes: meter(),
        })
    }

    /// The version of a key; 0 when it was never written.
    pub(super) async fn read(&self, key: &str) -> Result<u64, String> {
        let _counted = self.reads.begin();
        tokio::time::sleep(self.takes).await;
        let found: Result<Option<i64>, SqlError> = self
            .sql
            .read("read_version", |conn| {
                scoped(async move {
                    let query = sqlx::query_scalar("SELECT version FROM kept WHERE key = ?");
                    Ok(query.bind(key).fetch_optional(conn).await?)
                })
            })
            .await;
        let version = found.map_err(|error| error.to_string())?.unwrap_or(0);
        Ok(u64::try_from(version).unwrap_or(0))
    }

    /// Writes some keys in one transaction. What is newer already stays.
    pub(super) async fn write(&self, values: &[(String, u64)]) -> Result<(), String> {
        let _counted = self.writes.begin();
        tokio::time::sleep(self.takes).await;
        let written: Result<(), SqlError> = self
            .sql
            .write("write_versions", |tx| {
                scoped(async move {
                    for (key, version) in values {
                        let version = i64::try_from(*version).unwrap_or(i64::MAX);
                        sqlx::query(
                            "INSERT INTO kept (key, version) VALUES (?, ?) \
                             ON CONFLICT DO UPDATE SET version = max(version, excluded.version)",
                        )
                        .bind(key)
                        .bind(version)
                        .execute(&mut *tx)
                        .await?;
                    }
                    Ok(())
                })
            })
            .await;
        written.map_err(|error| error.to_string())
    }
}
