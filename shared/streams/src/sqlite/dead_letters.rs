//! What was given up: set aside, listed, published again.

use sql::scoped;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteStreamLog;
use super::publish::{append, part};
use super::rows::{event, event_columns, int, uint};
use crate::checks::{PAGE_MAX, checked_stream, kept_reason};
use crate::progress::Progress;
use crate::{Claim, DeadLetter, DeadLetterPage, Delivery, StreamError};

impl SqliteStreamLog {
    pub(super) async fn set_aside(
        &self,
        claim: &Claim,
        delivery: &Delivery,
        reason: &str,
    ) -> Result<(), StreamError> {
        let now_ms = int(self.clock.unix_ms());
        let reason = kept_reason(reason);
        let letters_max = int(self.settings.dead_letters_max);
        let stream = &claim.group.stream;
        let written = self
            .sql
            .write("stream_dead_letter", |tx| {
                scoped(async move {
                    let mut progress = Progress::of(tx, claim).await?;
                    if progress.acked >= delivery.position.0 {
                        // A try before this one ended unknown, and stands.
                        return Ok(false);
                    }
                    let waiting: i64 = sqlx::query_scalar(
                        "SELECT count(*) FROM dead_letter WHERE stream = ? AND replayed_ms IS NULL",
                    )
                    .bind(stream)
                    .fetch_one(&mut *tx)
                    .await?;
                    if waiting >= letters_max {
                        return Err(StreamError::Full);
                    }
                    sqlx::query(concat!(
                        "INSERT INTO dead_letter (grp, deliveries, reason, died_ms, stream, part, ",
                        event_columns!(),
                        ") SELECT ?, ?, ?, ?, stream, part, ",
                        event_columns!(),
                        " FROM event WHERE stream = ? AND part = ? AND position = ?"
                    ))
                    .bind(&claim.group.name)
                    .bind(i64::from(delivery.deliveries))
                    .bind(reason)
                    .bind(now_ms)
                    .bind(stream)
                    .bind(part(claim.partition))
                    .bind(int(delivery.position.0))
                    .execute(&mut *tx)
                    .await?;
                    progress.set_aside(delivery.position.0);
                    progress.store(tx, claim).await?;
                    Ok(true)
                })
            })
            .await?;
        if written {
            self.metrics.dead_lettered(&claim.group);
        }
        Ok(())
    }

    pub(super) async fn list_dead_letters(
        &self,
        stream: &str,
        after: u64,
        limit: u32,
    ) -> Result<DeadLetterPage, StreamError> {
        checked_stream(stream)?;
        let limit = limit.clamp(1, PAGE_MAX);
        self.sql
            .read("stream_dead_letters", |conn| {
                scoped(async move {
                    let rows = sqlx::query(
                        "SELECT * FROM dead_letter WHERE stream = ? AND letter > ? ORDER BY letter LIMIT ?",
                    )
                    .bind(stream)
                    .bind(int(after))
                    .bind(i64::from(limit) + 1)
                    .fetch_all(conn)
                    .await?;
                    let mut items = rows.iter().map(dead_letter).collect::<Result<Vec<_>, _>>()?;
                    let more = items.len() > limit as usize;
                    items.truncate(limit as usize);
                    let next = items.last().filter(|_| more).map(|last| last.id);
                    Ok(DeadLetterPage { items, next })
                })
            })
            .await
    }

    pub(super) async fn publish_again(&self, id: u64) -> Result<(), StreamError> {
        let now_ms = self.clock.unix_ms();
        let settings = &self.settings;
        let (stream, partition) = self
            .sql
            .write("stream_replay", |tx| {
                scoped(async move {
                    let row = sqlx::query(
                        "UPDATE dead_letter SET replayed_ms = ? WHERE letter = ? AND replayed_ms IS NULL RETURNING *",
                    )
                    .bind(int(now_ms))
                    .bind(int(id))
                    .fetch_optional(&mut *tx)
                    .await?;
                    let row = row.ok_or(StreamError::NoDeadLetter { id })?;
                    let (stream, event) = (row.try_get::<String, _>("stream")?, event(&row)?);
                    append(tx, &stream, &[&event], now_ms, settings).await?;
                    Ok::<_, StreamError>((stream, event.partition()))
                })
            })
            .await?;
        self.wakes.wake(&stream, [partition]);
        Ok(())
    }
}

fn dead_letter(row: &SqliteRow) -> Result<DeadLetter, sqlx::Error> {
    Ok(DeadLetter {
        id: uint(row.try_get("letter")?),
        stream: row.try_get("stream")?,
        group: row.try_get("grp")?,
        deliveries: u32::try_from(row.try_get::<i64, _>("deliveries")?).unwrap_or(u32::MAX),
        reason: row.try_get("reason")?,
        died_ms: uint(row.try_get("died_ms")?),
        replayed_ms: row.try_get::<Option<i64>, _>("replayed_ms")?.map(uint),
        event: event(row)?,
    })
}
