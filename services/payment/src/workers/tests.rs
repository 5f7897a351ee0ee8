//! The consumers and the feed with a relay and a log in this process, on both databases.

mod audit;
mod choreography;
mod feed;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clock::{SharedClock, SystemClock};
use identity::Tenant;
use ids::Id;
use outbox::OutboxSettings;
use sql::{DatabaseUrl, PostgresSettings, SqliteSettings, scoped};
use streams::{Event, Partition, Position, SqliteStreamLog, StreamLog, StreamSettings};
use telemetry::{Telemetry, TelemetrySettings};
use testkit::engines::{self, Kind};

use crate::store::{Database, StoreError};

fn telemetry() -> Telemetry {
    let settings = TelemetrySettings::default();
    Telemetry::new("payment", "1", &settings, SystemClock::shared()).unwrap()
}

fn tenant() -> Tenant {
    Tenant::parse("acme").unwrap()
}

fn id(id: u64) -> Id {
    Id::from_u64(id).unwrap()
}

/// A relay that notices a dead one quickly.
fn quick() -> OutboxSettings {
    OutboxSettings {
        lease_ms: 300,
        retry_ms: 20,
        poll_ms: 5,
        ..OutboxSettings::default()
    }
}

/// A database and a log, as one start of the program opens them.
struct World {
    database: Database,
    log: Arc<dyn StreamLog>,
    folder: Arc<tempfile::TempDir>,
}

impl World {
    async fn on_sqlite(_test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("payment.db").display());
        Some(Self::at(&url, folder).await)
    }

    async fn on_postgres(test: &str) -> Option<Self> {
        let url = engines::url(Kind::Postgres, test)?;
        let url = format!("{url}?schema={}", engines::fresh_name("payment_told"));
        Some(Self::at(&url, tempfile::tempdir().unwrap()).await)
    }

    async fn at(url: &str, folder: tempfile::TempDir) -> Self {
        let (parsed, clock) = (DatabaseUrl::parse(url).unwrap(), SystemClock::shared());
        let (sqlite, postgres) = (SqliteSettings::default(), PostgresSettings::default());
        let database = Database::open(&parsed, url, sqlite, postgres, telemetry(), clock)
            .await
            .unwrap();
        let log = open_log(folder.path().join("streams.db")).await;
        let folder = Arc::new(folder);
        Self {
            database,
            log,
            folder,
        }
    }

    /// The next start of the program: what the former one had claimed of the log is over.
    async fn restarted(&mut self) {
        self.log = open_log(self.folder.path().join("streams.db")).await;
    }

    async fn drop_all(&self) {
        if let Database::Postgres(_) = self.database {
            self.execute("DO $$ BEGIN EXECUTE 'DROP SCHEMA ' || current_schema() || ' CASCADE'; END $$")
                .await;
        }
    }

    async fn execute(&self, statement: &'static str) {
        let done: Result<(), StoreError> = match &self.database {
            Database::Sqlite(sql) => {
                sql.write("test", |tx| {
                    scoped(async move { Ok(sqlx::query(statement).execute(tx).await.map(drop)?) })
                })
                .await
            }
            Database::Postgres(sql) => {
                sql.write("test", |tx| {
                    scoped(async move { Ok(sqlx::query(statement).execute(tx).await.map(drop)?) })
                })
                .await
            }
        };
        done.unwrap();
    }

    /// One number of the database.
    async fn number(&self, query: &'static str, bound: i64) -> i64 {
        let number: Result<i64, StoreError> = match &self.database {
            Database::Sqlite(sql) => {
                sql.read("test", |conn| {
                    scoped(async move { Ok(sqlx::query_scalar(query).bind(bound).fetch_one(conn).await?) })
                })
                .await
            }
            Database::Postgres(sql) => {
                sql.read("test", |conn| {
                    scoped(async move { Ok(sqlx::query_scalar(query).bind(bound).fetch_one(conn).await?) })
                })
                .await
            }
        };
        number.unwrap()
    }

    /// Everything a stream holds of a key, in its order.
    async fn streamed(&self, stream: &str, key: &str) -> Vec<Event> {
        let (partition, mut events, mut after) = (Partition::of(key), Vec::new(), Position::START);
        loop {
            let page = self.log.read_from(stream, partition, after, 100).await.unwrap();
            let Some(last) = page.last() else { return events };
            after = last.position;
            let stored = page.into_iter().map(|stored| stored.event);
            events.extend(stored.filter(|event| event.key == key));
        }
    }
}

async fn open_log(file: PathBuf) -> Arc<dyn StreamLog> {
    let (sqlite, streams) = (SqliteSettings::default(), StreamSettings::default());
    let clock: SharedClock = SystemClock::shared();
    let log = SqliteStreamLog::open(file, sqlite, streams, telemetry(), clock).await;
    Arc::new(log.unwrap())
}

/// Tries again until it holds: what is awaited is a state, not a time.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::timeout(Duration::from_secs(20), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(patience.await.is_ok(), "never came true: {what}");
}

/// A test a case and database.
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        on_both!(on on_sqlite: $($case),*);
        on_both!(on on_postgres: $($case),*);
    };
    (on $engine:ident: $($case:ident),*) => {
        mod $engine {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some(mut world) = crate::workers::tests::World::$engine(stringify!($case)).await else { return };
                super::$case(&mut world).await;
                world.drop_all().await;
            }
        )*}
    };
}
use on_both;
