//! Acks and deliveries of one group in one partition.

use sql::{SqliteConnection, scoped};

use super::SqliteStreamLog;
use super::publish::part;
use super::rows::{event_columns, int, stored, uint};
use crate::checks::checked_stream;
use crate::progress::{Progress, READ_MAX};
use crate::{Claim, Delivery, Partition, Position, Stored, StreamError};

impl Progress {
    /// Reads it under the claim's fence.
    pub(super) async fn of(tx: &mut SqliteConnection, claim: &Claim) -> Result<Self, StreamError> {
        let row: Option<(i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT acked, attempted, inherited, deliveries FROM progress
             WHERE stream = ? AND grp = ? AND part = ? AND epoch = ?",
        )
        .bind(&claim.group.stream)
        .bind(&claim.group.name)
        .bind(part(claim.partition))
        .bind(int(claim.epoch))
        .fetch_optional(tx)
        .await?;
        let (acked, attempted, inherited, deliveries) = row.ok_or(StreamError::Fenced {
            partition: claim.partition.number(),
        })?;
        let deliveries = u32::try_from(deliveries).unwrap_or(u32::MAX);
        Ok(Self {
            acked: uint(acked),
            attempted: uint(attempted),
            inherited: uint(inherited),
            deliveries,
        })
    }

    pub(super) async fn store(self, tx: &mut SqliteConnection, claim: &Claim) -> Result<(), StreamError> {
        sqlx::query(
            "UPDATE progress SET acked = ?, attempted = ?, deliveries = ? WHERE stream = ? AND grp = ? AND part = ?",
        )
        .bind(int(self.acked))
        .bind(int(self.attempted))
        .bind(i64::from(self.deliveries))
        .bind(&claim.group.stream)
        .bind(&claim.group.name)
        .bind(part(claim.partition))
        .execute(tx)
        .await?;
        Ok(())
    }
}

impl SqliteStreamLog {
    pub(super) async fn ack_and_deliver(
        &self,
        claim: &Claim,
        acked: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StreamError> {
        // An idle partition costs a read, not a write.
        if acked.is_none() && !self.has_more(claim).await? {
            return Ok(Vec::new());
        }
        let delivered = self
            .sql
            .write("stream_next", |tx| {
                scoped(async move {
                    let before = Progress::of(tx, claim).await?;
                    let mut progress = before;
                    progress.report(acked.map(|through| through.0));
                    let batch = progress.batch(limit.min(READ_MAX));
                    let events = if batch == 0 {
                        Vec::new()
                    } else {
                        after(tx, &claim.group.stream, claim.partition, progress.acked, batch).await?
                    };
                    let deliveries = progress.deliver(events);
                    if progress != before {
                        progress.store(tx, claim).await?;
                    }
                    Ok::<_, StreamError>(deliveries)
                })
            })
            .await?;
        self.metrics.delivered(&claim.group, delivered.len());
        Ok(delivered)
    }

    pub(super) async fn take_back(&self, claim: &Claim, delivery: &Delivery) -> Result<(), StreamError> {
        self.sql
            .write("stream_give_back", |tx| {
                scoped(async move {
                    let mut progress = Progress::of(tx, claim).await?;
                    progress.give_back(delivery.position.0, delivery.deliveries);
                    progress.store(tx, claim).await
                })
            })
            .await
    }

    async fn has_more(&self, claim: &Claim) -> Result<bool, StreamError> {
        self.sql
            .read("stream_peek", |conn| {
                scoped(async move {
                    let more: Option<i64> = sqlx::query_scalar(
                        "SELECT 1 FROM head JOIN progress USING (stream, part)
                         WHERE stream = ? AND grp = ? AND part = ? AND head > acked",
                    )
                    .bind(&claim.group.stream)
                    .bind(&claim.group.name)
                    .bind(part(claim.partition))
                    .fetch_optional(conn)
                    .await?;
                    Ok(more.is_some())
                })
            })
            .await
    }

    pub(super) async fn read_after(
        &self,
        stream: &str,
        partition: Partition,
        position: Position,
        limit: u32,
    ) -> Result<Vec<Stored>, StreamError> {
        checked_stream(stream)?;
        self.sql
            .read("stream_read", |conn| {
                scoped(async move { after(conn, stream, partition, position.0, limit.min(READ_MAX)).await })
            })
            .await
    }
}

async fn after(
    conn: &mut SqliteConnection,
    stream: &str,
    partition: Partition,
    position: u64,
    limit: u32,
) -> Result<Vec<Stored>, StreamError> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        event_columns!(),
        " FROM event WHERE stream = ? AND part = ? AND position > ? ORDER BY position LIMIT ?"
    ))
    .bind(stream)
    .bind(part(partition))
    .bind(int(position))
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?;
    Ok(rows.iter().map(stored).collect::<Result<_, _>>()?)
}
