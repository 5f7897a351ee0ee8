//! The crate on real files: writes and their races, health, schema versions.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod expand;
mod migrate;
mod postgres;
mod probe;
mod write;

use std::path::Path;
use std::time::Duration;

use clock::SystemClock;
use sql::{Migration, SqlError, Sqlite, SqliteSettings, scoped};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, SqliteConnection};
use telemetry::{Telemetry, TelemetrySettings};
use tempfile::TempDir;

static SCHEMA: [Migration; 1] = [CLAIMS];

const CLAIMS: Migration = Migration::expand(1, "claims", include_str!("claims.sql"));

struct Home {
    folder: TempDir,
    sql: Sqlite,
}

impl Home {
    async fn new() -> Self {
        Self::with(settings()).await
    }

    async fn with(settings: SqliteSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sql = open(&folder.path().join("test.db"), settings).await.unwrap();
        sql.migrate(&SCHEMA).await.unwrap();
        Self { folder, sql }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("test.db")
    }

    /// A connection of another program, as far as SQLite can tell.
    async fn stranger(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.file())
            .journal_mode(SqliteJournalMode::Wal);
        options
            .busy_timeout(Duration::from_secs(5))
            .connect()
            .await
            .unwrap()
    }

    async fn claims(&self) -> i64 {
        self.sql
            .read("count_claims", |conn| {
                scoped(async move {
                    Ok::<_, SqlError>(
                        sqlx::query_scalar("SELECT count(*) FROM claim")
                            .fetch_one(conn)
                            .await?,
                    )
                })
            })
            .await
            .unwrap()
    }
}

/// Short waits, so that what is expected to fail fails soon.
fn settings() -> SqliteSettings {
    SqliteSettings {
        busy_timeout_ms: 20,
        ..SqliteSettings::default()
    }
}

fn telemetry() -> Telemetry {
    Telemetry::new(
        "sql-test",
        "1",
        &TelemetrySettings::default(),
        SystemClock::shared(),
    )
    .unwrap()
}

async fn open(path: &Path, settings: SqliteSettings) -> Result<Sqlite, SqlError> {
    Sqlite::open(path, settings, telemetry(), SystemClock::shared()).await
}

async fn claim(sql: &Sqlite, alias: &str, owner: i64) -> Result<bool, SqlError> {
    sql.write("claim", |tx| {
        scoped(async move {
            let query = sqlx::query("INSERT INTO claim (alias, owner) VALUES (?, ?) ON CONFLICT DO NOTHING");
            Ok(query.bind(alias).bind(owner).execute(tx).await?.rows_affected() == 1)
        })
    })
    .await
}

/// Tries again until it holds: what is awaited is a state, not a time.
async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut holds: F) {
    let patience = tokio::time::timeout(Duration::from_secs(10), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(patience.await.is_ok(), "never came true: {what}");
}
