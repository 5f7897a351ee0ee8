//! Accounts: made, changed, found.

use idempotency::Outcome;
use identity::Tenant;
use ids::Id;
use sql::SqliteConnection;

use super::{AccountChange, AccountFilter, ChangeRefused, Refusal, StoreError, load, rows, statements};
use crate::ledger::{Account, Claim, NewAccount};
use crate::store::ledger::recorded::RecordedOutcome;

pub(super) async fn create(
    tx: &mut SqliteConnection,
    new: &NewAccount,
    now_ms: u64,
) -> Result<Result<Outcome<Account>, Refusal>, StoreError> {
    if let Some(claim) = &new.claim
        && let Some(known) = replay(tx, new, claim, now_ms).await?
    {
        return Ok(known);
    }
    let account = &new.account;
    let outcome = if find(tx, &account.tenant, account.id).await?.is_some() {
        Err(Refusal::IdTaken { id: account.id })
    } else {
        insert(tx, account).await?;
        Ok(account.clone())
    };
    if let Some(claim) = &new.claim {
        let record = (
            load::hex(&claim.key),
            load::hex(claim.fingerprint.as_bytes()),
            RecordedOutcome::of_account(&outcome).to_json()?,
            claim.expires_at_ms,
        );
        sqlx::query(statements::PUT_CLAIMS)
            .bind(rows::json(&[record]))
            .execute(tx)
            .await?;
    }
    Ok(outcome.map(Outcome::Fresh))
}

async fn replay(
    tx: &mut SqliteConnection,
    new: &NewAccount,
    claim: &Claim,
    now_ms: u64,
) -> Result<Option<Result<Outcome<Account>, Refusal>>, StoreError> {
    let found: Option<(Vec<u8>, Vec<u8>, String)> = sqlx::query_as(statements::CLAIMS)
        .bind(rows::json(&[load::hex(&claim.key)]))
        .bind(sql::int(now_ms)?)
        .fetch_optional(&mut *tx)
        .await?;
    let Some((_, (fingerprint, outcome))) = found.map(load::record).transpose()? else {
        return Ok(None);
    };
    let known = match outcome {
        _ if fingerprint != claim.fingerprint => Err(Refusal::KeyReused),
        RecordedOutcome::Settled { .. } => Err(Refusal::KeyReused),
        RecordedOutcome::Refused(refusal) => Err(refusal.repeated()),
        RecordedOutcome::Account {
            account_id,
            name,
            metadata,
        } => {
            let now = find(tx, &new.account.tenant, account_id).await?;
            let now = now.ok_or(StoreError::Damaged(
                "an idempotency record of an account that is not there",
            ))?;
            Ok(Outcome::Replayed(Account {
                name,
                metadata,
                closed_at_ms: None,
                ..now
            }))
        }
    };
    Ok(Some(known))
}

async fn insert(tx: &mut SqliteConnection, account: &Account) -> Result<(), StoreError> {
    sqlx::query(statements::INSERT_ACCOUNT)
        .bind(account.tenant.as_str())
        .bind(rows::int(account.id)?)
        .bind(account.currency.code())
        .bind(account.kind.code())
        .bind(account.limits.not_below_zero)
        .bind(account.limits.not_above_zero)
        .bind(account.parts)
        .bind(account.name.as_deref())
        .bind(account.metadata.as_str())
        .bind(sql::int(account.created_at_ms)?)
        .execute(&mut *tx)
        .await?;
    sqlx::query(statements::INSERT_BALANCES)
        .bind(account.tenant.as_str())
        .bind(rows::int(account.id)?)
        .bind(account.parts)
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn change(
    tx: &mut SqliteConnection,
    tenant: &Tenant,
    id: Id,
    change: &AccountChange,
    now_ms: u64,
) -> Result<Result<Account, ChangeRefused>, StoreError> {
    let Some(mut account) = find(tx, tenant, id).await? else {
        return Ok(Err(ChangeRefused::NotFound));
    };
    if change.close && account.closed_at_ms.is_none() {
        let parts = super::reads::balance(tx, tenant, id).await?;
        let posted: i128 = parts.iter().map(|part| i128::from(part.posted)).sum();
        let held = parts
            .iter()
            .any(|part| part.hold_debits != 0 || part.hold_credits != 0);
        if posted != 0 || held {
            return Ok(Err(ChangeRefused::NotEmpty));
        }
        // Not before its last entry, whatever the clock says.
        let last_at_ms = parts.iter().map(|part| part.last_at_ms).max();
        account.closed_at_ms = Some(now_ms.max(last_at_ms.unwrap_or(0)));
    }
    if let Some(name) = &change.name {
        account.name.clone_from(name);
    }
    if let Some(metadata) = &change.metadata {
        account.metadata.clone_from(metadata);
    }
    sqlx::query(statements::CHANGE_ACCOUNT)
        .bind(tenant.as_str())
        .bind(rows::int(id)?)
        .bind(account.name.as_deref())
        .bind(account.metadata.as_str())
        .bind(account.closed_at_ms.map(sql::int).transpose()?)
        .execute(tx)
        .await?;
    Ok(Ok(account))
}

pub(super) async fn find(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    id: Id,
) -> Result<Option<Account>, StoreError> {
    let row: Option<rows::AccountRow> = sqlx::query_as(statements::ACCOUNT)
        .bind(tenant.as_str())
        .bind(rows::int(id)?)
        .fetch_optional(conn)
        .await?;
    row.map(rows::account).transpose()
}

pub(super) async fn list(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    filter: &AccountFilter,
    after: Option<Id>,
    limit: u32,
) -> Result<Vec<Account>, StoreError> {
    let found: Vec<rows::AccountRow> = sqlx::query_as(statements::ACCOUNTS)
        .bind(tenant.as_str())
        .bind(after.map_or(Ok(0), rows::int)?)
        .bind(filter.kind.map(crate::ledger::AccountKind::code))
        .bind(filter.currency.map(crate::ledger::Currency::code))
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?;
    found.into_iter().map(rows::account).collect()
}
