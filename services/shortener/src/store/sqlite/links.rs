//! Statements about links.

use idempotency::Fingerprint;
use identity::Tenant;
use ids::Id;
use sql::SqliteConnection;
use sqlx::Row as _;

use super::rows;
use super::{Created, NewLink, NewRecord, Record, RecordScope, StoreError};
use crate::link::{Code, CountedLink, Link};
use crate::store::stored;

/// All of a link, in the order in which a row is read.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT l.code, l.id, l.tenant, l.url, l.redirect_status = 301, l.expires_at_ms, l.tags, ",
            "l.created_at_ms, l.updated_at_ms, l.revision, l.details",
            $rest
        )
    };
}

const RESOLVE: &str = select!(" FROM links l WHERE l.code = ?");

const FIND: &str = select!(
    ", c.clicks, c.last_at_ms FROM links l \
     LEFT JOIN link_clicks c ON c.tenant = l.tenant AND c.link_id = l.id \
     WHERE l.code = ? AND l.tenant = ?"
);

const LIST: &str = select!(
    ", c.clicks, c.last_at_ms FROM links_by_tenant t \
     JOIN links l ON l.code = t.code AND l.tenant = t.tenant \
     LEFT JOIN link_clicks c ON c.tenant = t.tenant AND c.link_id = t.id \
     WHERE t.tenant = ? AND t.id <= ? ORDER BY t.id DESC LIMIT ?"
);

const INSERT: &str = "INSERT INTO links (code, id, tenant, url, redirect_status, expires_at_ms, tags, created_at_ms, \
                      updated_at_ms, revision, details) VALUES (?, ?, ?, ?, iif(?, 301, 302), ?, ?, ?, ?, ?, ?) \
                      ON CONFLICT (code) DO NOTHING";

const REPLACE: &str = "UPDATE links SET url = ?, redirect_status = iif(?, 301, 302), expires_at_ms = ?, tags = ?, \
                       updated_at_ms = ?, revision = ?, details = ? \
                       WHERE code = ? AND tenant = ? AND id = ? AND revision = ?";

pub(super) async fn create(
    tx: &mut SqliteConnection,
    link: &Link,
    record: Option<&NewRecord>,
) -> Result<Created, StoreError> {
    if let Some(record) = record
        && let Some(before) = recall(tx, &record.scope, record.asked_at_ms).await?
    {
        return Ok(Created::Before(Box::new(before)));
    }
    if !insert(tx, link).await? {
        return Ok(Created::Taken);
    }
    if let Some(record) = record {
        // Only an expired record can be in the way now: this transaction is the one writer.
        sqlx::query(
            "INSERT OR REPLACE INTO idempotency (tenant, user, key, fingerprint, answer, expires_at_ms) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(record.scope.tenant.as_str())
        .bind(record.scope.user.as_str())
        .bind(record.scope.key.as_str())
        .bind(&record.fingerprint.as_bytes()[..])
        .bind(stored::answer_json(link))
        .bind(stored::integer(record.expires_at_ms)?)
        .execute(&mut *tx)
        .await?;
    }
    Ok(Created::Now)
}

/// What goes wrong with the file goes wrong with all of them.
pub(super) async fn create_many(
    tx: &mut SqliteConnection,
    links: &[NewLink],
) -> Result<Vec<Created>, StoreError> {
    let mut outcomes = Vec::with_capacity(links.len());
    for new in links {
        outcomes.push(create(tx, &new.link, new.record.as_ref()).await?);
    }
    Ok(outcomes)
}

/// `false` when the code is another link's; nothing is written then.
async fn insert(tx: &mut SqliteConnection, link: &Link) -> Result<bool, StoreError> {
    let inserted = sqlx::query(INSERT)
        .bind(link.code.as_str())
        .bind(stored::integer(link.id.as_u64())?)
        .bind(link.tenant.as_str())
        .bind(link.target.as_str())
        .bind(link.lifetime.is_permanent())
        .bind(link.lifetime.expires_at_ms().map(stored::integer).transpose()?)
        .bind(stored::tags_json(&link.tags))
        .bind(stored::integer(link.created_at_ms)?)
        .bind(stored::integer(link.updated_at_ms)?)
        .bind(stored::integer(link.revision)?)
        .bind(stored::details_json(link))
        .execute(&mut *tx)
        .await?;
    if inserted.rows_affected() == 0 {
        // The same link again: a create whose answer was not seen.
        let same = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM links WHERE code = ? AND id = ?)")
            .bind(link.code.as_str())
            .bind(stored::integer(link.id.as_u64())?)
            .fetch_one(&mut *tx);
        return Ok(same.await?);
    }
    sqlx::query("INSERT INTO links_by_tenant (tenant, id, code) VALUES (?, ?, ?)")
        .bind(link.tenant.as_str())
        .bind(stored::integer(link.id.as_u64())?)
        .bind(link.code.as_str())
        .execute(&mut *tx)
        .await?;
    // The row of counts is there from the start: counting is an update, and late clicks of a deleted link vanish.
    sqlx::query("INSERT INTO link_clicks (tenant, link_id, clicks) VALUES (?, ?, 0)")
        .bind(link.tenant.as_str())
        .bind(stored::integer(link.id.as_u64())?)
        .execute(&mut *tx)
        .await?;
    Ok(true)
}

pub(super) async fn recall(
    conn: &mut SqliteConnection,
    scope: &RecordScope,
    now_ms: u64,
) -> Result<Option<Record>, StoreError> {
    let row = sqlx::query(
        "SELECT fingerprint, answer FROM idempotency \
         WHERE tenant = ? AND user = ? AND key = ? AND expires_at_ms > ?",
    )
    .bind(scope.tenant.as_str())
    .bind(scope.user.as_str())
    .bind(scope.key.as_str())
    .bind(stored::integer(now_ms)?)
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let fingerprint = Fingerprint::from_bytes(row.try_get(0)?)
        .ok_or_else(|| StoreError::Corrupt("a stored fingerprint has another length".to_owned()))?;
    let link = stored::read_answer(row.try_get(1)?, &scope.tenant)?;
    Ok(Some(Record { fingerprint, link }))
}

pub(super) async fn resolve(conn: &mut SqliteConnection, code: &Code) -> Result<Option<Link>, StoreError> {
    let row = sqlx::query(RESOLVE)
        .bind(code.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(rows::link).transpose()
}

pub(super) async fn find(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    code: &Code,
) -> Result<Option<CountedLink>, StoreError> {
    let row = sqlx::query(FIND)
        .bind(code.as_str())
        .bind(tenant.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(rows::counted).transpose()
}

pub(super) async fn list(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    before: Option<Id>,
    limit: u32,
) -> Result<Vec<CountedLink>, StoreError> {
    let newest = match before {
        Some(id) => stored::integer(id.as_u64())? - 1,
        None => i64::MAX,
    };
    let rows = sqlx::query(LIST)
        .bind(tenant.as_str())
        .bind(newest)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?;
    rows.iter().map(rows::counted).collect()
}

pub(super) async fn replace(tx: &mut SqliteConnection, link: &Link) -> Result<bool, StoreError> {
    let replaced = sqlx::query(REPLACE)
        .bind(link.target.as_str())
        .bind(link.lifetime.is_permanent())
        .bind(link.lifetime.expires_at_ms().map(stored::integer).transpose()?)
        .bind(stored::tags_json(&link.tags))
        .bind(stored::integer(link.updated_at_ms)?)
        .bind(stored::integer(link.revision)?)
        .bind(stored::details_json(link))
        .bind(link.code.as_str())
        .bind(link.tenant.as_str())
        .bind(stored::integer(link.id.as_u64())?)
        .bind(stored::integer(link.revision)? - 1)
        .execute(&mut *tx)
        .await?;
    Ok(replaced.rows_affected() == 1)
}

pub(super) async fn delete(
    tx: &mut SqliteConnection,
    tenant: &Tenant,
    code: &Code,
) -> Result<bool, StoreError> {
    let id: Option<i64> = sqlx::query_scalar("DELETE FROM links WHERE code = ? AND tenant = ? RETURNING id")
        .bind(code.as_str())
        .bind(tenant.as_str())
        .fetch_optional(&mut *tx)
        .await?;
    let Some(id) = id else { return Ok(false) };
    for statement in [
        "DELETE FROM links_by_tenant WHERE tenant = ? AND id = ?",
        "DELETE FROM link_clicks WHERE tenant = ? AND link_id = ?",
        "DELETE FROM statistics_pages WHERE tenant = ? AND link_id = ?",
    ] {
        sqlx::query(statement)
            .bind(tenant.as_str())
            .bind(id)
            .execute(&mut *tx)
            .await?;
    }
    Ok(true)
}
