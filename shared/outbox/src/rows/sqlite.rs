//! The table in an SQLite file.

use leases::{Leadership, guard_sqlite};
use serde::Serialize;
use sql::{SqlError, Sqlite, int, scoped};

use super::{COUNTED_MAX, Read, SWEEP_MAX, WAITING};
use crate::OutboxError;

const UNPUBLISHED: &str = "
    SELECT position, aggregate, id, source, kind, subject, time_ms, traceparent, tenant, data FROM outbox
    WHERE part = $1 AND published_ms IS NULL AND aggregate NOT IN (SELECT value FROM json_each($3))
    ORDER BY position LIMIT $2";

const MARK: &str = "
    UPDATE outbox SET published_ms = $2
    WHERE position IN (SELECT value FROM json_each($1)) AND published_ms IS NULL";

const SWEEP: &str = "
    DELETE FROM outbox WHERE position IN (
        SELECT position FROM outbox WHERE part = $1 AND published_ms < $2 ORDER BY published_ms LIMIT $3)";

fn json<T: Serialize>(list: &[T]) -> Result<String, SqlError> {
    serde_json::to_string(list).map_err(|error| SqlError::Unexpected(error.to_string()))
}

pub(super) async fn unpublished(
    sql: &Sqlite,
    part: i16,
    limit: i64,
    blocked: &[String],
) -> Result<Vec<Read>, OutboxError> {
    let blocked = json(blocked)?;
    sql.read("outbox_unpublished", |conn| {
        scoped(async move {
            let read = sqlx::query_as(UNPUBLISHED).bind(part).bind(limit).bind(blocked);
            Ok(read.fetch_all(conn).await?)
        })
    })
    .await
}

pub(super) async fn mark(
    sql: &Sqlite,
    leadership: &Leadership,
    positions: &[i64],
    now_ms: u64,
) -> Result<(), OutboxError> {
    let (positions, now) = (json(positions)?, int(now_ms)?);
    sql.write("outbox_mark", |tx| {
        scoped(async move {
            sqlx::query(MARK)
                .bind(positions)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            Ok(guard_sqlite(tx, leadership, now_ms).await?)
        })
    })
    .await
}

pub(super) async fn sweep(
    sql: &Sqlite,
    leadership: &Leadership,
    part: i16,
    before_ms: u64,
    now_ms: u64,
) -> Result<u64, OutboxError> {
    let before = int(before_ms)?;
    sql.write("outbox_sweep", |tx| {
        scoped(async move {
            let sweep = sqlx::query(SWEEP).bind(part).bind(before).bind(SWEEP_MAX);
            let swept = sweep.execute(&mut *tx).await?.rows_affected();
            guard_sqlite(tx, leadership, now_ms).await?;
            Ok(swept)
        })
    })
    .await
}

pub(super) async fn waiting(sql: &Sqlite) -> Result<Vec<(i64, Option<i64>)>, OutboxError> {
    sql.read("outbox_waiting", |conn| {
        scoped(async move { Ok(sqlx::query_as(WAITING).bind(COUNTED_MAX).fetch_all(conn).await?) })
    })
    .await
}
