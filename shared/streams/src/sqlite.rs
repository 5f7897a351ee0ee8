//! The log on SQLite: one file, one process.

mod claims;
mod dead_letters;
mod deliver;
mod publish;
mod retention;
mod rows;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use clock::SharedClock;
use sql::{Migration, Sqlite, SqliteSettings, scoped};
use telemetry::Telemetry;
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::wakes::Wakes;
use crate::{
    Claim, Collected, DeadLetterPage, Delivery, Event, Group, Lag, Partition, Position, Published, Stored,
    StreamError, StreamLog, StreamSettings,
};

/// The steps of `streams.db`.
static MIGRATIONS: [Migration; 1] = [Migration::expand(
    1,
    "streams",
    include_str!("../migrations/sqlite/0001_streams.sql"),
)];

/// [`StreamLog`] in one SQLite file. A publish is one transaction with one fsync: all of it or nothing.
///
/// One process opens the file at a time: opening it ends every claim of the process before, so that what that one left
/// unacked is delivered again at once. Others may [`attach`](Self::attach).
pub struct SqliteStreamLog {
    sql: Sqlite,
    settings: StreamSettings,
    clock: SharedClock,
    metrics: Metrics,
    wakes: Wakes,
}

impl fmt::Debug for SqliteStreamLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStreamLog")
            .field("sql", &self.sql)
            .finish_non_exhaustive()
    }
}

impl SqliteStreamLog {
    /// Opens the file, brings its schema up to date and ends the claims of the former process.
    pub async fn open(
        path: impl AsRef<Path>,
        sqlite: SqliteSettings,
        settings: StreamSettings,
        telemetry: Telemetry,
        clock: SharedClock,
    ) -> Result<Self, StreamError> {
        let log = Self::attach(path, sqlite, settings, telemetry, clock).await?;
        log.sql
            .write("stream_restart", |tx| {
                scoped(async move {
                    let query = sqlx::query(
                        "UPDATE progress SET owner = '', lease_until_ms = 0 WHERE lease_until_ms > 0",
                    );
                    query.execute(tx).await?;
                    Ok::<_, StreamError>(())
                })
            })
            .await?;
        Ok(log)
    }

    /// Opens the file beside the process that consumes from it, whose claims stand: for a look at dead letters and their
    /// replay. That process hears of nothing published here until it looks by itself. A schema that is up to date is
    /// left alone.
    pub async fn attach(
        path: impl AsRef<Path>,
        sqlite: SqliteSettings,
        settings: StreamSettings,
        telemetry: Telemetry,
        clock: SharedClock,
    ) -> Result<Self, StreamError> {
        let metrics = Metrics::of(&telemetry);
        let sql = Sqlite::open(path, sqlite, telemetry, clock.clone()).await?;
        sql.migrate(Self::migrations()).await?;
        Ok(Self {
            sql,
            settings,
            clock,
            metrics,
            wakes: Wakes::default(),
        })
    }

    /// The schema, for a check or a migration without opening the log.
    pub fn migrations() -> &'static [Migration] {
        &MIGRATIONS
    }

    /// The file behind it: health, verification, closing.
    pub fn sql(&self) -> &Sqlite {
        &self.sql
    }
}

#[async_trait]
impl StreamLog for SqliteStreamLog {
    async fn publish(&self, stream: &str, events: &[Event]) -> Result<Published, StreamError> {
        let began = self.clock.monotonic();
        let outcome = self.append_new(stream, events).await;
        self.metrics
            .published(stream, &outcome, self.clock.monotonic().saturating_sub(began));
        outcome
    }

    async fn read_from(
        &self,
        stream: &str,
        partition: Partition,
        after: Position,
        limit: u32,
    ) -> Result<Vec<Stored>, StreamError> {
        self.read_after(stream, partition, after, limit).await
    }

    async fn claim(&self, group: &Group, owner: &str) -> Result<Vec<Claim>, StreamError> {
        self.claim_free(group, owner).await
    }

    fn claim_lasts(&self) -> Duration {
        Duration::from_millis(self.settings.claim_ms)
    }

    async fn release(&self, claim: &Claim) -> Result<(), StreamError> {
        self.give_up(claim).await
    }

    async fn next(
        &self,
        claim: &Claim,
        acked: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StreamError> {
        self.ack_and_deliver(claim, acked, limit).await
    }

    async fn give_back(&self, claim: &Claim, delivery: &Delivery) -> Result<(), StreamError> {
        self.take_back(claim, delivery).await
    }

    async fn dead_letter(&self, claim: &Claim, delivery: &Delivery, reason: &str) -> Result<(), StreamError> {
        self.set_aside(claim, delivery, reason).await
    }

    async fn dead_letters(
        &self,
        stream: &str,
        after: u64,
        limit: u32,
    ) -> Result<DeadLetterPage, StreamError> {
        self.list_dead_letters(stream, after, limit).await
    }

    async fn replay(&self, id: u64) -> Result<(), StreamError> {
        self.publish_again(id).await
    }

    async fn lag(&self, stream: &str) -> Result<Lag, StreamError> {
        self.measure(stream).await
    }

    async fn collect(&self, stream: &str) -> Result<Collected, StreamError> {
        self.delete_old(stream).await
    }

    fn wakes(&self, stream: &str, partition: Partition) -> watch::Receiver<u64> {
        self.wakes.subscribe(stream, partition)
    }

    async fn probe(&self) -> Result<(), StreamError> {
        Ok(self.sql.probe().await?)
    }
}
