//! Leaderships: what the record promises, what the guard refuses, and the loop that keeps a duty.

mod contract;
mod leader;

use clock::{ManualClock, SharedClock};
use leases::{
    LEADERSHIP_POSTGRES, LEADERSHIP_SQLITE, Leadership, LeadershipError, LeadershipStore,
    PostgresLeaderships, SqliteLeaderships, guard_postgres, guard_sqlite,
};
use sql::{Migration, Postgres, PostgresSettings, Sqlite, SqliteSettings, scoped};
use std::sync::Arc;
use testkit::engines::{self, Kind};

use crate::{NOON, telemetry};

const WRITTEN: &str = "CREATE TABLE written (fence BIGINT NOT NULL)";

static ON_SQLITE: [Migration; 2] = [
    Migration::expand(1, "leadership", LEADERSHIP_SQLITE),
    Migration::expand(2, "written", WRITTEN),
];

static ON_POSTGRES: [Migration; 2] = [
    Migration::expand(1, "leadership", LEADERSHIP_POSTGRES),
    Migration::expand(2, "written", WRITTEN),
];

/// A service's database, with a table that only leaders write.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite {
        sql: Sqlite,
        _folder: Arc<tempfile::TempDir>,
    },
    Postgres(Postgres),
}

impl Database {
    pub(crate) async fn on_sqlite(_test: &str) -> Option<Self> {
        let (folder, clock) = (crate::folder(), manual());
        let file = folder.path().join("service.db");
        let sql = Sqlite::open(file, SqliteSettings::default(), telemetry(), clock).await;
        let sql = sql.expect("the file opens");
        sql.migrate(&ON_SQLITE).await.expect("the schema is made");
        Some(Self::Sqlite {
            sql,
            _folder: Arc::new(folder),
        })
    }

    pub(crate) async fn on_postgres(test: &str) -> Option<Self> {
        let url = engines::url(Kind::Postgres, test)?;
        let url = format!("{url}?schema={}", engines::fresh_name("leadership"));
        let sql = Postgres::connect(&url, PostgresSettings::default(), telemetry(), manual()).await;
        let sql = sql.expect("the shared server answers");
        sql.migrate(&ON_POSTGRES).await.expect("the schema is made");
        Some(Self::Postgres(sql))
    }

    /// Nobody looks for what a test left in the shared server.
    pub(crate) async fn drop_all(&self) {
        if let Self::Postgres(sql) = self {
            let dropped = sql.write("drop", |tx| {
                scoped(async move {
                    let drop = "DO $$ BEGIN EXECUTE 'DROP SCHEMA ' || current_schema() || ' CASCADE'; END $$";
                    sqlx::query(drop).execute(tx).await?;
                    Ok::<_, LeadershipError>(())
                })
            });
            dropped.await.expect("the schema is dropped");
        }
    }

    pub(crate) fn leaderships(&self) -> Arc<dyn LeadershipStore> {
        match self {
            Self::Sqlite { sql, .. } => Arc::new(SqliteLeaderships::new(sql.clone())),
            Self::Postgres(sql) => Arc::new(PostgresLeaderships::new(sql.clone())),
        }
    }

    /// What a leader does: writes, and makes sure that it leads, in one transaction.
    pub(crate) async fn write_as(&self, leadership: &Leadership, now_ms: u64) -> Result<(), LeadershipError> {
        let fence = sql::int(leadership.fence)?;
        let write = "INSERT INTO written (fence) VALUES ($1)";
        match self {
            Self::Sqlite { sql, .. } => {
                sql.write("write_as_leader", |tx| {
                    scoped(async move {
                        sqlx::query(write).bind(fence).execute(&mut *tx).await?;
                        guard_sqlite(tx, leadership, now_ms).await
                    })
                })
                .await
            }
            Self::Postgres(sql) => {
                sql.write("write_as_leader", |tx| {
                    scoped(async move {
                        sqlx::query(write).bind(fence).execute(&mut *tx).await?;
                        guard_postgres(tx, leadership, now_ms).await
                    })
                })
                .await
            }
        }
    }

    /// The fences under which rows were written, oldest first.
    pub(crate) async fn written(&self) -> Vec<i64> {
        let read = "SELECT fence FROM written ORDER BY fence";
        let rows: Result<_, LeadershipError> = match self {
            Self::Sqlite { sql, .. } => {
                sql.read("written", |c| {
                    scoped(async move { Ok(sqlx::query_scalar(read).fetch_all(c).await?) })
                })
                .await
            }
            Self::Postgres(sql) => {
                sql.read("written", |c| {
                    scoped(async move { Ok(sqlx::query_scalar(read).fetch_all(c).await?) })
                })
                .await
            }
        };
        rows.expect("the rows are read")
    }
}

fn manual() -> SharedClock {
    ManualClock::at(NOON)
}
