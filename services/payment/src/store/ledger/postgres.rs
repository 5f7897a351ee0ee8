//! The ledger on PostgreSQL, for as many processes as share it.
//!
//! A batch is one call of `ledger_commit` (migration 1), which is a transaction by itself: its locks never wait for a network. Isolation
//! is READ COMMITTED; decision record 10 says why that is enough and in which order locks are taken.

mod accounts;
mod chain;
mod commit;
mod plan;
mod read;
mod rows;
mod settle;

use std::ops::Range;

use async_trait::async_trait;
use idempotency::Outcome;
use identity::Tenant;
use ids::Id;
use sql::Postgres;

use super::{AccountChange, AccountFilter, Batch, ChangeRefused, EntryCursor, Ledger};
use crate::ledger::{
    Account, ChainHead, CommandOutcome, Entry, Hold, Journal, Link, LinkRow, NewAccount, PartBalance,
    Refusal, RowSummary, TrialBalanceLine,
};
use crate::store::StoreError;

/// [`Ledger`] on one schema of a PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresLedger {
    sql: Postgres,
}

impl PostgresLedger {
    /// On a database that was migrated.
    pub fn new(sql: Postgres) -> Self {
        Self { sql }
    }
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn create_account(
        &self,
        account: &NewAccount,
        now_ms: u64,
    ) -> Result<Result<Outcome<Account>, Refusal>, StoreError> {
        accounts::create(&self.sql, account, now_ms).await
    }

    async fn change_account(
        &self,
        tenant: &Tenant,
        id: Id,
        change: &AccountChange,
        now_ms: u64,
    ) -> Result<Result<Account, ChangeRefused>, StoreError> {
        accounts::change(&self.sql, tenant, id, change, now_ms).await
    }

    async fn account(&self, tenant: &Tenant, id: Id) -> Result<Option<Account>, StoreError> {
        accounts::one(&self.sql, tenant, id).await
    }

    async fn accounts(
        &self,
        tenant: &Tenant,
        filter: &AccountFilter,
        after: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        accounts::list(&self.sql, tenant, filter, after, limit).await
    }

    async fn commit(&self, batch: &Batch) -> Result<Vec<Result<CommandOutcome, Refusal>>, StoreError> {
        commit::commit(&self.sql, batch).await
    }

    async fn journal(&self, tenant: &Tenant, id: Id) -> Result<Option<Journal>, StoreError> {
        Ok(read::journals(&self.sql, &[(tenant, id)]).await?.pop())
    }

    async fn hold(&self, tenant: &Tenant, id: Id) -> Result<Option<Hold>, StoreError> {
        Ok(read::holds_by_id(&self.sql, &[(tenant, id)]).await?.pop())
    }

    async fn holds(
        &self,
        tenant: &Tenant,
        account: Option<Id>,
        after: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Hold>, StoreError> {
        read::holds(&self.sql, tenant, account, after, limit).await
    }

    async fn latest_holds(
        &self,
        tenant: &Tenant,
        account: Id,
        before: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Hold>, StoreError> {
        read::latest_holds(&self.sql, tenant, account, before, limit).await
    }

    async fn overdue_holds(&self, now_ms: u64, limit: u32) -> Result<Vec<(Tenant, Id)>, StoreError> {
        read::overdue_holds(&self.sql, now_ms, limit).await
    }

    async fn balance(&self, tenant: &Tenant, account: Id) -> Result<Vec<PartBalance>, StoreError> {
        read::balance(&self.sql, tenant, account).await
    }

    async fn seal(&self, at_ms: u64) -> Result<(), StoreError> {
        chain::seal(&self.sql, at_ms).await
    }

    async fn balance_as_of(
        &self,
        tenant: &Tenant,
        account: Id,
        at_ms: u64,
    ) -> Result<Vec<PartBalance>, StoreError> {
        read::balance_as_of(&self.sql, tenant, account, at_ms).await
    }

    async fn entries(
        &self,
        tenant: &Tenant,
        account: Id,
        range: Range<u64>,
        after: Option<EntryCursor>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        read::entries(&self.sql, tenant, account, range, after, limit).await
    }

    async fn latest_entries(
        &self,
        tenant: &Tenant,
        account: Id,
        before: Option<EntryCursor>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        read::latest_entries(&self.sql, tenant, account, before, limit).await
    }

    async fn row_summaries(
        &self,
        tenant: &Tenant,
        account: Id,
        journals: &[Id],
    ) -> Result<Vec<RowSummary>, StoreError> {
        read::row_summaries(&self.sql, tenant, account, journals).await
    }

    async fn trial_balance(
        &self,
        tenant: &Tenant,
        as_of_ms: Option<u64>,
    ) -> Result<Vec<TrialBalanceLine>, StoreError> {
        read::trial_balance(&self.sql, tenant, as_of_ms).await
    }

    async fn chain_heads(&self) -> Result<Vec<ChainHead>, StoreError> {
        chain::heads(&self.sql).await
    }

    async fn links(&self, shard: i16, after: i64, limit: u32) -> Result<Vec<Link>, StoreError> {
        chain::links(&self.sql, shard, after, limit).await
    }

    async fn link_rows(&self, shard: i16, link: i64) -> Result<Vec<LinkRow>, StoreError> {
        chain::rows(&self.sql, shard, link).await
    }

    async fn forget_claims(&self, now_ms: u64, limit: u32) -> Result<u64, StoreError> {
        accounts::forget_claims(&self.sql, now_ms, limit).await
    }
}

/// An id as a column holds it: below 2^63.
fn column(id: Id) -> i64 {
    i64::try_from(id.as_u64()).expect("an id is below 2^63")
}

/// A time as a column holds it. One beyond the year 292 million is the last.
fn time(at_ms: u64) -> i64 {
    i64::try_from(at_ms).unwrap_or(i64::MAX)
}
