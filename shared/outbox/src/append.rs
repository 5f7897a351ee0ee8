//! Appending: in the transaction of the effect.

use sql::{PgConnection, SqlError, SqliteConnection, int};
use sqlx::{Database, Encode, QueryBuilder, Type};
use streams::Event;

use crate::OutboxError;

/// The table for a step of a service's migrations. It never changes: what a database took has a checksum.
pub const OUTBOX_POSTGRES: &str = include_str!("../migrations/outbox.postgres.sql");

/// The table for a step of a service's migrations. It never changes: what a database took has a checksum.
pub const OUTBOX_SQLITE: &str = include_str!("../migrations/outbox.sqlite.sql");

/// Events that one call appends at most.
pub const APPEND_MAX: usize = 100;

/// Bytes of data that an event may have here; less than a stream takes by default, so that none of them is refused there.
pub const DATA_BYTES_MAX: usize = 65_536;

/// Two appends to one aggregate do not run beside each other: the second waits here until the first has committed or rolled
/// back, and only then draws its positions. So of one aggregate, positions rise in the order of commits, and whoever sees a
/// row sees the aggregate's rows before it. In the order of the keys, so that two appends never wait for each other.
const LOCK: &str = "
    SELECT pg_advisory_xact_lock(key) FROM (
        SELECT DISTINCT hashtextextended('outbox/' || current_schema() || '/' || aggregate, 0) AS key
        FROM unnest($1::text[]) AS aggregate ORDER BY key
    ) AS keys";

const INSERT: &str = "
    INSERT INTO outbox (part, aggregate, id, source, kind, subject, time_ms, traceparent, tenant, data) ";

/// Appends the events in their order to the transaction `tx`: they are published if it commits, and only then. An event's key is
/// its aggregate. Make it the last write of the transaction: to the end of it, other appends to the same aggregates wait.
///
/// An id that the outbox has already is refused ([`SqlError::Constraint`]): the effect it belongs to was committed before.
pub async fn append_postgres(tx: &mut PgConnection, events: &[Event]) -> Result<(), OutboxError> {
    check(events)?;
    if events.is_empty() {
        return Ok(());
    }
    let aggregates: Vec<&str> = events.iter().map(|event| event.key.as_str()).collect();
    sqlx::query(LOCK).bind(aggregates).execute(&mut *tx).await?;
    let mut insert = insert_of(events)?;
    insert.build().persistent(events.len() == 1).execute(tx).await?;
    Ok(())
}

/// [`append_postgres`] in an SQLite file. It has one writer at a time, so nobody waits for an aggregate.
pub async fn append_sqlite(tx: &mut SqliteConnection, events: &[Event]) -> Result<(), OutboxError> {
    check(events)?;
    if events.is_empty() {
        return Ok(());
    }
    let mut insert = insert_of(events)?;
    insert.build().persistent(events.len() == 1).execute(tx).await?;
    Ok(())
}

fn check(events: &[Event]) -> Result<(), OutboxError> {
    if events.len() > APPEND_MAX {
        let events = events.len();
        return Err(OutboxError::TooMany { events });
    }
    events.iter().try_for_each(|event| {
        event.check(DATA_BYTES_MAX).map_err(|error| OutboxError::Event {
            id: event.id.clone(),
            error,
        })
    })
}

/// One statement, whose rows draw their positions in their order.
fn insert_of<DB: Database>(events: &[Event]) -> Result<QueryBuilder<DB>, SqlError>
where
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> i16: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> Option<String>: Encode<'q, DB> + Type<DB>,
{
    let times: Vec<i64> = events
        .iter()
        .map(|event| int(event.time_ms))
        .collect::<Result<_, _>>()?;
    let mut insert = QueryBuilder::<DB>::new(INSERT);
    insert.push_values(events.iter().zip(times), |mut row, (event, time_ms)| {
        row.push_bind(i16::from(event.partition().number()))
            .push_bind(event.key.clone());
        row.push_bind(event.id.clone()).push_bind(event.source.clone());
        row.push_bind(event.kind.clone()).push_bind(event.subject.clone());
        row.push_bind(time_ms).push_bind(event.traceparent.clone());
        row.push_bind(event.tenant.clone()).push_bind(event.data.clone());
    });
    Ok(insert)
}
