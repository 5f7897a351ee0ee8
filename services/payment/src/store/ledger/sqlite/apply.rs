//! Writes what was decided: one statement a table, however many rows.

use sql::SqliteConnection;

use super::commit::Head;
use super::load::hex;
use super::{StoreError, rows, statements};
use crate::chain;
use crate::ledger::Hold;
use crate::ledger::decide::{Decision, NewRecord};
use crate::store::ledger::recorded::RecordedOutcome;

pub(super) async fn apply(
    tx: &mut SqliteConnection,
    shard: i16,
    head: &Head,
    decision: &Decision,
) -> Result<(), StoreError> {
    if records_go_along() {
        put_claims(tx, &decision.records).await?;
    }
    if decision.rows.is_empty() {
        return Ok(());
    }
    let link = head.link + 1;
    let at_ms = sql::int(decision.at_ms)?;
    insert_rows(tx, decision, (shard, link, at_ms)).await?;
    update_balances(tx, decision).await?;
    put_holds(tx, decision, (shard, link)).await?;
    put_reversed(tx, decision, (shard, link)).await?;
    let mut digests = Vec::with_capacity(decision.rows.len());
    for row in &decision.rows {
        let row = chain::digest_of(&row.journal, &row.entries);
        digests.push(row.ok_or(StoreError::Damaged("a row that has no canonical bytes"))?);
    }
    let hash = chain::link_hash(shard, link, at_ms, &head.hash, &digests);
    let row_count = i64::try_from(digests.len()).map_err(|_| StoreError::Damaged("a link past its size"))?;
    sqlx::query(statements::INSERT_LINK)
        .bind(shard)
        .bind(link)
        .bind(at_ms)
        .bind(head.hash.as_slice())
        .bind(row_count)
        .bind(digests.concat())
        .bind(hash.as_slice())
        .execute(&mut *tx)
        .await?;
    sqlx::query(statements::MOVE_HEAD)
        .bind(shard)
        .bind(link)
        .bind(hash.as_slice())
        .bind(at_ms)
        .execute(tx)
        .await?;
    Ok(())
}

async fn insert_rows(
    tx: &mut SqliteConnection,
    decision: &Decision,
    (shard, link, at_ms): (i16, i64, i64),
) -> Result<(), StoreError> {
    let journals: Vec<_> = decision
        .rows
        .iter()
        .map(|row| {
            let journal = &row.journal;
            (
                journal.tenant.as_str(),
                journal.id.as_u64(),
                journal.kind.code(),
                at_ms,
                journal.hold_id.map(ids::Id::as_u64),
                journal.refers_to.map(ids::Id::as_u64),
                journal.details.as_str(),
            )
        })
        .collect();
    sqlx::query(statements::INSERT_JOURNAL)
        .bind(rows::json(&journals))
        .bind(shard)
        .bind(link)
        .execute(&mut *tx)
        .await?;
    let entries = decision.rows.iter().flat_map(|row| {
        row.entries.iter().map(|entry| {
            (
                row.journal.tenant.as_str(),
                entry.account_id.as_u64(),
                entry.part,
                entry.seq,
                entry.journal_id.as_u64(),
                entry.line,
                entry.direction.code(),
                entry.amount.minor(),
                entry.currency.code(),
                entry.balance_after,
            )
        })
    });
    let entries: Vec<_> = entries.collect();
    if !entries.is_empty() {
        sqlx::query(statements::INSERT_ENTRIES)
            .bind(rows::json(&entries))
            .bind(at_ms)
            .execute(tx)
            .await?;
    }
    Ok(())
}

async fn update_balances(tx: &mut SqliteConnection, decision: &Decision) -> Result<(), StoreError> {
    let balances: Vec<_> = decision
        .balances
        .iter()
        .map(|((tenant, account_id, part), balance)| {
            (
                tenant.as_str(),
                account_id.as_u64(),
                part,
                balance.posted,
                balance.hold_debits,
                balance.hold_credits,
                balance.entries,
                balance.last_at_ms,
            )
        })
        .collect();
    let done = sqlx::query(statements::UPDATE_BALANCES)
        .bind(rows::json(&balances))
        .execute(tx)
        .await?;
    all_written(
        done.rows_affected(),
        balances.len(),
        "an account without its balance",
    )
}

async fn put_holds(
    tx: &mut SqliteConnection,
    decision: &Decision,
    (shard, link): (i16, i64),
) -> Result<(), StoreError> {
    let of = |wanted: bool| {
        let holds = decision
            .holds
            .values()
            .filter(move |(_, is_new)| *is_new == wanted);
        holds.map(|(hold, _)| hold)
    };
    let placed: Vec<_> = of(true).map(terms).collect();
    if !placed.is_empty() {
        sqlx::query(statements::INSERT_HOLDS)
            .bind(rows::json(&placed))
            .bind(shard)
            .bind(link)
            .execute(&mut *tx)
            .await?;
    }
    let changed: Vec<_> = of(false)
        .map(|hold| {
            (
                hold.tenant.as_str(),
                hold.id.as_u64(),
                hold.captured,
                hold.released,
                hold.state.code(),
            )
        })
        .collect();
    if !changed.is_empty() {
        let done = sqlx::query(statements::UPDATE_HOLDS)
            .bind(rows::json(&changed))
            .bind(shard)
            .bind(link)
            .execute(tx)
            .await?;
        all_written(done.rows_affected(), changed.len(), "a hold that went away")?;
    }
    Ok(())
}

type Terms<'a> = (&'a str, u64, u64, u64, i64, &'static str, i64, i64, i16, u64, u64);

fn terms(hold: &Hold) -> Terms<'_> {
    (
        hold.tenant.as_str(),
        hold.id.as_u64(),
        hold.debit_account_id.as_u64(),
        hold.credit_account_id.as_u64(),
        hold.amount.minor(),
        hold.currency.code(),
        hold.captured,
        hold.released,
        hold.state.code(),
        hold.expires_at_ms,
        hold.created_at_ms,
    )
}

async fn put_reversed(
    tx: &mut SqliteConnection,
    decision: &Decision,
    (shard, link): (i16, i64),
) -> Result<(), StoreError> {
    let of = |wanted: bool| {
        let rows = decision
            .reversed
            .iter()
            .filter(|(_, (_, is_new))| *is_new == wanted);
        let rows = rows.map(|((tenant, id), (amount, _))| (tenant.as_str(), id.as_u64(), *amount));
        rows.collect::<Vec<_>>()
    };
    for (rows, statement) in [
        (of(true), statements::INSERT_REVERSED),
        (of(false), statements::UPDATE_REVERSED),
    ] {
        if !rows.is_empty() {
            sqlx::query(statement)
                .bind(rows::json(&rows))
                .bind(shard)
                .bind(link)
                .execute(&mut *tx)
                .await?;
        }
    }
    Ok(())
}

/// Whether the records of keys are written in the effects' own transaction. Always, but for a planted bug.
fn records_go_along() -> bool {
    #[cfg(feature = "planted-bugs")]
    let apart = planted_bugs::is_planted(planted_bugs::Bug::IdempotencyOutside);
    #[cfg(not(feature = "planted-bugs"))]
    let apart = false;
    !apart
}

pub(super) async fn put_claims(tx: &mut SqliteConnection, records: &[NewRecord]) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(records.len());
    for record in records {
        rows.push((
            hex(&record.claim.key),
            hex(record.claim.fingerprint.as_bytes()),
            RecordedOutcome::of(&record.outcome).to_json()?,
            record.claim.expires_at_ms,
        ));
    }
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(statements::PUT_CLAIMS)
        .bind(rows::json(&rows))
        .execute(tx)
        .await?;
    Ok(())
}

fn all_written(written: u64, wanted: usize, otherwise: &'static str) -> Result<(), StoreError> {
    if usize::try_from(written).is_ok_and(|written| written == wanted) {
        Ok(())
    } else {
        Err(StoreError::Damaged(otherwise))
    }
}
