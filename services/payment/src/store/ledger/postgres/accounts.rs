//! Accounts, and the housekeeping of claims.

use idempotency::Outcome;
use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};
use sql::Postgres;

use super::rows::{self, AccountRow};
use super::{column, time};
use crate::ledger::{Account, NewAccount, Refusal};
use crate::store::StoreError;
use crate::store::ledger::{AccountChange, AccountFilter, ChangeRefused};

const COLUMNS_OF_ONE: &str =
    "SELECT tenant, id, currency, kind, not_below_zero, not_above_zero, parts, name, metadata,
    created_at_ms, closed_at_ms FROM account WHERE tenant = $1 AND id = $2";

/// What may have changed of an account since it was made: a replay shows it as it was.
#[derive(Serialize, Deserialize)]
struct AsMade {
    name: Option<String>,
    metadata: String,
}

pub(super) async fn create(
    sql: &Postgres,
    new: &NewAccount,
    now_ms: u64,
) -> Result<Result<Outcome<Account>, Refusal>, StoreError> {
    let account = &new.account;
    let claim = new.claim.as_ref();
    let as_made = AsMade {
        name: account.name.clone(),
        metadata: account.metadata.clone(),
    };
    let as_made = serde_json::to_string(&as_made).expect("two texts are JSON");
    let parts =
        i16::try_from(account.parts).map_err(|_| StoreError::Damaged("an account of too many parts"))?;
    let as_made = as_made.as_str();
    let (status, id, note): (i16, i64, Option<String>) = sql
        .call("create_account", |conn| {
            sql::scoped(async move {
                sqlx::query_as(
                    "SELECT status, made_id, note
                     FROM ledger_create_account($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
                )
                .bind(time(now_ms))
                .bind(claim.map(|claim| claim.key.as_slice()))
                .bind(claim.map(|claim| claim.fingerprint.as_bytes().as_slice()))
                .bind(claim.map(|claim| time(claim.expires_at_ms)))
                .bind(as_made)
                .bind(account.tenant.as_str())
                .bind(column(account.id))
                .bind(account.currency.code())
                .bind(account.kind.code())
                .bind(account.limits.not_below_zero)
                .bind(account.limits.not_above_zero)
                .bind(parts)
                .bind(account.name.as_deref())
                .bind(&account.metadata)
                .fetch_one(conn)
                .await
            })
        })
        .await?;
    let damaged = StoreError::Damaged("a claim whose outcome cannot be read");
    match status {
        0 => Ok(Ok(Outcome::Fresh(Account {
            created_at_ms: now_ms,
            closed_at_ms: None,
            ..account.clone()
        }))),
        1 => {
            let as_made: AsMade =
                serde_json::from_str(note.as_deref().unwrap_or_default()).map_err(|_| damaged.clone())?;
            let now = one(sql, &account.tenant, rows::id(id)?).await?.ok_or(damaged)?;
            Ok(Ok(Outcome::Replayed(Account {
                name: as_made.name,
                metadata: as_made.metadata,
                closed_at_ms: None,
                ..now
            })))
        }
        3 => Ok(Err(Refusal::KeyReused)),
        status => {
            let refusal: Refusal =
                serde_json::from_str(note.as_deref().unwrap_or_default()).map_err(|_| damaged)?;
            Ok(Err(if status == 2 { refusal.repeated() } else { refusal }))
        }
    }
}

pub(super) async fn change(
    sql: &Postgres,
    tenant: &Tenant,
    id: Id,
    change: &AccountChange,
    now_ms: u64,
) -> Result<Result<Account, ChangeRefused>, StoreError> {
    let status: i16 = sql
        .call("change_account", |conn| {
            sql::scoped(async move {
                sqlx::query_scalar("SELECT ledger_change_account($1, $2, $3, $4, $5, $6, $7)")
                    .bind(time(now_ms))
                    .bind(tenant.as_str())
                    .bind(column(id))
                    .bind(change.name.is_some())
                    .bind(change.name.as_ref().and_then(Option::as_deref))
                    .bind(change.metadata.as_deref())
                    .bind(change.close)
                    .fetch_one(conn)
                    .await
            })
        })
        .await?;
    match status {
        0 => Ok(one(sql, tenant, id).await?.ok_or(ChangeRefused::NotFound)),
        1 => Ok(Err(ChangeRefused::NotFound)),
        _ => Ok(Err(ChangeRefused::NotEmpty)),
    }
}

pub(super) async fn one(sql: &Postgres, tenant: &Tenant, id: Id) -> Result<Option<Account>, StoreError> {
    let row: Option<AccountRow> = sql
        .read("find_account", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(COLUMNS_OF_ONE)
                    .bind(tenant.as_str())
                    .bind(column(id));
                Ok::<_, StoreError>(query.fetch_optional(conn).await?)
            })
        })
        .await?;
    row.map(rows::account).transpose()
}

pub(super) async fn list(
    sql: &Postgres,
    tenant: &Tenant,
    filter: &AccountFilter,
    after: Option<Id>,
    limit: u32,
) -> Result<Vec<Account>, StoreError> {
    let rows: Vec<AccountRow> = sql
        .read("list_accounts", |conn| {
            sql::scoped(async move {
                let query = sqlx::query_as(
                    "SELECT tenant, id, currency, kind, not_below_zero, not_above_zero, parts, name, metadata,
                       created_at_ms, closed_at_ms
                     FROM account
                     WHERE tenant = $1 AND id > $2 AND ($3::smallint IS NULL OR kind = $3)
                       AND ($4::text IS NULL OR currency = $4)
                     ORDER BY id LIMIT $5",
                );
                let query = query
                    .bind(tenant.as_str())
                    .bind(after.map_or(0, column))
                    .bind(filter.kind.map(crate::ledger::AccountKind::code))
                    .bind(filter.currency.map(crate::ledger::Currency::code))
                    .bind(i64::from(limit));
                Ok::<_, StoreError>(query.fetch_all(conn).await?)
            })
        })
        .await?;
    rows.into_iter().map(rows::account).collect()
}

pub(super) async fn forget_claims(sql: &Postgres, now_ms: u64, limit: u32) -> Result<u64, StoreError> {
    let forgotten: i64 = sql
        .call("forget_claims", |conn| {
            sql::scoped(async move {
                sqlx::query_scalar("SELECT ledger_forget_claims($1, $2)")
                    .bind(time(now_ms))
                    .bind(i64::from(limit))
                    .fetch_one(conn)
                    .await
            })
        })
        .await?;
    Ok(sql::uint(forgotten)?)
}
