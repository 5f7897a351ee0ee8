//! Acks and deliveries of one group in one partition.

use sql::{SqliteConnection, scoped};

use super::SqliteStreamLog;
use super::publish::{checked_stream, part};
use super::rows::{event_columns, int, stored, uint};
use crate::{Claim, Delivery, Partition, Position, Stored, StreamError};

/// Events read at once at most; a read holds its answer in memory.
const READ_MAX: u32 = 500;

/// How far a group is in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// Everything up to here is done.
    pub(super) acked: u64,
    /// Everything up to here was, or may have been, given to the handler.
    attempted: u64,
    /// What `attempted` was when the present holder took over: of those, nobody can say which were begun.
    inherited: u64,
    /// Deliveries of the first event that is not done.
    deliveries: u32,
}

impl Progress {
    /// The holder is alive and says that everything through `done` is done. It handles one after another, so of what was
    /// delivered with it, at most the event after that was begun; the rest does not count as delivered.
    fn report(&mut self, done: Option<u64>) {
        let done = done.map_or(self.acked, |done| done.min(self.attempted));
        self.advance(done, done + 1);
    }

    /// The holder set the event at `position` aside; it has begun nothing after it.
    pub(super) fn set_aside(&mut self, position: u64) {
        let position = position.min(self.attempted);
        self.advance(position, position);
    }

    fn advance(&mut self, done: u64, begun: u64) {
        self.attempted = self.attempted.min(begun).max(self.inherited);
        if done > self.acked {
            self.acked = done;
            self.deliveries = u32::from(self.attempted > done);
        }
    }

    /// How many may be handed out together: what was delivered before goes alone, so that whatever ends the process is
    /// counted against the event that was being handled.
    fn batch(self, limit: u32) -> u32 {
        if self.deliveries > 0 { limit.min(1) } else { limit }
    }

    fn deliver(&mut self, events: Vec<Stored>) -> Vec<Delivery> {
        let Some(last) = events.last() else {
            return Vec::new();
        };
        self.attempted = self.attempted.max(last.position.0);
        self.deliveries = self.deliveries.saturating_add(1);
        let deliveries = self.deliveries;
        let delivery = |(position, stored): (usize, Stored)| Delivery {
            position: stored.position,
            published_ms: stored.published_ms,
            deliveries: if position == 0 { deliveries } else { 1 },
            event: stored.event,
        };
        events.into_iter().enumerate().map(delivery).collect()
    }

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
