//! The pairs of engines that the contract is held to: both embedded, and both real.

use std::sync::Arc;
use std::time::Duration;

use clock::SystemClock;
use nats::{Nats, NatsSettings};
use outbox::{Bell, OUTBOX_POSTGRES, OUTBOX_SQLITE, Outbox, OutboxError, OutboxSettings, Relay};
use outbox::{append_postgres, append_sqlite};
use sql::{Migration, Postgres, PostgresSettings, Sqlite, SqliteSettings, scoped};
use streams::{Event, NatsStreamLog, Partition, Position, SqliteStreamLog, StreamLog, StreamSettings};
use telemetry::Telemetry;
use testkit::engines::{self, Kind};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::faulty_log::FaultyLog;
use crate::{STREAM, telemetry};

/// What the service's transactions do, and in which order they were of one aggregate.
const EFFECT: &str =
    "CREATE TABLE effect (aggregate TEXT NOT NULL, n BIGINT NOT NULL, id TEXT NOT NULL PRIMARY KEY)";

static ON_SQLITE: [Migration; 3] = [
    Migration::expand(1, "outbox", OUTBOX_SQLITE),
    Migration::expand(2, "leadership", leases::LEADERSHIP_SQLITE),
    Migration::expand(3, "effect", EFFECT),
];

static ON_POSTGRES: [Migration; 3] = [
    Migration::expand(1, "outbox", OUTBOX_POSTGRES),
    Migration::expand(2, "leadership", leases::LEADERSHIP_POSTGRES),
    Migration::expand(3, "effect", EFFECT),
];

/// Short waits, and a partition changes hands quickly.
pub(crate) fn quick() -> OutboxSettings {
    OutboxSettings {
        lease_ms: 400,
        retry_ms: 20,
        poll_ms: 10,
        backoff_ms: 5,
        backoff_ms_max: 20,
        blocked_ms: 50,
        measure_ms: 10,
        ..OutboxSettings::default()
    }
}

/// A service's database and a stream.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) outbox: Outbox,
    pub(crate) log: Arc<FaultyLog>,
    nats: Option<Nats>,
    _folder: Option<Arc<tempfile::TempDir>>,
}

/// A process with a relay.
pub(crate) struct Process {
    pub(crate) bell: Bell,
    telemetry: Telemetry,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Process {
    pub(crate) fn shows(&self, line: &str) -> bool {
        self.shown().contains(line)
    }

    pub(crate) fn shown(&self) -> String {
        String::from_utf8(self.telemetry.encode(None).unwrap().1).unwrap()
    }

    /// As by SIGKILL: nothing more is done, and nothing is given up.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn drain(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), self.task)
            .await
            .expect("it drains")
            .unwrap();
    }
}

impl Place {
    pub(crate) async fn embedded(_test: &str, streams: StreamSettings) -> Option<Self> {
        let (folder, clock) = (tempfile::tempdir().unwrap(), SystemClock::shared());
        let file = |name| folder.path().join(name);
        let sql = Sqlite::open(
            file("service.db"),
            SqliteSettings::default(),
            telemetry(),
            clock.clone(),
        )
        .await
        .unwrap();
        sql.migrate(&ON_SQLITE).await.unwrap();
        let log = SqliteStreamLog::open(
            file("streams.db"),
            SqliteSettings::default(),
            streams,
            telemetry(),
            clock,
        );
        let log = FaultyLog::before(Arc::new(log.await.unwrap()));
        Some(Self {
            outbox: Outbox::Sqlite(sql),
            log,
            nats: None,
            _folder: Some(Arc::new(folder)),
        })
    }

    pub(crate) async fn real(test: &str, streams: StreamSettings) -> Option<Self> {
        let (postgres, nats) = (
            engines::url(Kind::Postgres, test)?,
            engines::url(Kind::Nats, test)?,
        );
        let (name, clock) = (engines::fresh_name("outbox"), SystemClock::shared());
        let url = format!("{postgres}?schema={name}");
        let sql = Postgres::connect(&url, PostgresSettings::default(), telemetry(), clock.clone())
            .await
            .unwrap();
        sql.migrate(&ON_POSTGRES).await.unwrap();
        let url = format!("{nats}?prefix={name}");
        let nats = Nats::connect(&url, NatsSettings::default(), telemetry(), clock.clone())
            .await
            .unwrap();
        let log = NatsStreamLog::open(nats.clone(), streams, telemetry(), clock)
            .await
            .unwrap();
        let log = FaultyLog::before(Arc::new(log));
        Some(Self {
            outbox: Outbox::Postgres(sql),
            log,
            nats: Some(nats),
            _folder: None,
        })
    }

    /// Takes everything of the test off the shared servers.
    pub(crate) async fn drop_all(&self) {
        if let Outbox::Postgres(_) = self.outbox {
            self.execute("DO $$ BEGIN EXECUTE 'DROP SCHEMA ' || current_schema() || ' CASCADE'; END $$")
                .await;
        }
        if let Some(nats) = &self.nats {
            let prefix = nats.prefix();
            for subject in [format!("{prefix}.>"), format!("$KV.{prefix}_progress.>")] {
                for (name, _) in nats.streams_of(&subject).await.unwrap() {
                    nats.delete_stream(&name).await.unwrap();
                }
            }
        }
    }

    async fn execute(&self, statement: &'static str) {
        let done: Result<(), OutboxError> = match &self.outbox {
            Outbox::Sqlite(sql) => {
                sql.write("execute", |tx| {
                    scoped(async move { Ok(sqlx::query(statement).execute(tx).await.map(drop)?) })
                })
                .await
            }
            Outbox::Postgres(sql) => {
                sql.write("execute", |tx| {
                    scoped(async move { Ok(sqlx::query(statement).execute(tx).await.map(drop)?) })
                })
                .await
            }
        };
        done.unwrap();
    }

    /// One transaction of the service: events, each with its effect; rolled back if so told. An effect is numbered behind those of
    /// its aggregate that were committed before.
    pub(crate) async fn act(&self, events: &[Event], rolls_back: bool) -> Result<(), OutboxError> {
        const NUMBERED: &str = "
            INSERT INTO effect (aggregate, n, id)
            SELECT $1, (SELECT coalesce(max(n), 0) + 1 FROM effect WHERE aggregate = $1), $2";
        let undone = || OutboxError::TooMany { events: 0 };
        match &self.outbox {
            Outbox::Sqlite(sql) => {
                sql.write("act", |tx| {
                    scoped(async move {
                        append_sqlite(&mut *tx, events).await?;
                        for event in events {
                            sqlx::query(NUMBERED)
                                .bind(&event.key)
                                .bind(&event.id)
                                .execute(&mut *tx)
                                .await?;
                        }
                        if rolls_back { Err(undone()) } else { Ok(()) }
                    })
                })
                .await
            }
            Outbox::Postgres(sql) => {
                sql.write("act", |tx| {
                    scoped(async move {
                        append_postgres(&mut *tx, events).await?;
                        for event in events {
                            sqlx::query(NUMBERED)
                                .bind(&event.key)
                                .bind(&event.id)
                                .execute(&mut *tx)
                                .await?;
                        }
                        if rolls_back { Err(undone()) } else { Ok(()) }
                    })
                })
                .await
            }
        }
    }

    pub(crate) async fn append(&self, events: &[Event]) {
        self.act(events, false).await.unwrap();
    }

    async fn column(&self, query: &'static str) -> Vec<String> {
        let rows: Result<_, OutboxError> = match &self.outbox {
            Outbox::Sqlite(sql) => {
                sql.read("column", |c| {
                    scoped(async move { Ok(sqlx::query_scalar(query).fetch_all(c).await?) })
                })
                .await
            }
            Outbox::Postgres(sql) => {
                sql.read("column", |c| {
                    scoped(async move { Ok(sqlx::query_scalar(query).fetch_all(c).await?) })
                })
                .await
            }
        };
        rows.unwrap()
    }

    /// The ids of all rows that are not marked.
    pub(crate) async fn unmarked(&self) -> Vec<String> {
        self.column("SELECT id FROM outbox WHERE published_ms IS NULL ORDER BY position")
            .await
    }

    /// The ids of all rows.
    pub(crate) async fn rows(&self) -> Vec<String> {
        self.column("SELECT id FROM outbox ORDER BY position").await
    }

    /// The ids of all effects, of each aggregate in the order of commits, behind its name.
    pub(crate) async fn effects(&self) -> Vec<String> {
        self.column("SELECT aggregate || ' ' || id FROM effect ORDER BY aggregate, n")
            .await
    }

    /// The ids of what the stream holds of an aggregate, in its order.
    pub(crate) async fn streamed(&self, aggregate: &str) -> Vec<String> {
        let (partition, mut ids, mut after) = (Partition::of(aggregate), Vec::new(), Position::START);
        loop {
            let page = self.log.read_from(STREAM, partition, after, 100).await.unwrap();
            let Some(last) = page.last() else { return ids };
            after = last.position;
            let of_aggregate = page.into_iter().filter(|stored| stored.event.key == aggregate);
            ids.extend(of_aggregate.map(|stored| stored.event.id));
        }
    }

    pub(crate) fn process(&self, settings: OutboxSettings) -> Process {
        let telemetry = telemetry();
        let log = Arc::clone(&self.log) as Arc<dyn StreamLog>;
        let clock = SystemClock::shared();
        let relay = Relay::new(
            self.outbox.clone(),
            log,
            STREAM,
            settings,
            clock,
            telemetry.clone(),
        );
        let bell = relay.bell();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            relay
                .run("test", async move {
                    let _ = stopped.await;
                })
                .await;
        });
        Process {
            bell,
            telemetry,
            stop,
            task,
        }
    }

    /// Waits until every row is marked.
    pub(crate) async fn relayed(&self) {
        eventually("every row is marked", async || self.unmarked().await.is_empty()).await;
    }
}

/// Tries again until it holds: what is awaited is a state, not a time.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::timeout(Duration::from_secs(20), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(patience.await.is_ok(), "never came true: {what}");
}
