//! Statements about the code space.

use std::ops::Range;

use sql::SqliteConnection;

use super::StoreError;
use crate::store::stored::{integer, natural};

pub(super) async fn lease(
    tx: &mut SqliteConnection,
    count: u64,
    ceiling: u64,
) -> Result<Range<u64>, StoreError> {
    let end: Option<i64> = sqlx::query_scalar(
        "UPDATE code_space SET next_counter = next_counter + ?1 \
         WHERE id = 1 AND next_counter + ?1 <= ?2 RETURNING next_counter",
    )
    .bind(integer(count)?)
    .bind(integer(ceiling)?)
    .fetch_optional(&mut *tx)
    .await?;
    let end = natural(end.ok_or(StoreError::CodesExhausted)?)?;
    Ok(end - count..end)
}

pub(super) async fn fingerprint(conn: &mut SqliteConnection) -> Result<Option<String>, StoreError> {
    let query = sqlx::query_scalar("SELECT key_fingerprint FROM code_space WHERE id = 1");
    Ok(query.fetch_one(conn).await?)
}

pub(super) async fn pin(tx: &mut SqliteConnection, fingerprint: &str) -> Result<String, StoreError> {
    let query = sqlx::query_scalar(
        "UPDATE code_space SET key_fingerprint = coalesce(key_fingerprint, ?) \
         WHERE id = 1 RETURNING key_fingerprint",
    );
    Ok(query.bind(fingerprint).fetch_one(&mut *tx).await?)
}
