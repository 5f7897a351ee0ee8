//! Reads. Each is one statement, or of rows that never change, so none needs a transaction.

use std::collections::BTreeSet;
use std::ops::Range;

use identity::Tenant;
use ids::Id;
use sql::SqliteConnection;

use super::{EntryCursor, StoreError, load, rows, statements};
use crate::ledger::{ChainHead, Entry, Hold, Journal, Link, LinkRow, PartBalance, Posting, RowSummary};

pub(super) async fn journal(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    id: Id,
) -> Result<Option<Journal>, StoreError> {
    let key = (tenant.clone(), id);
    let mut found = load::journals(conn, &BTreeSet::from([key.clone()])).await?;
    Ok(found.remove(&key))
}

pub(super) async fn hold(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    id: Id,
) -> Result<Option<Hold>, StoreError> {
    let row: Option<rows::HoldRow> = sqlx::query_as(statements::HOLDS)
        .bind(rows::grouped([&(tenant.clone(), id)]))
        .fetch_optional(conn)
        .await?;
    row.map(rows::hold).transpose()
}

pub(super) async fn holds(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    account: Option<Id>,
    after: Option<Id>,
    limit: u32,
) -> Result<Vec<Hold>, StoreError> {
    let statement = match account {
        Some(_) => statements::HOLDS_OF_ACCOUNT,
        None => statements::HOLDS_OF_TENANT,
    };
    let mut query = sqlx::query_as(statement)
        .bind(tenant.as_str())
        .bind(after.map_or(Ok(0), rows::int)?)
        .bind(i64::from(limit));
    if let Some(account) = account {
        query = query.bind(rows::int(account)?);
    }
    let found: Vec<rows::HoldRow> = query.fetch_all(conn).await?;
    found.into_iter().map(rows::hold).collect()
}

pub(super) async fn latest_holds(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    account: Id,
    before: Option<Id>,
    limit: u32,
) -> Result<Vec<Hold>, StoreError> {
    let found: Vec<rows::HoldRow> = sqlx::query_as(statements::LATEST_HOLDS)
        .bind(tenant.as_str())
        .bind(before.map_or(Ok(i64::MAX), |id| rows::int(id).map(|id| id - 1))?)
        .bind(i64::from(limit))
        .bind(rows::int(account)?)
        .fetch_all(conn)
        .await?;
    found.into_iter().map(rows::hold).collect()
}

pub(super) async fn overdue_holds(
    conn: &mut SqliteConnection,
    now_ms: u64,
    limit: u32,
) -> Result<Vec<(Tenant, Id)>, StoreError> {
    let found: Vec<(String, i64)> = sqlx::query_as(statements::OVERDUE_HOLDS)
        .bind(sql::int(now_ms)?)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?;
    let key = |(tenant, id): (String, i64)| Ok((rows::tenant(&tenant)?, rows::id(id)?));
    found.into_iter().map(key).collect()
}

pub(super) async fn balance(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    account: Id,
) -> Result<Vec<PartBalance>, StoreError> {
    let found: Vec<rows::BalanceRow> = sqlx::query_as(statements::BALANCE)
        .bind(tenant.as_str())
        .bind(rows::int(account)?)
        .fetch_all(conn)
        .await?;
    found.into_iter().map(rows::balance).collect()
}

pub(super) async fn balance_as_of(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    account: Id,
    at_ms: u64,
) -> Result<Vec<PartBalance>, StoreError> {
    let found: Vec<rows::BalanceRow> = sqlx::query_as(statements::BALANCE_AS_OF)
        .bind(tenant.as_str())
        .bind(rows::int(account)?)
        .bind(sql::int(at_ms)?)
        .fetch_all(conn)
        .await?;
    found.into_iter().map(rows::balance).collect()
}

pub(super) async fn is_sealed(conn: &mut SqliteConnection, at_ms: u64) -> Result<bool, StoreError> {
    let open: i64 = sqlx::query_scalar(statements::UNSEALED)
        .bind(sql::int(at_ms)?)
        .fetch_one(conn)
        .await?;
    Ok(open == 0)
}

pub(super) async fn entries(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    account: Id,
    range: Range<u64>,
    after: Option<EntryCursor>,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    // A cursor before the range begins with the range.
    let after = after.filter(|cursor| cursor.at_ms >= range.start);
    let (at_ms, part, seq) = after.map_or((range.start, -1, 0), |cursor| {
        (cursor.at_ms, i64::from(cursor.part), cursor.seq)
    });
    let until_ms = i64::try_from(range.end).unwrap_or(i64::MAX);
    let found: Vec<rows::EntryRow> = sqlx::query_as(statements::ENTRIES)
        .bind(tenant.as_str())
        .bind(rows::int(account)?)
        .bind(i64::try_from(at_ms).unwrap_or(i64::MAX))
        .bind(part)
        .bind(seq)
        .bind(until_ms)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?;
    found.into_iter().map(rows::entry).collect()
}

pub(super) async fn latest_entries(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    account: Id,
    before: Option<EntryCursor>,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let (at_ms, part, seq) = before.map_or((0, -1, 0), |cursor| {
        (cursor.at_ms, i64::from(cursor.part), cursor.seq)
    });
    let found: Vec<rows::EntryRow> = sqlx::query_as(statements::LATEST_ENTRIES)
        .bind(tenant.as_str())
        .bind(rows::int(account)?)
        .bind(i64::try_from(at_ms).unwrap_or(i64::MAX))
        .bind(part)
        .bind(seq)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?;
    found.into_iter().map(rows::entry).collect()
}

pub(super) async fn row_summaries(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    account: Id,
    journals: &[Id],
) -> Result<Vec<RowSummary>, StoreError> {
    let asked: Vec<u64> = journals.iter().copied().map(Id::as_u64).collect();
    let found: Vec<(i64, i64, String, Option<i64>)> = sqlx::query_as(statements::ROW_SUMMARIES)
        .bind(tenant.as_str())
        .bind(rows::int(account)?)
        .bind(rows::json(&asked))
        .fetch_all(conn)
        .await?;
    found.into_iter().map(rows::row_summary).collect()
}

pub(super) async fn chain_heads(conn: &mut SqliteConnection) -> Result<Vec<ChainHead>, StoreError> {
    let found: Vec<(i16, i64, Vec<u8>, i64, i64)> = sqlx::query_as(statements::HEADS).fetch_all(conn).await?;
    let head = |(shard, link, hash, at_ms, sealed_ms)| {
        Ok(ChainHead {
            shard,
            link,
            hash: rows::hash(hash)?,
            at_ms: sql::uint(at_ms)?,
            sealed_ms: sql::uint(sealed_ms)?,
        })
    };
    found.into_iter().map(head).collect()
}

/// Shard, link, time, hash before, digests, hash.
type StoredLinkRow = (i16, i64, i64, Vec<u8>, Vec<u8>, Vec<u8>);

pub(super) async fn links(
    conn: &mut SqliteConnection,
    shard: i16,
    after: i64,
    limit: u32,
) -> Result<Vec<Link>, StoreError> {
    let found: Vec<StoredLinkRow> = sqlx::query_as(statements::LINKS)
        .bind(shard)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?;
    let link = |(shard, link, at_ms, prev_hash, digests, hash): StoredLinkRow| {
        let (digests, rest) = digests.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(StoreError::Damaged("a link with half a digest"));
        }
        Ok(Link {
            shard,
            link,
            at_ms: sql::uint(at_ms)?,
            prev_hash: rows::hash(prev_hash)?,
            digests: digests.to_vec(),
            hash: rows::hash(hash)?,
        })
    };
    found.into_iter().map(link).collect()
}

type LinkEntryRow = (String, i64, i64, i64, i64, i64, i64, i64, String, i64, i64, i64);

pub(super) async fn link_rows(
    conn: &mut SqliteConnection,
    shard: i16,
    link: i64,
) -> Result<Vec<LinkRow>, StoreError> {
    let journals: Vec<rows::JournalRow> = sqlx::query_as(statements::LINK_JOURNALS)
        .bind(shard)
        .bind(link)
        .fetch_all(&mut *conn)
        .await?;
    let mut found = Vec::with_capacity(journals.len());
    for (place, row) in journals.into_iter().enumerate() {
        found.push(LinkRow {
            ord: i32::try_from(place).map_err(|_| StoreError::Damaged("a link past its size"))?,
            journal: rows::journal(row)?,
            entries: Vec::new(),
        });
    }
    let entries: Vec<LinkEntryRow> = sqlx::query_as(statements::LINK_ENTRIES)
        .bind(shard)
        .bind(link)
        .fetch_all(conn)
        .await?;
    for (tenant, account, part, seq, journal, line, side, amount, currency, after, at_ms, ord) in entries {
        let entry = rows::entry((
            tenant, account, part, seq, journal, line, side, amount, currency, after, at_ms,
        ))?;
        let row = usize::try_from(ord).ok().and_then(|place| found.get_mut(place));
        let row = row.ok_or(StoreError::Damaged("a link whose rows are not numbered"))?;
        row.journal.postings.push(Posting {
            account_id: entry.account_id,
            direction: entry.direction,
            amount: entry.amount,
            currency: entry.currency,
        });
        row.entries.push(entry);
    }
    Ok(found)
}
