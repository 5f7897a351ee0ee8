//! One batch, in the writer's transaction.

use idempotency::Outcome;
use sql::SqliteConnection;

use super::{Batch, CommandOutcome, Refusal, StoreError, apply, load, rows, statements};
use crate::ledger::decide::{Moment, decide};

/// The newest link of the shard, before this batch.
pub(super) struct Head {
    pub(super) link: i64,
    pub(super) hash: [u8; 32],
    at_ms: u64,
    sealed_ms: u64,
}

pub(super) async fn commit(
    tx: &mut SqliteConnection,
    batch: &Batch,
) -> Result<Vec<Result<Outcome<crate::ledger::Settled>, Refusal>>, StoreError> {
    let head = head(tx, batch.shard).await?;
    let state = load::state(tx, &batch.commands, batch.now_ms).await?;
    let moment = Moment {
        now_ms: batch.now_ms,
        floor_ms: batch.now_ms.max(head.at_ms).max(head.sealed_ms + 1),
    };
    let decision = decide(state, &batch.commands, batch.together, moment);
    apply::apply(tx, batch.shard, &head, &decision).await?;
    let outcomes: Vec<Result<CommandOutcome, Refusal>> = decision.outcomes;
    Ok(outcomes)
}

/// Writes the records of what was committed before.
#[cfg(feature = "planted-bugs")]
pub(super) async fn record(
    tx: &mut SqliteConnection,
    batch: &Batch,
    outcomes: &[Result<CommandOutcome, Refusal>],
) -> Result<(), StoreError> {
    let fresh = batch
        .commands
        .iter()
        .zip(outcomes)
        .filter_map(|(command, outcome)| {
            // Refusals are left out: whether one was remembered before is not told apart here.
            let Ok(Outcome::Fresh(settled)) = outcome else {
                return None;
            };
            let (claim, outcome) = (command.claim.clone()?, Ok(settled.clone()));
            Some(crate::ledger::decide::NewRecord { claim, outcome })
        });
    let records: Vec<crate::ledger::decide::NewRecord> = fresh.collect();
    apply::put_claims(tx, &records).await
}

async fn head(tx: &mut SqliteConnection, shard: i16) -> Result<Head, StoreError> {
    let row: Option<(i64, Vec<u8>, i64, i64)> = sqlx::query_as(statements::HEAD)
        .bind(shard)
        .fetch_optional(tx)
        .await?;
    let (link, hash, at_ms, sealed_ms) =
        row.ok_or(StoreError::Damaged("no head of that shard of the chain"))?;
    Ok(Head {
        link,
        hash: rows::hash(hash)?,
        at_ms: sql::uint(at_ms)?,
        sealed_ms: sql::uint(sealed_ms)?,
    })
}

pub(super) async fn seal(tx: &mut SqliteConnection, at_ms: u64) -> Result<(), StoreError> {
    sqlx::query(statements::SEAL)
        .bind(sql::int(at_ms)?)
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn forget_claims(
    tx: &mut SqliteConnection,
    now_ms: u64,
    limit: u32,
) -> Result<u64, StoreError> {
    let done = sqlx::query(statements::FORGET_CLAIMS)
        .bind(sql::int(now_ms)?)
        .bind(i64::from(limit))
        .execute(tx)
        .await?;
    Ok(done.rows_affected())
}
