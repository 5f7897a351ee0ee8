//! The passes over the tables, the same on both engines: streams of rows, handed to what judges them.

/// Links, and balances, of a page.
const PAGE: i64 = 16;
const BALANCES_PAGE: i64 = 500;

const LINKS: &str = "
    SELECT link, at_ms, prev_hash, CAST(row_count AS BIGINT), digests, hash
    FROM chain_link WHERE shard = $1 AND link > $2 ORDER BY link LIMIT $3";
const KEPT: &str = "SELECT hash FROM chain_link WHERE shard = $1 AND link = $2";
const HEAD: &str = "
    SELECT link, hash, at_ms, sealed_ms, (SELECT max(at_ms) FROM chain_head) FROM chain_head WHERE shard = $1";
const UNREAD: &str = "SELECT count(*) FROM chain_link WHERE shard = $1 AND link > $2";
const BEYOND: &str = "SELECT link, id FROM journal WHERE shard = $1 AND link > $2 ORDER BY link, ord LIMIT 1";
/// Tenant, account, part, sequence, direction, amount, currency, balance after, time.
type EntryTuple = (String, i64, i64, i64, i64, i64, String, i64, i64);
macro_rules! passes {
    ($engine:ident, $connection:ty, $row:ty, $now:expr, $rows:expr, $balances:expr, $entries:expr, $own:expr) => {
        pub(super) mod $engine {
            use futures::TryStreamExt as _;
            use sqlx::Row as _;

            use super::super::chained::{EntryFields, JournalFields, ShardPass};
            use super::super::pointing;
            use super::super::projections::COMPARISONS;
            use super::super::replayed::{Part, ReplayPass, StoredBalance, StoredEntry};
            use super::super::{KeptHead, VerifyError, VerifyReport, shards};
            use super::{BALANCES_PAGE, BEYOND, HEAD, KEPT, LINKS, PAGE, UNREAD};
            use crate::chain::{StoredHead, StoredLink};

            /// Everything, in the transaction that was begun.
            pub(in super::super) async fn run(
                conn: &mut $connection,
                heads: &[KeptHead],
                report: &mut VerifyReport,
            ) -> Result<(), VerifyError> {
                for shard in shards() {
                    chain(conn, shard, report).await?;
                }
                for head in heads {
                    let stored: Option<Vec<u8>> = sqlx::query_scalar(KEPT)
                        .bind(head.shard)
                        .bind(head.link)
                        .fetch_optional(&mut *conn)
                        .await?;
                    head.judge(stored, report);
                }
                replay(conn, report).await?;
                for comparison in COMPARISONS.iter().chain(pointing::COMPARISONS).chain($own) {
                    let found: Vec<(String, i64)> = sqlx::query_as(comparison.statement)
                        .fetch_all(&mut *conn)
                        .await?;
                    for (tenant, number) in found {
                        let message = format!("{number} of tenant {tenant}: {}", comparison.what);
                        report.find(comparison.check, message);
                    }
                }
                Ok(())
            }

            async fn chain(
                conn: &mut $connection,
                shard: i16,
                report: &mut VerifyReport,
            ) -> Result<(), VerifyError> {
                let mut pass = ShardPass::new(shard);
                loop {
                    let after = pass.verified();
                    let links: Vec<(i64, i64, Vec<u8>, i64, Vec<u8>, Vec<u8>)> = sqlx::query_as(LINKS)
                        .bind(shard)
                        .bind(after)
                        .bind(PAGE)
                        .fetch_all(&mut *conn)
                        .await?;
                    let Some(last) = links.last().map(|link| link.0) else {
                        break;
                    };
                    let link = |(link, at_ms, prev_hash, row_count, digests, hash)| StoredLink {
                        link,
                        at_ms,
                        prev_hash,
                        row_count,
                        digests,
                        hash,
                    };
                    pass.links(links.into_iter().map(link).collect());
                    let mut rows = sqlx::query($rows)
                        .bind(shard)
                        .bind(after)
                        .bind(last)
                        .fetch(&mut *conn);
                    while let Some(row) = rows.try_next().await? {
                        let (journal, entry) = fields(&row)?;
                        pass.row(journal, entry, report);
                        if pass.broken_at().is_some() {
                            break;
                        }
                    }
                    drop(rows);
                    pass.end_of_page(report);
                    if pass.broken_at().is_some() {
                        break;
                    }
                }
                if let Some(after) = pass.broken_at() {
                    let links: i64 = sqlx::query_scalar(UNREAD)
                        .bind(shard)
                        .bind(after)
                        .fetch_one(&mut *conn)
                        .await?;
                    pass.unread(after, links.unsigned_abs(), report);
                }
                let head: Option<(i64, Vec<u8>, i64, i64, i64)> = sqlx::query_as(HEAD)
                    .bind(shard)
                    .fetch_optional(&mut *conn)
                    .await?;
                let now_ms: i64 = sqlx::query_scalar($now).fetch_one(&mut *conn).await?;
                let head = head.map(|(link, hash, at_ms, sealed_ms, newest_ms)| {
                    pass.seal(sealed_ms, now_ms.max(newest_ms), report);
                    StoredHead { link, hash, at_ms }
                });
                let beyond: Option<(i64, i64)> = sqlx::query_as(BEYOND)
                    .bind(shard)
                    .bind(pass.verified())
                    .fetch_optional(conn)
                    .await?;
                pass.end(head.as_ref(), beyond, report);
                Ok(())
            }

            fn fields(row: &$row) -> Result<(JournalFields, Option<EntryFields>), sqlx::Error> {
                let journal = JournalFields {
                    link: row.try_get(0)?,
                    ord: row.try_get(1)?,
                    // What is no text any more was changed: it has no canonical bytes.
                    tenant: row.try_get(2).ok(),
                    id: row.try_get(3)?,
                    kind: row.try_get(4)?,
                    at_ms: row.try_get(5)?,
                    hold_id: row.try_get(6)?,
                    refers_to: row.try_get(7)?,
                    details: row.try_get(8).ok(),
                };
                let account: Option<i64> = row.try_get(9)?;
                let Some(account_id) = account else {
                    return Ok((journal, None));
                };
                let entry = EntryFields {
                    account_id,
                    part: row.try_get(10)?,
                    seq: row.try_get(11)?,
                    line: row.try_get(12)?,
                    direction: row.try_get(13)?,
                    amount: row.try_get(14)?,
                    currency: row.try_get(15).ok(),
                    balance_after: row.try_get(16)?,
                    at_ms: row.try_get(17)?,
                };
                Ok((journal, Some(entry)))
            }

            async fn replay(conn: &mut $connection, report: &mut VerifyReport) -> Result<(), VerifyError> {
                let mut pass = ReplayPass::default();
                let mut after: Part = (String::new(), i64::MIN, -1);
                loop {
                    let page: Vec<(String, i64, i64, i64, i64, i64, Option<String>)> =
                        sqlx::query_as($balances)
                            .bind(after.0.as_str())
                            .bind(after.1)
                            .bind(after.2)
                            .bind(BALANCES_PAGE)
                            .fetch_all(&mut *conn)
                            .await?;
                    let Some(last) = page.last() else { break };
                    let first = std::mem::replace(&mut after, (last.0.clone(), last.1, last.2));
                    let balance =
                        |(tenant, account, part, posted, entries, last_at_ms, currency)| StoredBalance {
                            part: (tenant, account, part),
                            posted,
                            entries,
                            last_at_ms,
                            currency,
                        };
                    pass.balances(page.into_iter().map(balance).collect());
                    let mut rows = sqlx::query_as($entries)
                        .bind(first.0.as_str())
                        .bind(first.1)
                        .bind(first.2)
                        .bind(BALANCES_PAGE)
                        .fetch(&mut *conn);
                    while let Some(row) = rows.try_next().await? {
                        let row: super::EntryTuple = row;
                        let (tenant, account, part, seq, direction, amount, currency, balance_after, at_ms) =
                            row;
                        let entry = StoredEntry {
                            part: (tenant, account, part),
                            seq,
                            direction,
                            amount,
                            currency,
                            balance_after,
                            at_ms,
                        };
                        pass.entry(&entry, report);
                    }
                    drop(rows);
                    pass.end_of_page(report);
                }
                pass.end(report);
                Ok(())
            }
        }
    };
}

/// `$entry` says how the entries of a row are found: by itself SQLite would rather walk all of the tenant's.
macro_rules! rows {
    ($entry:literal) => {
        concat!(
            "SELECT j.link, CAST(j.ord AS BIGINT), j.tenant, j.id, CAST(j.kind AS BIGINT), j.at_ms, j.hold_id, j.refers_to,
                j.details, e.account_id, CAST(e.part AS BIGINT), e.seq, CAST(e.line AS BIGINT),
                CAST(e.direction AS BIGINT), e.amount, e.currency, e.balance_after, e.at_ms
            FROM journal j LEFT JOIN ",
            $entry,
            " ON e.tenant = j.tenant AND e.journal_id = j.id
            WHERE j.shard = $1 AND j.link > $2 AND j.link <= $3
            ORDER BY j.link, j.ord, e.line"
        )
    };
}

/// In the order of the engine's own key, so that a page is a range of it.
macro_rules! balances {
    ($key:literal) => {
        concat!(
            "SELECT b.tenant, b.account_id, CAST(b.part AS BIGINT), b.posted, b.entries, b.last_at_ms, a.currency
            FROM (SELECT * FROM balance WHERE ",
            $key,
            " LIMIT $4) b LEFT JOIN account a ON a.tenant = b.tenant AND a.id = b.account_id
            ORDER BY "
        )
    };
}

macro_rules! entries {
    ($key:literal) => {
        concat!(
            "SELECT e.tenant, e.account_id, CAST(e.part AS BIGINT), e.seq, CAST(e.direction AS BIGINT), e.amount, e.currency,
                e.balance_after, e.at_ms
            FROM (SELECT tenant, account_id, part FROM balance WHERE ",
            $key,
            " LIMIT $4) b JOIN entry e ON e.tenant = b.tenant AND e.account_id = b.account_id AND e.part = b.part
            ORDER BY "
        )
    };
}

passes!(
    sqlite,
    sqlx::SqliteConnection,
    sqlx::sqlite::SqliteRow,
    "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    rows!("entry e INDEXED BY entry_journal"),
    concat!(
        balances!("(tenant, account_id, part) > ($1, $2, $3) ORDER BY tenant, account_id, part"),
        "b.tenant, b.account_id, b.part"
    ),
    concat!(
        entries!("(tenant, account_id, part) > ($1, $2, $3) ORDER BY tenant, account_id, part"),
        "e.tenant, e.account_id, e.part, e.seq"
    ),
    &[]
);

passes!(
    postgres,
    sqlx::PgConnection,
    sqlx::postgres::PgRow,
    "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT",
    rows!("entry e"),
    concat!(
        balances!("(account_id, part, tenant) > ($2, $3, $1) ORDER BY account_id, part, tenant"),
        "b.account_id, b.part, b.tenant"
    ),
    concat!(
        entries!("(account_id, part, tenant) > ($2, $3, $1) ORDER BY account_id, part, tenant"),
        "e.account_id, e.part, e.seq, e.tenant"
    ),
    pointing::POSTGRES
);
