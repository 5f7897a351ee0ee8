//! How much is held, how far behind groups are, and what may go.

use sql::{SqliteConnection, scoped};

use super::SqliteStreamLog;
use super::rows::{int, uint};
use crate::checks::checked_stream;
use crate::{Collected, GroupLag, Lag, StreamError};

/// Events of one partition that one collection deletes at most: it holds the writer meanwhile.
const STEP: u32 = 200;

/// Where a partition may be cut off: its number and the last position that goes.
struct Cut {
    part: i64,
    through: i64,
}

impl SqliteStreamLog {
    pub(super) async fn measure(&self, stream: &str) -> Result<Lag, StreamError> {
        checked_stream(stream)?;
        let now_ms = self.clock.unix_ms();
        let lag = self
            .sql
            .read("stream_lag", |conn| {
                scoped(async move {
                    let (depth, bytes): (i64, i64) = sqlx::query_as(
                        "SELECT coalesce(sum(events), 0), coalesce(sum(bytes), 0) FROM head WHERE stream = ?",
                    )
                    .bind(stream)
                    .fetch_one(&mut *conn)
                    .await?;
                    let dead_letters: i64 = sqlx::query_scalar(
                        "SELECT count(*) FROM dead_letter WHERE stream = ? AND replayed_ms IS NULL",
                    )
                    .bind(stream)
                    .fetch_one(&mut *conn)
                    .await?;
                    let groups: Vec<(String, i64, Option<i64>)> = sqlx::query_as(
                        "SELECT grp, coalesce(sum(head.head - acked), 0), min(event.published_ms)
                         FROM progress LEFT JOIN head USING (stream, part)
                         LEFT JOIN event ON event.stream = progress.stream AND event.part = progress.part
                                        AND event.position = acked + 1
                         WHERE progress.stream = ? GROUP BY grp ORDER BY grp",
                    )
                    .bind(stream)
                    .fetch_all(conn)
                    .await?;
                    let group = |(name, events, oldest): (String, i64, Option<i64>)| GroupLag {
                        name,
                        events: uint(events),
                        oldest_ms: oldest.map_or(0, |oldest| now_ms.saturating_sub(uint(oldest))),
                    };
                    Ok::<_, StreamError>(Lag {
                        depth: uint(depth),
                        bytes: uint(bytes),
                        dead_letters: uint(dead_letters),
                        groups: groups.into_iter().map(group).collect(),
                    })
                })
            })
            .await?;
        self.metrics.measured(stream, &lag);
        Ok(lag)
    }

    pub(super) async fn delete_old(&self, stream: &str) -> Result<Collected, StreamError> {
        checked_stream(stream)?;
        let now_ms = self.clock.unix_ms();
        let (cuts, more, letters) = self
            .sql
            .read("stream_collectable", |conn| {
                scoped(async move {
                    let (events, bytes): (i64, i64) = sqlx::query_as(
                        "SELECT coalesce(sum(events), 0), coalesce(sum(bytes), 0) FROM head WHERE stream = ?",
                    )
                    .bind(stream)
                    .fetch_one(&mut *conn)
                    .await?;
                    let before_ms = int(self
                        .settings
                        .kept_since_ms(now_ms, uint(events), uint(bytes)));
                    let (cuts, more) = cuts(conn, stream, before_ms).await?;
                    let letters: Vec<i64> = sqlx::query_scalar(
                        "SELECT letter FROM dead_letter WHERE stream = ? AND replayed_ms < ? ORDER BY letter LIMIT 200",
                    )
                    .bind(stream)
                    .bind(before_ms)
                    .fetch_all(conn)
                    .await?;
                    Ok::<_, StreamError>((cuts, more, letters))
                })
            })
            .await?;
        if cuts.is_empty() && letters.is_empty() {
            return Ok(Collected::default());
        }
        let (cuts, letters) = (&cuts, &letters);
        self.sql
            .write("stream_collect", |tx| {
                scoped(async move {
                    let mut collected = Collected {
                        more,
                        ..Collected::default()
                    };
                    for cut in cuts {
                        collected.events += delete(tx, stream, cut).await?;
                    }
                    for letter in letters {
                        let query = sqlx::query("DELETE FROM dead_letter WHERE letter = ?").bind(letter);
                        collected.dead_letters += query.execute(&mut *tx).await?.rows_affected();
                    }
                    Ok(collected)
                })
            })
            .await
    }
}

/// The oldest events of each partition that every group has acked and that are old enough; and whether a step was too
/// small for them.
async fn cuts(
    conn: &mut SqliteConnection,
    stream: &str,
    before_ms: i64,
) -> Result<(Vec<Cut>, bool), StreamError> {
    let acked: Vec<(i64, i64)> =
        sqlx::query_as("SELECT part, min(acked) FROM progress WHERE stream = ? GROUP BY part")
            .bind(stream)
            .fetch_all(&mut *conn)
            .await?;
    let (mut cuts, mut more) = (Vec::new(), false);
    for (part, acked) in acked {
        let oldest: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT position, published_ms FROM event WHERE stream = ? AND part = ? AND position <= ?
             ORDER BY position LIMIT ?",
        )
        .bind(stream)
        .bind(part)
        .bind(acked)
        .bind(i64::from(STEP))
        .fetch_all(&mut *conn)
        .await?;
        // Up to the first that must stay, whatever the clock did meanwhile: what is kept has no gaps.
        let old = oldest
            .iter()
            .take_while(|(_, published_ms)| *published_ms < before_ms);
        let (last, count) = old.fold((None, 0), |(_, count), (position, _)| {
            (Some(*position), count + 1)
        });
        more |= count == STEP;
        cuts.extend(last.map(|through| Cut { part, through }));
    }
    Ok((cuts, more))
}

async fn delete(tx: &mut SqliteConnection, stream: &str, cut: &Cut) -> Result<u64, StreamError> {
    let sizes: Vec<i64> = sqlx::query_scalar(
        "DELETE FROM event WHERE stream = ? AND part = ? AND position <= ? RETURNING octet_length(data)",
    )
    .bind(stream)
    .bind(cut.part)
    .bind(cut.through)
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query("UPDATE head SET events = events - ?, bytes = bytes - ? WHERE stream = ? AND part = ?")
        .bind(int(sizes.len() as u64))
        .bind(sizes.iter().sum::<i64>())
        .bind(stream)
        .bind(cut.part)
        .execute(tx)
        .await?;
    Ok(sizes.len() as u64)
}
