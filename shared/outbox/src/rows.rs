//! The table, as the relay sees it.

mod postgres;
mod sqlite;

use leases::{Leadership, LeadershipStore, PostgresLeaderships, SqliteLeaderships};
use sql::{Postgres, SqlError, Sqlite, uint};
use std::sync::Arc;
use streams::{Event, PARTITIONS, Partition};

use crate::{OutboxError, Row};

/// The outbox of a service: a table `outbox` and a table `leadership` in the service's database, which come with its migrations.
#[derive(Debug, Clone)]
pub enum Outbox {
    /// In a file.
    Sqlite(Sqlite),
    /// In a schema that several processes share.
    Postgres(Postgres),
}

/// Rows that wait in one partition are counted up to this.
pub(crate) const COUNTED_MAX: i64 = 10_000;

/// Rows that one sweep deletes at most.
pub(crate) const SWEEP_MAX: i64 = 1_000;

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Waiting {
    /// Rows that are not marked; of a partition with more than [`COUNTED_MAX`], that many.
    pub(crate) rows: u64,
    /// When the event of the oldest of them happened.
    pub(crate) oldest_ms: Option<u64>,
}

/// A row of the table as it is read: position, aggregate, id, source, kind, subject, time, traceparent, tenant, data.
type Read = (
    i64,
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
    Option<String>,
    Option<String>,
    String,
);

fn row(read: Read) -> Result<Row, SqlError> {
    let (position, key, id, source, kind, subject, time_ms, traceparent, tenant, data) = read;
    let event = Event {
        id,
        source,
        kind,
        key,
        subject,
        time_ms: uint(time_ms)?,
        traceparent,
        tenant,
        data,
    };
    Ok(Row { position, event })
}

/// For each partition how many wait, counted up to a bound, and since when the first does.
const WAITING: &str = "
    WITH parts (part) AS (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (15))
    SELECT
        (SELECT count(*) FROM (SELECT 1 FROM outbox
            WHERE outbox.part = parts.part AND published_ms IS NULL LIMIT $1) AS counted),
        (SELECT time_ms FROM outbox
            WHERE outbox.part = parts.part AND published_ms IS NULL ORDER BY position LIMIT 1)
    FROM parts";

const _: () = assert!(PARTITIONS == 16, "the statement above names them");

fn summed(rows: Vec<(i64, Option<i64>)>) -> Result<Waiting, OutboxError> {
    let mut waiting = Waiting::default();
    for (count, oldest) in rows {
        waiting.rows += uint(count)?;
        let oldest = oldest.map(uint).transpose()?;
        waiting.oldest_ms = waiting.oldest_ms.into_iter().chain(oldest).min();
    }
    Ok(waiting)
}

fn part(partition: Partition) -> i16 {
    i16::from(partition.number())
}

impl Outbox {
    pub(crate) fn leaderships(&self) -> Arc<dyn LeadershipStore> {
        match self {
            Self::Sqlite(sql) => Arc::new(SqliteLeaderships::new(sql.clone())),
            Self::Postgres(sql) => Arc::new(PostgresLeaderships::new(sql.clone())),
        }
    }

    /// The first `limit` rows that are not marked, without those of the `blocked` aggregates.
    pub(crate) async fn unpublished(
        &self,
        partition: Partition,
        limit: usize,
        blocked: &[String],
    ) -> Result<Vec<Row>, OutboxError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = match self {
            Self::Sqlite(sql) => sqlite::unpublished(sql, part(partition), limit, blocked).await?,
            Self::Postgres(sql) => postgres::unpublished(sql, part(partition), limit, blocked).await?,
        };
        let rows: Result<Vec<Row>, SqlError> = rows.into_iter().map(row).collect();
        Ok(rows?)
    }

    /// Marks rows as durable in the stream, if `leadership` still leads. May be repeated.
    pub(crate) async fn mark(
        &self,
        leadership: &Leadership,
        positions: &[i64],
        now_ms: u64,
    ) -> Result<(), OutboxError> {
        match self {
            Self::Sqlite(sql) => sqlite::mark(sql, leadership, positions, now_ms).await,
            Self::Postgres(sql) => postgres::mark(sql, leadership, positions, now_ms).await,
        }
    }

    /// Deletes rows that were marked before `before_ms`, a bounded number, if `leadership` still leads; says how many.
    pub(crate) async fn sweep(
        &self,
        leadership: &Leadership,
        partition: Partition,
        before_ms: u64,
        now_ms: u64,
    ) -> Result<u64, OutboxError> {
        let part = part(partition);
        match self {
            Self::Sqlite(sql) => sqlite::sweep(sql, leadership, part, before_ms, now_ms).await,
            Self::Postgres(sql) => postgres::sweep(sql, leadership, part, before_ms, now_ms).await,
        }
    }

    /// What waits in all partitions.
    pub(crate) async fn waiting(&self) -> Result<Waiting, OutboxError> {
        summed(match self {
            Self::Sqlite(sql) => sqlite::waiting(sql).await?,
            Self::Postgres(sql) => postgres::waiting(sql).await?,
        })
    }
}
