//! The table in PostgreSQL.

use leases::{Leadership, guard_postgres};
use sql::{Postgres, int, scoped};

use super::{COUNTED_MAX, Read, SWEEP_MAX, WAITING};
use crate::OutboxError;

const UNPUBLISHED: &str = "
    SELECT position, aggregate, id, source, kind, subject, time_ms, traceparent, tenant, data FROM outbox
    WHERE part = $1 AND published_ms IS NULL AND aggregate <> ALL($3)
    ORDER BY position LIMIT $2";

const MARK: &str = "UPDATE outbox SET published_ms = $2 WHERE position = ANY($1) AND published_ms IS NULL";

const SWEEP: &str = "
    DELETE FROM outbox WHERE position IN (
        SELECT position FROM outbox WHERE part = $1 AND published_ms < $2 ORDER BY published_ms LIMIT $3)";

pub(super) async fn unpublished(
    sql: &Postgres,
    part: i16,
    limit: i64,
    blocked: &[String],
) -> Result<Vec<Read>, OutboxError> {
    sql.read("outbox_unpublished", |conn| {
        scoped(async move {
            let read = sqlx::query_as(UNPUBLISHED).bind(part).bind(limit).bind(blocked);
            Ok(read.fetch_all(conn).await?)
        })
    })
    .await
}

pub(super) async fn mark(
    sql: &Postgres,
    leadership: &Leadership,
    positions: &[i64],
    now_ms: u64,
) -> Result<(), OutboxError> {
    let now = int(now_ms)?;
    sql.write("outbox_mark", |tx| {
        scoped(async move {
            sqlx::query(MARK)
                .bind(positions)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            Ok(guard_postgres(tx, leadership, now_ms).await?)
        })
    })
    .await
}

pub(super) async fn sweep(
    sql: &Postgres,
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
            guard_postgres(tx, leadership, now_ms).await?;
            Ok(swept)
        })
    })
    .await
}

pub(super) async fn waiting(sql: &Postgres) -> Result<Vec<(i64, Option<i64>)>, OutboxError> {
    sql.read("outbox_waiting", |conn| {
        scoped(async move { Ok(sqlx::query_as(WAITING).bind(COUNTED_MAX).fetch_all(conn).await?) })
    })
    .await
}
