//! Statements about counts, and about what may be forgotten.

use sql::SqliteConnection;

use super::{ClickBatch, StoreError};
use crate::store::stored::integer;

/// The sums as one JSON text `[[tenant, link id, count, last], ..]`: one statement for any number of links, where
/// each statement costs a hop to SQLite's thread and back.
fn sums(batch: &ClickBatch) -> String {
    let sums: Vec<(&str, u64, u64, u64)> = batch
        .links
        .iter()
        .map(|sum| {
            (
                sum.tenant.as_str(),
                sum.link_id.as_u64(),
                sum.count,
                sum.last_at_ms,
            )
        })
        .collect();
    serde_json::to_string(&sums).expect("strings and numbers are always JSON")
}

pub(super) async fn add(tx: &mut SqliteConnection, batch: &ClickBatch) -> Result<bool, StoreError> {
    let fresh = sqlx::query(
        "INSERT INTO applied_events (event_id, applied_at_ms) VALUES (?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(&batch.event_id)
    .bind(integer(batch.counted_at_ms)?)
    .execute(&mut *tx)
    .await?;
    if fresh.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(
        "UPDATE link_clicks SET clicks = link_clicks.clicks + s.clicks, \
                last_at_ms = max(coalesce(link_clicks.last_at_ms, 0), s.last_at_ms) \
         FROM (SELECT value ->> 0 AS tenant, value ->> 1 AS link_id, sum(value ->> 2) AS clicks, \
                      max(value ->> 3) AS last_at_ms FROM json_each(?) GROUP BY 1, 2) AS s \
         WHERE link_clicks.tenant = s.tenant AND link_clicks.link_id = s.link_id",
    )
    .bind(sums(batch))
    .execute(&mut *tx)
    .await?;
    Ok(true)
}

pub(super) async fn collect_garbage(
    tx: &mut SqliteConnection,
    now_ms: u64,
    events_before_ms: u64,
    rows_max: u32,
) -> Result<u64, StoreError> {
    let records = sqlx::query(
        "DELETE FROM idempotency WHERE (tenant, user, key) IN \
         (SELECT tenant, user, key FROM idempotency WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?)",
    )
    .bind(integer(now_ms)?)
    .bind(i64::from(rows_max))
    .execute(&mut *tx)
    .await?;
    let events = sqlx::query(
        "DELETE FROM applied_events WHERE event_id IN \
         (SELECT event_id FROM applied_events WHERE applied_at_ms < ? ORDER BY applied_at_ms LIMIT ?)",
    )
    .bind(integer(events_before_ms)?)
    .bind(i64::from(rows_max))
    .execute(&mut *tx)
    .await?;
    Ok(records.rows_affected() + events.rows_affected())
}
