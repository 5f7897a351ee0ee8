//! Reads. None of them locks anything.

use std::ops::Range;

use identity::Tenant;
use ids::Id;
use sql::Postgres;

use super::rows::{self, EntryRow, HoldRow, JournalRow};
use super::{column, time};
use crate::ledger::{Command, Entry, Hold, Journal, PartBalance, Posting, RowSummary, TrialBalanceLine};
use crate::store::StoreError;
use crate::store::ledger::EntryCursor;

/// Rows of the journal by id, with their postings, in the order asked for; what is not there is left out.
pub(super) async fn journals(sql: &Postgres, keys: &[(&Tenant, Id)]) -> Result<Vec<Journal>, StoreError> {
    type Line = (i64, i64, i16, i64, String);
    type Found = (i64, String, i64, i16, i64, Option<i64>, Option<i64>, String, i64);
    let (tenants, ids) = columns(keys);
    let (tenants, ids) = (&tenants, &ids);
    let (found, lines): (Vec<Found>, Vec<Line>) = sql
        .read("read_journal", |conn| {
            sql::scoped(async move {
                let found = sqlx::query_as(
                    "SELECT x.ord, j.tenant, j.id, j.kind, j.at_ms, j.hold_id, j.refers_to, j.details,
                       coalesce((SELECT amount FROM reversed v WHERE v.tenant = j.tenant AND v.journal_id = j.id), 0)
                     FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS x(tenant, id, ord)
                     CROSS JOIN LATERAL (SELECT * FROM journal WHERE id = x.id AND tenant = x.tenant OFFSET 0) j
                     ORDER BY x.ord",
                );
                let found = found.bind(tenants).bind(ids).fetch_all(&mut *conn).await?;
                let lines = sqlx::query_as(
                    "SELECT x.ord, e.account_id, e.direction, e.amount, e.currency
                     FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS x(tenant, id, ord)
                     CROSS JOIN LATERAL (
                       SELECT * FROM entry WHERE journal_id = x.id AND tenant = x.tenant OFFSET 0) e
                     ORDER BY x.ord, e.line",
                );
                let lines = lines.bind(tenants).bind(ids).fetch_all(conn).await?;
                Ok::<_, StoreError>((found, lines))
            })
        })
        .await?;
    let mut lines = lines.into_iter().peekable();
    let mut journals = Vec::with_capacity(found.len());
    for (ord, tenant, id, kind, at_ms, hold_id, refers_to, details, reversed) in found {
        let row: JournalRow = (tenant, id, kind, at_ms, hold_id, refers_to, details, reversed);
        let mut journal = rows::journal(row)?;
        while let Some(line) = lines.next_if(|line| line.0 <= ord) {
            journal.postings.push(Posting {
                account_id: rows::id(line.1)?,
                direction: rows::direction(line.2)?,
                amount: rows::amount(line.3)?,
                currency: rows::currency(&line.4)?,
            });
        }
        journals.push(journal);
    }
    Ok(journals)
}

/// The keys of these commands that are on record.
pub(super) async fn recorded_keys(
    sql: &Postgres,
    commands: &[&Command],
    now_ms: u64,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let claims = commands.iter().filter_map(|command| command.claim.as_ref());
    let keys: Vec<&[u8]> = claims.map(|claim| claim.key.as_slice()).collect();
    let keys = &keys;
    sql.read("read_claims", |conn| {
        sql::scoped(async move {
            let query = sqlx::query_scalar(
                "SELECT key FROM claim WHERE key = ANY ($1) AND NOT ledger_expired(expires_at_ms, $2)",
            );
            Ok::<_, StoreError>(query.bind(keys).bind(time(now_ms)).fetch_all(conn).await?)
        })
    })
    .await
}

fn columns<'a>(keys: &[(&'a Tenant, Id)]) -> (Vec<&'a str>, Vec<i64>) {
    keys.iter()
        .map(|(tenant, id)| (tenant.as_str(), column(*id)))
        .unzip()
}

/// Holds by id, in the order asked for; what is not there is left out.
pub(super) async fn holds_by_id(sql: &Postgres, keys: &[(&Tenant, Id)]) -> Result<Vec<Hold>, StoreError> {
    let (tenants, ids) = columns(keys);
    let (tenants, ids) = (&tenants, &ids);
    let found: Vec<HoldRow> = sql
        .read("read_holds", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(
                    "SELECT h.tenant, h.id, h.debit_account_id, h.credit_account_id, h.amount, h.currency, h.captured,
                       h.voided, h.state, h.expires_at_ms, h.created_at_ms
                     FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS x(tenant, id, ord)
                     CROSS JOIN LATERAL (SELECT * FROM hold WHERE id = x.id AND tenant = x.tenant OFFSET 0) h
                     ORDER BY x.ord",
                );
                Ok::<_, StoreError>(query.bind(tenants).bind(ids).fetch_all(conn).await?)
            })
        })
        .await?;
    found.iter().map(rows::hold).collect()
}

pub(super) async fn holds(
    sql: &Postgres,
    tenant: &Tenant,
    account: Option<Id>,
    after: Option<Id>,
    limit: u32,
) -> Result<Vec<Hold>, StoreError> {
    // Of one account: the first of either side by their own index, so that a page costs a page.
    let query = match account {
        None => {
            "SELECT tenant, id, debit_account_id, credit_account_id, amount, currency, captured, voided, state,
               expires_at_ms, created_at_ms
             FROM hold WHERE tenant = $1 AND id > $2 AND $4::bigint IS NULL ORDER BY id LIMIT $3"
        }
        Some(_) => {
            "SELECT tenant, id, debit_account_id, credit_account_id, amount, currency, captured, voided, state,
               expires_at_ms, created_at_ms
             FROM (
               (SELECT * FROM hold WHERE tenant = $1 AND id > $2 AND debit_account_id = $4 ORDER BY id LIMIT $3)
               UNION
               (SELECT * FROM hold WHERE tenant = $1 AND id > $2 AND credit_account_id = $4 ORDER BY id LIMIT $3)) h
             ORDER BY id LIMIT $3"
        }
    };
    let found: Vec<HoldRow> = sql
        .read("list_holds", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(query)
                    .bind(tenant.as_str())
                    .bind(after.map_or(0, column))
                    .bind(i64::from(limit))
                    .bind(account.map(column));
                Ok::<_, StoreError>(query.fetch_all(conn).await?)
            })
        })
        .await?;
    found.iter().map(rows::hold).collect()
}

pub(super) async fn latest_holds(
    sql: &Postgres,
    tenant: &Tenant,
    account: Id,
    before: Option<Id>,
    limit: u32,
) -> Result<Vec<Hold>, StoreError> {
    let query = "SELECT tenant, id, debit_account_id, credit_account_id, amount, currency, captured, voided, state,
           expires_at_ms, created_at_ms
         FROM (
           (SELECT * FROM hold WHERE tenant = $1 AND id <= $2 AND debit_account_id = $4 ORDER BY id DESC LIMIT $3)
           UNION
           (SELECT * FROM hold WHERE tenant = $1 AND id <= $2 AND credit_account_id = $4 ORDER BY id DESC LIMIT $3)) h
         ORDER BY id DESC LIMIT $3";
    let found: Vec<HoldRow> = sql
        .read("list_latest_holds", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(query)
                    .bind(tenant.as_str())
                    .bind(before.map_or(i64::MAX, |id| column(id) - 1))
                    .bind(i64::from(limit))
                    .bind(column(account));
                Ok::<_, StoreError>(query.fetch_all(conn).await?)
            })
        })
        .await?;
    found.iter().map(rows::hold).collect()
}

pub(super) async fn overdue_holds(
    sql: &Postgres,
    now_ms: u64,
    limit: u32,
) -> Result<Vec<(Tenant, Id)>, StoreError> {
    let found: Vec<(String, i64)> = sql
        .read("list_overdue_holds", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(
                    "SELECT tenant, id FROM hold WHERE state = 0 AND expires_at_ms <= $1
                     ORDER BY expires_at_ms, tenant, id LIMIT $2",
                );
                let query = query.bind(time(now_ms)).bind(i64::from(limit));
                Ok::<_, StoreError>(query.fetch_all(conn).await?)
            })
        })
        .await?;
    found
        .into_iter()
        .map(|(tenant, id)| Ok((rows::tenant(&tenant)?, rows::id(id)?)))
        .collect()
}

/// Posted, held debits, held credits, entries, time of the last.
type BalanceRow = (i64, i64, i64, i64, i64);

fn part_balance(
    (posted, hold_debits, hold_credits, entries, last): BalanceRow,
) -> Result<PartBalance, StoreError> {
    Ok(PartBalance {
        posted,
        hold_debits,
        hold_credits,
        entries,
        last_at_ms: sql::uint(last)?,
    })
}

pub(super) async fn balance(
    sql: &Postgres,
    tenant: &Tenant,
    account: Id,
) -> Result<Vec<PartBalance>, StoreError> {
    let found: Vec<BalanceRow> = sql
        .read("read_balance", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(
                    "SELECT posted, hold_debits, hold_credits, entries, last_at_ms FROM balance
                     WHERE account_id = $1 AND tenant = $2 ORDER BY part",
                );
                let query = query.bind(column(account)).bind(tenant.as_str());
                Ok::<_, StoreError>(query.fetch_all(conn).await?)
            })
        })
        .await?;
    found.into_iter().map(part_balance).collect()
}

pub(super) async fn balance_as_of(
    sql: &Postgres,
    tenant: &Tenant,
    account: Id,
    at_ms: u64,
) -> Result<Vec<PartBalance>, StoreError> {
    let found: Vec<BalanceRow> = sql
        .read("read_balance_as_of", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(
                    "SELECT coalesce(e.balance_after, 0), 0::bigint, 0::bigint, s.seq, coalesce(e.at_ms, 0)
                     FROM balance b
                     CROSS JOIN LATERAL (SELECT ledger_seq_at(b.tenant, b.account_id, b.part, $3) AS seq OFFSET 0) s
                     LEFT JOIN LATERAL (
                       SELECT balance_after, at_ms FROM entry
                       WHERE account_id = b.account_id AND part = b.part AND seq = s.seq AND tenant = b.tenant OFFSET 0
                     ) e ON TRUE
                     WHERE b.account_id = $1 AND b.tenant = $2 ORDER BY b.part",
                );
                let query = query
                    .bind(column(account))
                    .bind(tenant.as_str())
                    .bind(time(at_ms));
                Ok::<_, StoreError>(query.fetch_all(conn).await?)
            })
        })
        .await?;
    found.into_iter().map(part_balance).collect()
}

/// A cursor as columns hold it: time, part, sequence.
fn place(cursor: EntryCursor) -> (i64, i16, i64) {
    let part = i16::try_from(cursor.part).unwrap_or(i16::MAX);
    (time(cursor.at_ms), part, cursor.seq)
}

pub(super) async fn entries(
    sql: &Postgres,
    tenant: &Tenant,
    account: Id,
    range: Range<u64>,
    after: Option<EntryCursor>,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let cursor = after.map_or((0, -1, 0), place);
    let found: Vec<EntryRow> = sql
        .read("list_entries", |conn| {
            sql::scoped(async move {
                // Where a part begins follows from times by halving; then each gives a page at most.
                let query = sqlx::query_as(
                    "SELECT e.account_id, e.part, e.seq, e.journal_id, e.line, e.direction, e.amount, e.currency,
                       e.balance_after, e.at_ms
                     FROM balance b
                     CROSS JOIN LATERAL (SELECT greatest(
                       ledger_seq_at(b.tenant, b.account_id, b.part, $3 - 1),
                       CASE WHEN $6::smallint < 0 THEN 0
                         WHEN b.part = $6 THEN $7
                         ELSE ledger_seq_at(b.tenant, b.account_id, b.part, $5 - CASE WHEN b.part > $6 THEN 1 ELSE 0 END)
                       END) AS seq OFFSET 0) s
                     CROSS JOIN LATERAL (
                       SELECT * FROM entry
                       WHERE account_id = b.account_id AND part = b.part AND seq > s.seq AND tenant = b.tenant
                       ORDER BY seq LIMIT $8) e
                     WHERE b.account_id = $1 AND b.tenant = $2 AND e.at_ms < $4
                     ORDER BY e.at_ms, e.part, e.seq LIMIT $8",
                );
                let query = query
                    .bind(column(account))
                    .bind(tenant.as_str())
                    .bind(time(range.start))
                    .bind(time(range.end))
                    .bind(cursor.0)
                    .bind(cursor.1)
                    .bind(cursor.2)
                    .bind(i64::from(limit));
                Ok::<_, StoreError>(query.fetch_all(conn).await?)
            })
        })
        .await?;
    found.iter().map(rows::entry).collect()
}

/// Of rows with two postings the other account. Only the first three lines are looked at, however many there are.
pub(super) async fn row_summaries(
    sql: &Postgres,
    tenant: &Tenant,
    account: Id,
    journals: &[Id],
) -> Result<Vec<RowSummary>, StoreError> {
    let asked: Vec<i64> = journals.iter().copied().map(column).collect();
    let asked = &asked;
    let found: Vec<(i64, i16, String, Option<i64>)> = sql
        .read("read_row_summaries", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(
                    "SELECT j.id, j.kind, j.details, e.counter
                     FROM unnest($3::bigint[]) AS x(id)
                     CROSS JOIN LATERAL (SELECT * FROM journal WHERE id = x.id AND tenant = $2 OFFSET 0) j
                     CROSS JOIN LATERAL (
                       SELECT CASE WHEN count(*) = 2 THEN max(account_id) FILTER (WHERE account_id <> $1) END AS counter
                       FROM entry WHERE journal_id = j.id AND line < 3 AND tenant = j.tenant OFFSET 0) e",
                );
                let query = query.bind(column(account)).bind(tenant.as_str()).bind(asked);
                Ok::<_, StoreError>(query.fetch_all(conn).await?)
            })
        })
        .await?;
    found.into_iter().map(rows::row_summary).collect()
}

pub(super) async fn latest_entries(
    sql: &Postgres,
    tenant: &Tenant,
    account: Id,
    before: Option<EntryCursor>,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let cursor = before.map_or((0, -1, 0), place);
    let found: Vec<EntryRow> = sql
        .read("list_latest_entries", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(
                    "SELECT e.account_id, e.part, e.seq, e.journal_id, e.line, e.direction, e.amount, e.currency,
                       e.balance_after, e.at_ms
                     FROM balance b
                     CROSS JOIN LATERAL (SELECT CASE WHEN $4::smallint < 0 THEN b.entries
                         WHEN b.part = $4 THEN $5 - 1
                         ELSE ledger_seq_at(b.tenant, b.account_id, b.part, $3 - CASE WHEN b.part > $4 THEN 1 ELSE 0 END)
                       END AS seq OFFSET 0) s
                     CROSS JOIN LATERAL (
                       SELECT * FROM entry
                       WHERE account_id = b.account_id AND part = b.part AND seq <= s.seq AND tenant = b.tenant
                       ORDER BY seq DESC LIMIT $6) e
                     WHERE b.account_id = $1 AND b.tenant = $2
                     ORDER BY e.at_ms DESC, e.part DESC, e.seq DESC LIMIT $6",
                );
                let query = query
                    .bind(column(account))
                    .bind(tenant.as_str())
                    .bind(cursor.0)
                    .bind(cursor.1)
                    .bind(cursor.2)
                    .bind(i64::from(limit));
                Ok::<_, StoreError>(query.fetch_all(conn).await?)
            })
        })
        .await?;
    found.iter().map(rows::entry).collect()
}

pub(super) async fn trial_balance(
    sql: &Postgres,
    tenant: &Tenant,
    as_of_ms: Option<u64>,
) -> Result<Vec<TrialBalanceLine>, StoreError> {
    let query = match as_of_ms {
        None => {
            "SELECT currency, kind, count(*), coalesce(sum(total) FILTER (WHERE total > 0), 0)::text,
               coalesce(-sum(total) FILTER (WHERE total < 0), 0)::text
             FROM (
               SELECT a.currency, a.kind, sum(b.posted) AS total
               FROM account a JOIN balance b ON b.account_id = a.id AND b.tenant = a.tenant
               WHERE a.tenant = $1 AND $2::bigint IS NULL GROUP BY a.id, a.currency, a.kind) t
             GROUP BY currency, kind ORDER BY currency, kind"
        }
        Some(_) => {
            "SELECT currency, kind, count(*), coalesce(sum(total) FILTER (WHERE total > 0), 0)::text,
               coalesce(-sum(total) FILTER (WHERE total < 0), 0)::text
             FROM (
               SELECT a.currency, a.kind, sum(coalesce(e.balance_after, 0)) AS total
               FROM account a JOIN balance b ON b.account_id = a.id AND b.tenant = a.tenant
               CROSS JOIN LATERAL (SELECT ledger_seq_at(b.tenant, b.account_id, b.part, $2) AS seq OFFSET 0) s
               LEFT JOIN LATERAL (
                 SELECT balance_after FROM entry
                 WHERE account_id = b.account_id AND part = b.part AND seq = s.seq AND tenant = b.tenant OFFSET 0
               ) e ON TRUE
               WHERE a.tenant = $1 GROUP BY a.id, a.currency, a.kind) t
             GROUP BY currency, kind ORDER BY currency, kind"
        }
    };
    // Sums of 64 bits may pass them; as text they pass every driver.
    let found: Vec<(String, i16, i64, String, String)> = sql
        .read("read_trial_balance", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(query)
                    .bind(tenant.as_str())
                    .bind(as_of_ms.map(time));
                Ok::<_, StoreError>(query.fetch_all(conn).await?)
            })
        })
        .await?;
    let sum = |text: &str| {
        text.parse::<i128>()
            .map_err(|_| StoreError::Damaged("a sum past 128 bits"))
    };
    found
        .into_iter()
        .map(|(currency, kind, accounts, debits, credits)| {
            Ok(TrialBalanceLine {
                currency: rows::currency(&currency)?,
                kind: rows::account_kind(kind)?,
                accounts: sql::uint(accounts)?,
                debits: sum(&debits)?,
                credits: sum(&credits)?,
            })
        })
        .collect()
}
