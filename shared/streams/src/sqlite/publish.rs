//! Appending: all or none, once per id, within bounds.

use std::collections::{BTreeMap, HashSet};

use sql::{SqlError, SqliteConnection, scoped};
use sqlx::{QueryBuilder, Sqlite as Engine};

use super::SqliteStreamLog;
use super::rows::{event_columns, int, uint};
use crate::checks::checked_batch;
use crate::{Event, Partition, Published, StreamError, StreamSettings};

impl SqliteStreamLog {
    pub(super) async fn append_new(&self, stream: &str, events: &[Event]) -> Result<Published, StreamError> {
        checked_batch(stream, events, &self.settings)?;
        let settings = &self.settings;
        if events.is_empty() {
            return Ok(Published::default());
        }
        let now_ms = self.clock.unix_ms();
        let fresh = self
            .sql
            .write("stream_publish", |tx| {
                scoped(async move {
                    let fresh = without_duplicates(tx, stream, events, now_ms, settings).await?;
                    append(tx, stream, &fresh, now_ms, settings).await?;
                    Ok::<_, StreamError>(fresh)
                })
            })
            .await?;
        self.wakes.wake(
            stream,
            fresh
                .iter()
                .map(|event| event.partition())
                .collect::<HashSet<_>>(),
        );
        let stored = count(fresh.len());
        Ok(Published {
            stored,
            duplicates: count(events.len()) - stored,
        })
    }
}

/// A number of events of one batch, which is bounded by a `u32`.
fn count(events: usize) -> u32 {
    u32::try_from(events).unwrap_or(u32::MAX)
}

/// The events whose ids were not published within the window, each id once, in their order.
async fn without_duplicates<'e>(
    tx: &mut SqliteConnection,
    stream: &str,
    events: &'e [Event],
    now_ms: u64,
    settings: &StreamSettings,
) -> Result<Vec<&'e Event>, StreamError> {
    let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    let ids = serde_json::to_string(&ids).map_err(|error| SqlError::Unexpected(error.to_string()))?;
    let seen: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM event WHERE stream = ? AND id IN (SELECT value FROM json_each(?)) AND published_ms > ?",
    )
    .bind(stream)
    .bind(ids)
    .bind(int(now_ms.saturating_sub(settings.dedupe_window_ms)))
    .fetch_all(tx)
    .await?;
    let mut seen: HashSet<&str> = seen.iter().map(String::as_str).collect();
    Ok(events.iter().filter(|event| seen.insert(&event.id)).collect())
}

/// Where a partition ends and what it holds.
#[derive(Debug, Default, Clone, Copy)]
struct Head {
    last: u64,
    events: u64,
    bytes: u64,
}

type Heads = BTreeMap<i64, Head>;

/// Appends within the bounds, in three statements whatever the number of events.
pub(super) async fn append(
    tx: &mut SqliteConnection,
    stream: &str,
    events: &[&Event],
    now_ms: u64,
    settings: &StreamSettings,
) -> Result<(), StreamError> {
    if events.is_empty() {
        return Ok(());
    }
    let mut heads = heads(tx, stream).await?;
    let held_events: u64 = heads.values().map(|head| head.events).sum();
    let held_bytes: u64 = heads.values().map(|head| head.bytes).sum();
    let bytes: u64 = events.iter().map(|event| event.data.len() as u64).sum();
    if held_events + events.len() as u64 > settings.events_max
        || held_bytes + bytes > settings.kib_max.saturating_mul(1024)
    {
        return Err(StreamError::Full);
    }

    let mut insert = QueryBuilder::<Engine>::new(concat!(
        "INSERT INTO event (stream, part, ",
        event_columns!(),
        ") "
    ));
    insert.push_values(events, |mut row, event| {
        let part = part(event.partition());
        let head = heads.entry(part).or_default();
        head.last += 1;
        head.events += 1;
        head.bytes += event.data.len() as u64;
        row.push_bind(stream).push_bind(part);
        row.push_bind(int(head.last)).push_bind(int(now_ms));
        row.push_bind(&event.id).push_bind(&event.source);
        row.push_bind(&event.kind).push_bind(&event.key);
        row.push_bind(event.subject.as_deref());
        row.push_bind(int(event.time_ms));
        row.push_bind(event.traceparent.as_deref());
        row.push_bind(event.tenant.as_deref());
        row.push_bind(&event.data);
    });
    // A statement a batch size: only the common one is worth keeping prepared.
    let insert = insert.build().persistent(events.len() == 1);
    insert.execute(&mut *tx).await?;

    let touched: HashSet<i64> = events.iter().map(|event| part(event.partition())).collect();
    heads.retain(|part, _| touched.contains(part));
    store_heads(tx, stream, &heads).await
}

async fn heads(tx: &mut SqliteConnection, stream: &str) -> Result<Heads, StreamError> {
    let query = sqlx::query_as("SELECT part, head, events, bytes FROM head WHERE stream = ?");
    let rows: Vec<(i64, i64, i64, i64)> = query.bind(stream).fetch_all(tx).await?;
    let head = |(part, last, events, bytes)| {
        let (last, events, bytes) = (uint(last), uint(events), uint(bytes));
        (part, Head { last, events, bytes })
    };
    Ok(rows.into_iter().map(head).collect())
}

async fn store_heads(tx: &mut SqliteConnection, stream: &str, heads: &Heads) -> Result<(), StreamError> {
    let mut update = QueryBuilder::<Engine>::new("INSERT INTO head (stream, part, head, events, bytes) ");
    update.push_values(heads, |mut row, (part, head)| {
        row.push_bind(stream).push_bind(*part);
        row.push_bind(int(head.last))
            .push_bind(int(head.events))
            .push_bind(int(head.bytes));
    });
    update.push(
        " ON CONFLICT (stream, part) DO UPDATE
          SET head = excluded.head, events = excluded.events, bytes = excluded.bytes",
    );
    update.build().execute(tx).await?;
    Ok(())
}

/// How a partition stands in a column.
pub(super) fn part(partition: Partition) -> i64 {
    i64::from(partition.number())
}
