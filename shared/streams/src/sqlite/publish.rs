//! Appending: all or none, once per id, within bounds.

use std::collections::{BTreeMap, HashSet};

use sql::{SqlError, SqliteConnection, scoped};
use sqlx::{QueryBuilder, Sqlite as Engine};

use super::SqliteStreamLog;
use super::rows::{event_columns, int, uint};
use crate::event::required;
use crate::{Event, Partition, Published, StreamError, StreamSettings};

/// Longest name of a stream or group.
const NAME_BYTES_MAX: usize = 64;

pub(super) fn checked_stream(stream: &str) -> Result<(), StreamError> {
    required("stream", stream, NAME_BYTES_MAX)
}

pub(super) fn checked_group(group: &str) -> Result<(), StreamError> {
    required("group", group, NAME_BYTES_MAX)
}

impl SqliteStreamLog {
    pub(super) async fn append_new(&self, stream: &str, events: &[Event]) -> Result<Published, StreamError> {
        checked_stream(stream)?;
        let settings = &self.settings;
        if events.len() > settings.batch_max as usize {
            return Err(StreamError::BatchTooLarge {
                events: events.len(),
                max: settings.batch_max as usize,
            });
        }
        events
            .iter()
            .try_for_each(|event| event.check(settings.event_bytes_max as usize))?;
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
        self.wake(
            stream,
            fresh
                .iter()
                .map(|event| event.partition())
                .collect::<HashSet<_>>(),
        );
        let stored = fresh.len() as u32;
        Ok(Published {
            stored,
            duplicates: events.len() as u32 - stored,
        })
    }
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

#[derive(Debug, Default, Clone, Copy)]
struct Head {
    head: u64,
    events: u64,
    bytes: u64,
}

/// Appends within the bounds, in two statements whatever the number of events.
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
    let rows: Vec<(i64, i64, i64, i64)> =
        sqlx::query_as("SELECT part, head, events, bytes FROM head WHERE stream = ?")
            .bind(stream)
            .fetch_all(&mut *tx)
            .await?;
    let heads: BTreeMap<i64, Head> = rows
        .into_iter()
        .map(|(part, head, events, bytes)| {
            (
                part,
                Head {
                    head: uint(head),
                    events: uint(events),
                    bytes: uint(bytes),
                },
            )
        })
        .collect();
    let bytes: u64 = events.iter().map(|event| event.data.len() as u64).sum();
    let held_events: u64 = heads.values().map(|head| head.events).sum();
    let held_bytes: u64 = heads.values().map(|head| head.bytes).sum();
    if held_events + events.len() as u64 > settings.events_max
        || held_bytes + bytes > settings.kib_max.saturating_mul(1024)
    {
        return Err(StreamError::Full);
    }

    let mut touched: BTreeMap<i64, Head> = BTreeMap::new();
    let mut insert = QueryBuilder::<Engine>::new(concat!(
        "INSERT INTO event (stream, part, ",
        event_columns!(),
        ") "
    ));
    insert.push_values(events, |mut row, event| {
        let part = i64::from(event.partition().number());
        let head = touched
            .entry(part)
            .or_insert_with(|| heads.get(&part).copied().unwrap_or_default());
        head.head += 1;
        head.events += 1;
        head.bytes += event.data.len() as u64;
        row.push_bind(stream)
            .push_bind(part)
            .push_bind(int(head.head))
            .push_bind(int(now_ms));
        row.push_bind(&event.id)
            .push_bind(&event.source)
            .push_bind(&event.kind)
            .push_bind(&event.key);
        row.push_bind(event.subject.as_deref())
            .push_bind(int(event.time_ms));
        row.push_bind(event.traceparent.as_deref())
            .push_bind(event.tenant.as_deref())
            .push_bind(&event.data);
    });
    // A statement a batch size: only the common one is worth keeping prepared.
    insert
        .build()
        .persistent(events.len() == 1)
        .execute(&mut *tx)
        .await?;

    let mut update = QueryBuilder::<Engine>::new("INSERT INTO head (stream, part, head, events, bytes) ");
    update.push_values(&touched, |mut row, (part, head)| {
        row.push_bind(stream).push_bind(*part).push_bind(int(head.head));
        row.push_bind(int(head.events)).push_bind(int(head.bytes));
    });
    update.push(
        " ON CONFLICT (stream, part) DO UPDATE SET head = excluded.head, events = excluded.events, bytes = excluded.bytes",
    );
    update.build().execute(tx).await?;
    Ok(())
}

pub(super) fn part(partition: Partition) -> i64 {
    i64::from(partition.number())
}
