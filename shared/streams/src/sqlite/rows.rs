//! Rows to values and back.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{Event, Position, Stored};

/// The columns of an event, in the order that [`stored`] and the inserts keep to.
macro_rules! event_columns {
    () => {
        "position, published_ms, id, source, type, key, subject, time_ms, traceparent, tenant, data"
    };
}
pub(super) use event_columns;

/// SQLite's integers are signed; what does not fit is refused before it gets here.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(super) fn stored(row: &SqliteRow) -> Result<Stored, sqlx::Error> {
    Ok(Stored {
        position: Position(uint(row.try_get("position")?)),
        published_ms: uint(row.try_get("published_ms")?),
        event: event(row)?,
    })
}

pub(super) fn event(row: &SqliteRow) -> Result<Event, sqlx::Error> {
    Ok(Event {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        kind: row.try_get("type")?,
        key: row.try_get("key")?,
        subject: row.try_get("subject")?,
        time_ms: uint(row.try_get("time_ms")?),
        traceparent: row.try_get("traceparent")?,
        tenant: row.try_get("tenant")?,
        data: row.try_get("data")?,
    })
}
