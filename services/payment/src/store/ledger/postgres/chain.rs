//! Heads, links and their rows; seals.

use std::collections::HashMap;

use ids::Id;
use sql::Postgres;

use super::rows::{self, JournalRow, TenantEntryRow};
use crate::ledger::{ChainHead, Link, LinkRow, Posting};
use crate::store::StoreError;

pub(super) async fn seal(sql: &Postgres, at_ms: u64) -> Result<(), StoreError> {
    let at_ms = super::time(at_ms);
    let sealed = sql.call("seal_ledger", |conn| {
        sql::scoped(async move {
            sqlx::query("SELECT ledger_seal($1)")
                .bind(at_ms)
                .execute(conn)
                .await
                .map(drop)
        })
    });
    Ok(sealed.await?)
}

pub(super) async fn heads(sql: &Postgres) -> Result<Vec<ChainHead>, StoreError> {
    let found: Vec<(i16, i64, Vec<u8>, i64, i64)> = sql
        .read("list_chain_heads", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(
                    "SELECT shard, link, hash, at_ms, sealed_ms FROM chain_head ORDER BY shard",
                );
                Ok::<_, StoreError>(query.fetch_all(conn).await?)
            })
        })
        .await?;
    let head = |(shard, link, hash, at_ms, sealed_ms): (i16, i64, Vec<u8>, i64, i64)| {
        Ok(ChainHead {
            shard,
            link,
            hash: rows::hash(&hash)?,
            at_ms: sql::uint(at_ms)?,
            sealed_ms: sql::uint(sealed_ms)?,
        })
    };
    found.into_iter().map(head).collect()
}

/// Link, time, previous hash, digests, hash.
type LinkColumns = (i64, i64, Vec<u8>, Vec<u8>, Vec<u8>);

pub(super) async fn links(
    sql: &Postgres,
    shard: i16,
    after: i64,
    limit: u32,
) -> Result<Vec<Link>, StoreError> {
    let found: Vec<LinkColumns> = sql
        .read("list_chain_links", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(
                    "SELECT link, at_ms, prev_hash, digests, hash FROM chain_link
                     WHERE shard = $1 AND link > $2 ORDER BY link LIMIT $3",
                );
                let query = query.bind(shard).bind(after).bind(i64::from(limit));
                Ok::<_, StoreError>(query.fetch_all(conn).await?)
            })
        })
        .await?;
    let link = |(link, at_ms, prev_hash, digests, hash): LinkColumns| {
        Ok(Link {
            shard,
            link,
            at_ms: sql::uint(at_ms)?,
            prev_hash: rows::hash(&prev_hash)?,
            digests: digests.chunks(32).map(rows::hash).collect::<Result<_, _>>()?,
            hash: rows::hash(&hash)?,
        })
    };
    found.into_iter().map(link).collect()
}

pub(super) async fn rows(sql: &Postgres, shard: i16, link: i64) -> Result<Vec<LinkRow>, StoreError> {
    type Journals = Vec<(i32, String, i64, i16, i64, Option<i64>, Option<i64>, String)>;
    let (journals, entries): (Journals, Vec<TenantEntryRow>) = sql
        .read("read_chain_link", |conn| {
            sql::scoped(async move {
                let journals = sqlx::query_as(
                    "SELECT ord, tenant, id, kind, at_ms, hold_id, refers_to, details FROM journal
                     WHERE shard = $1 AND link = $2 ORDER BY ord",
                );
                let journals = journals.bind(shard).bind(link).fetch_all(&mut *conn).await?;
                let entries = sqlx::query_as(
                    "SELECT e.tenant, e.account_id, e.part, e.seq, e.journal_id, e.line, e.direction, e.amount,
                       e.currency, e.balance_after, e.at_ms
                     FROM journal j
                     CROSS JOIN LATERAL (
                       SELECT * FROM entry WHERE journal_id = j.id AND tenant = j.tenant OFFSET 0) e
                     WHERE j.shard = $1 AND j.link = $2 ORDER BY j.ord, e.line",
                );
                let entries = entries.bind(shard).bind(link).fetch_all(conn).await?;
                Ok::<_, StoreError>((journals, entries))
            })
        })
        .await?;
    let mut link_rows = Vec::with_capacity(journals.len());
    let mut place: HashMap<(String, Id), usize> = HashMap::with_capacity(journals.len());
    for (ord, tenant, id, kind, at_ms, hold_id, refers_to, details) in journals {
        let row: JournalRow = (tenant.clone(), id, kind, at_ms, hold_id, refers_to, details, 0);
        place.insert((tenant, rows::id(id)?), link_rows.len());
        link_rows.push(LinkRow {
            ord,
            journal: rows::journal(row)?,
            entries: Vec::new(),
        });
    }
    for row in entries {
        let (tenant, entry) = rows::tenant_entry(row)?;
        let at = place
            .get(&(tenant, entry.journal_id))
            .ok_or(StoreError::Damaged("an entry of no row of the journal"))?;
        let row = &mut link_rows[*at];
        row.journal.postings.push(Posting {
            account_id: entry.account_id,
            direction: entry.direction,
            amount: entry.amount,
            currency: entry.currency,
        });
        row.entries.push(entry);
    }
    Ok(link_rows)
}
