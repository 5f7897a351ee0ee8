//! Who consumes which partition.

use sql::scoped;

use super::SqliteStreamLog;
use super::publish::part;
use super::rows::{int, uint};
use crate::checks::{checked_group, checked_stream};
use crate::{Claim, Group, PARTITIONS, Partition, StreamError};

impl SqliteStreamLog {
    pub(super) async fn claim_free(&self, group: &Group, owner: &str) -> Result<Vec<Claim>, StreamError> {
        checked_stream(&group.stream)?;
        checked_group(&group.name)?;
        let (clock, claim_ms) = (&self.clock, int(self.settings.claim_ms));
        let rows: Vec<(i64, i64)> = self
            .sql
            .write("stream_claim", |tx| {
                scoped(async move {
                    // Only now: it may have waited for others that renewed their claims.
                    let now_ms = int(clock.unix_ms());
                    let until_ms = now_ms.saturating_add(claim_ms);
                    // A new group begins before the oldest kept event.
                    sqlx::query(
                        "WITH RECURSIVE parts (part) AS (SELECT 0 UNION ALL SELECT part + 1 FROM parts WHERE part < ?3)
                         INSERT INTO progress
                             (stream, grp, part, acked, attempted, inherited, deliveries, owner, epoch, lease_until_ms)
                         SELECT ?1, ?2, parts.part, coalesce(head - events, 0), 0, 0, 0, '', 0, 0
                         FROM parts LEFT JOIN head ON head.part = parts.part AND head.stream = ?1
                         WHERE true
                         ON CONFLICT DO NOTHING",
                    )
                    .bind(&group.stream)
                    .bind(&group.name)
                    .bind(i64::from(PARTITIONS) - 1)
                    .execute(&mut *tx)
                    .await?;
                    // Nobody took over what still bears this owner's name, so keeping it needs no new epoch. A lease that
                    // ends a whole claim later than any could was written before the clock was set back, by somebody who
                    // is gone; one that ends a little too late is of a holder whose clock is a little ahead.
                    sqlx::query(
                        "UPDATE progress
                         SET epoch = epoch + (owner <> ?3), inherited = iif(owner <> ?3, attempted, inherited),
                             owner = ?3, lease_until_ms = ?5
                         WHERE stream = ?1 AND grp = ?2
                           AND (owner = ?3 OR lease_until_ms <= ?4 OR lease_until_ms > ?6)",
                    )
                    .bind(&group.stream)
                    .bind(&group.name)
                    .bind(owner)
                    .bind(now_ms)
                    .bind(until_ms)
                    .bind(until_ms.saturating_add(claim_ms))
                    .execute(&mut *tx)
                    .await?;
                    let query = sqlx::query_as(
                        "SELECT part, epoch FROM progress WHERE stream = ? AND grp = ? AND owner = ? ORDER BY part",
                    );
                    let held = query.bind(&group.stream).bind(&group.name).bind(owner).fetch_all(tx).await?;
                    Ok::<_, StreamError>(held)
                })
            })
            .await?;
        let claim = |(part, epoch): (i64, i64)| {
            let partition = Partition::new(u8::try_from(part).ok()?)?;
            Some(Claim {
                group: group.clone(),
                partition,
                epoch: uint(epoch),
            })
        };
        Ok(rows.into_iter().filter_map(claim).collect())
    }

    pub(super) async fn give_up(&self, claim: &Claim) -> Result<(), StreamError> {
        self.sql
            .write("stream_release", |tx| {
                scoped(async move {
                    sqlx::query(
                        "UPDATE progress SET owner = '', lease_until_ms = 0
                         WHERE stream = ? AND grp = ? AND part = ? AND epoch = ?",
                    )
                    .bind(&claim.group.stream)
                    .bind(&claim.group.name)
                    .bind(part(claim.partition))
                    .bind(int(claim.epoch))
                    .execute(tx)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}
