//! Statements about counts.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use identity::Tenant;
use ids::Id;
use wide::{Level, Serial, Statement};

use super::call::{Call, Pauses, contended};
use super::{ClickBatch, StoreError, listing};
use crate::link::Clicks;
use crate::store::stored::{integer, natural, read_json};

/// Links of an event that are worked on at the same time.
const LINKS: usize = 32;
/// Each time a row names this many events more, those that are finished are taken out of it.
const RECENT: usize = 32;

const SELECT: &str = "SELECT clicks, last_at_ms, recent, version FROM {keyspace}.link_clicks \
                      WHERE tenant = ? AND link_id = ?";

pub(super) const COUNTS: Statement = Statement::read("count_clicks", SELECT, Level::Quorum);

pub(super) const SETTLE: Statement = Statement::read("settle_clicks", SELECT, Level::Serial);

pub(super) const FIRST: Statement = Statement::conditional(
    "add_first_clicks",
    "INSERT INTO {keyspace}.link_clicks (clicks, last_at_ms, recent, version, tenant, link_id) \
     VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS",
    Level::Quorum,
    Serial::Global,
);

pub(super) const ADD: Statement = Statement::conditional(
    "add_clicks",
    "UPDATE {keyspace}.link_clicks SET clicks = ?, last_at_ms = ?, recent = ?, version = ? \
     WHERE tenant = ? AND link_id = ? IF version = ?",
    Level::Quorum,
    Serial::Global,
);

pub(super) const DROP: Statement = Statement::conditional(
    "drop_clicks",
    "DELETE FROM {keyspace}.link_clicks WHERE tenant = ? AND link_id = ? IF EXISTS",
    Level::Quorum,
    Serial::Global,
);

pub(super) const FINISHED: Statement = Statement::read(
    "find_finished_event",
    "SELECT applied_at_ms FROM {keyspace}.applied_events WHERE event_id = ?",
    Level::Quorum,
);

pub(super) const FINISH: Statement = Statement::conditional(
    "finish_event",
    "INSERT INTO {keyspace}.applied_events (event_id, applied_at_ms) VALUES (?, ?) IF NOT EXISTS USING TTL ?",
    Level::Quorum,
    Serial::Global,
);

/// A link's row.
#[derive(Debug, Default)]
struct Counts {
    clicks: u64,
    last_at_ms: u64,
    /// Events in the sum that were not known to be finished, each with the time it was counted.
    recent: Vec<(String, u64)>,
    version: i64,
}

/// What one event adds to one link.
#[derive(Clone, Debug)]
struct Sum {
    tenant: Tenant,
    link_id: i64,
    count: u64,
    last_at_ms: u64,
}

async fn read(
    call: &Call<'_>,
    how: &Statement,
    tenant: &Tenant,
    link_id: i64,
) -> Result<Option<Counts>, StoreError> {
    let row: Option<(i64, i64, String, i64)> = call.row(how, (tenant.as_str(), link_id)).await?;
    let Some((clicks, last_at_ms, recent, version)) = row else {
        return Ok(None);
    };
    Ok(Some(Counts {
        clicks: natural(clicks)?,
        last_at_ms: natural(last_at_ms)?,
        recent: read_json(&recent)?,
        version,
    }))
}

async fn is_finished(call: &Call<'_>, event_id: &str) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = call.row(&FINISHED, (event_id,)).await?;
    Ok(row.is_some())
}

pub(super) async fn of(call: &Call<'_>, tenant: &Tenant, id: Id) -> Result<Clicks, StoreError> {
    let counts = read(call, &COUNTS, tenant, integer(id.as_u64())?).await?;
    Ok(counts.map_or_else(Clicks::default, |counts| Clicks {
        count: counts.clicks,
        last_at_ms: Some(counts.last_at_ms),
    }))
}

/// Drops the counts of a link that is gone. Those that stay are seen by nobody.
pub(super) async fn forget(call: &Call<'_>, tenant: &Tenant, id: Id) {
    let dropped = match integer(id.as_u64()) {
        Ok(number) => call
            .conditional(&DROP, &(tenant.as_str(), number))
            .await
            .map(|_| ()),
        Err(error) => Err(error),
    };
    if let Err(error) = dropped {
        tracing::debug!(%error, code = error.code(), "the counts of a deleted link stay");
    }
}

pub(super) async fn add(call: &Call<'_>, batch: &ClickBatch, kept_ms: u64) -> Result<bool, StoreError> {
    let sums = sums(batch)?;
    // Rows first, the mark after them: see the module's words on counts.
    let looked = stream::iter(sums).map(|sum| async move {
        let row = read(call, &COUNTS, &sum.tenant, sum.link_id).await;
        row.map(|row| (sum, row))
    });
    let rows: Vec<(Sum, Option<Counts>)> = looked.buffered(LINKS).try_collect().await?;
    if is_finished(call, &batch.event_id).await? {
        return Ok(false);
    }
    let event = Event {
        call,
        id: &batch.event_id,
        at_ms: batch.counted_at_ms,
        kept_ms,
    };
    let event = &event;
    let all = stream::iter(rows)
        .map(|(sum, row)| event.add(sum, row))
        .buffer_unordered(LINKS)
        .try_collect::<()>();
    all.await.map_err(part_way)?;
    let ttl_s = i32::try_from(kept_ms.div_ceil(1_000)).unwrap_or(i32::MAX / 4);
    let values = (batch.event_id.as_str(), integer(batch.counted_at_ms)?, ttl_s);
    let settled = call.conditional(&FINISH, &values).await.map_err(part_way)?;
    Ok(settled.applied || settled.repeated)
}

/// Some links may have been counted by now.
fn part_way(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(why) => StoreError::Unknown(why),
        other => other,
    }
}

/// One sum a link, whatever the batch repeats.
fn sums(batch: &ClickBatch) -> Result<Vec<Sum>, StoreError> {
    let mut sums: BTreeMap<(&str, u64), (&Tenant, u64, u64)> = BTreeMap::new();
    for link in &batch.links {
        let (_, count, last_at_ms) = sums
            .entry((link.tenant.as_str(), link.link_id.as_u64()))
            .or_insert((&link.tenant, 0, 0));
        *count = count.saturating_add(link.count);
        *last_at_ms = (*last_at_ms).max(link.last_at_ms);
    }
    let sum = |((_, link_id), (tenant, count, last_at_ms)): (_, (&Tenant, u64, u64))| {
        Ok(Sum {
            tenant: tenant.clone(),
            link_id: integer(link_id)?,
            count,
            last_at_ms,
        })
    };
    sums.into_iter().map(sum).collect()
}

/// An event that is being counted.
struct Event<'a> {
    call: &'a Call<'a>,
    id: &'a str,
    at_ms: u64,
    kept_ms: u64,
}

impl Event<'_> {
    /// Adds to one link, once.
    async fn add(&self, sum: Sum, mut row: Option<Counts>) -> Result<(), StoreError> {
        let mut pauses = Pauses::new();
        loop {
            let counts = match row {
                // Rows are made by the first clicks. Without a link nobody would ever take this one away.
                None if !self.is_listed(&sum).await? => return Ok(()),
                None => Counts::default(),
                Some(counts) if counts.recent.iter().any(|(id, _)| id == self.id) => return Ok(()),
                Some(counts) => counts,
            };
            if self.write(&sum, counts).await? {
                return Ok(());
            }
            if !self.call.pause(&mut pauses).await {
                return Err(contended("a link's counts"));
            }
            row = read(self.call, &SETTLE, &sum.tenant, sum.link_id).await?;
            // Whoever finished the event has counted this link too.
            if is_finished(self.call, self.id).await? {
                return Ok(());
            }
        }
    }

    async fn is_listed(&self, sum: &Sum) -> Result<bool, StoreError> {
        listing::listed(self.call, sum.tenant.as_str(), sum.link_id).await
    }

    async fn write(&self, sum: &Sum, mut counts: Counts) -> Result<bool, StoreError> {
        if !counts.recent.is_empty() && counts.recent.len().is_multiple_of(RECENT) {
            self.take_out_finished(&mut counts.recent).await?;
        }
        counts.recent.push((self.id.to_owned(), self.at_ms));
        let clicks = integer(counts.clicks.saturating_add(sum.count))?;
        let last_at_ms = integer(counts.last_at_ms.max(sum.last_at_ms))?;
        let recent = serde_json::to_string(&counts.recent).expect("strings and numbers are always JSON");
        let version = counts.version + 1;
        let settled = if counts.version == 0 {
            let values = (
                clicks,
                last_at_ms,
                recent,
                version,
                sum.tenant.as_str(),
                sum.link_id,
            );
            self.call.conditional(&FIRST, &values).await?
        } else {
            let values = (
                clicks,
                last_at_ms,
                recent,
                version,
                sum.tenant.as_str(),
                sum.link_id,
                counts.version,
            );
            self.call.conditional(&ADD, &values).await?
        };
        Ok(settled.applied)
    }

    /// An event that is finished, or so old that it does not come again, needs no name in the row.
    async fn take_out_finished(&self, recent: &mut Vec<(String, u64)>) -> Result<(), StoreError> {
        let known = std::mem::take(recent);
        *recent = stream::iter(known)
            .map(|(id, at_ms)| async move {
                let old = at_ms.saturating_add(self.kept_ms) < self.at_ms;
                let over = old || is_finished(self.call, &id).await?;
                Ok::<_, StoreError>((!over).then_some((id, at_ms)))
            })
            .buffered(RECENT)
            .try_filter_map(async |left| Ok(left))
            .try_collect()
            .await?;
        Ok(())
    }
}
