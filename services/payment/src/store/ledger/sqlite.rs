//! The ledger on SQLite: one file, one writer. What a batch may touch is read with a few statements, decided by
//! [`decide`](crate::ledger::decide), and written with a few, in the one transaction that the writer has.

mod accounts;
mod apply;
mod commit;
mod load;
mod reads;
mod rows;
mod statements;
mod trial;

use async_trait::async_trait;
use clock::SharedClock;
use idempotency::Outcome;
use identity::Tenant;
use ids::Id;
use sql::Sqlite;

use super::{
    AccountChange, AccountFilter, Batch, CLOCK_AHEAD_MS_MAX, ChangeRefused, EntryCursor, Ledger,
    SEAL_AHEAD_MS_MAX, StoreError,
};
use crate::ledger::{
    Account, ChainHead, CommandOutcome, Entry, Hold, Journal, Link, LinkRow, NewAccount, PartBalance,
    Refusal, RowSummary, TrialBalanceLine,
};

/// [`Ledger`] on one SQLite file, whose schema is up to date.
#[derive(Debug, Clone)]
pub struct SqliteLedger {
    sql: Sqlite,
    clock: SharedClock,
}

impl SqliteLedger {
    /// On a file that [`Database`](crate::store::Database) opened. No moment may be far ahead of `clock`.
    pub const fn new(sql: Sqlite, clock: SharedClock) -> Self {
        Self { sql, clock }
    }

    fn check_clock(&self, now_ms: u64, ahead_ms_max: u64) -> Result<(), StoreError> {
        let ahead_ms = now_ms.saturating_sub(self.clock.unix_ms());
        if ahead_ms <= ahead_ms_max {
            return Ok(());
        }
        Err(StoreError::Unavailable {
            code: "clock_ahead",
            detail: format!(
                "a moment is {ahead_ms} ms ahead of the clock, and may be {ahead_ms_max} ms: set the clock"
            ),
            retryable: false,
        })
    }
}

#[cfg(feature = "planted-bugs")]
impl SqliteLedger {
    /// A planted bug: what was done is on disk a moment before the record of its key is.
    async fn record_apart(
        &self,
        batch: &Batch,
        outcomes: &[Result<CommandOutcome, Refusal>],
    ) -> Result<(), StoreError> {
        const LATER: std::time::Duration = std::time::Duration::from_millis(300);
        if !planted_bugs::is_planted(planted_bugs::Bug::IdempotencyOutside) {
            return Ok(());
        }
        tokio::time::sleep(LATER).await;
        self.sql
            .write("record_claims", |tx| {
                sql::scoped(commit::record(tx, batch, outcomes))
            })
            .await
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn create_account(
        &self,
        account: &NewAccount,
        now_ms: u64,
    ) -> Result<Result<Outcome<Account>, Refusal>, StoreError> {
        self.check_clock(now_ms, CLOCK_AHEAD_MS_MAX)?;
        self.sql
            .write("create_account", |tx| {
                sql::scoped(accounts::create(tx, account, now_ms))
            })
            .await
    }

    async fn change_account(
        &self,
        tenant: &Tenant,
        id: Id,
        change: &AccountChange,
        now_ms: u64,
    ) -> Result<Result<Account, ChangeRefused>, StoreError> {
        self.check_clock(now_ms, CLOCK_AHEAD_MS_MAX)?;
        self.sql
            .write("change_account", |tx| {
                sql::scoped(accounts::change(tx, tenant, id, change, now_ms))
            })
            .await
    }

    async fn account(&self, tenant: &Tenant, id: Id) -> Result<Option<Account>, StoreError> {
        self.sql
            .read("find_account", |conn| {
                sql::scoped(accounts::find(conn, tenant, id))
            })
            .await
    }

    async fn accounts(
        &self,
        tenant: &Tenant,
        filter: &AccountFilter,
        after: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        self.sql
            .read("list_accounts", |conn| {
                sql::scoped(accounts::list(conn, tenant, filter, after, limit))
            })
            .await
    }

    async fn commit(&self, batch: &Batch) -> Result<Vec<Result<CommandOutcome, Refusal>>, StoreError> {
        if batch.commands.is_empty() {
            return Ok(Vec::new());
        }
        self.check_clock(batch.now_ms, CLOCK_AHEAD_MS_MAX)?;
        let outcomes = self
            .sql
            .write("commit_ledger", |tx| sql::scoped(commit::commit(tx, batch)))
            .await?;
        #[cfg(feature = "planted-bugs")]
        self.record_apart(batch, &outcomes).await?;
        Ok(outcomes)
    }

    async fn journal(&self, tenant: &Tenant, id: Id) -> Result<Option<Journal>, StoreError> {
        self.sql
            .read("find_journal", |conn| {
                sql::scoped(reads::journal(conn, tenant, id))
            })
            .await
    }

    async fn hold(&self, tenant: &Tenant, id: Id) -> Result<Option<Hold>, StoreError> {
        self.sql
            .read("find_hold", |conn| sql::scoped(reads::hold(conn, tenant, id)))
            .await
    }

    async fn holds(
        &self,
        tenant: &Tenant,
        account: Option<Id>,
        after: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Hold>, StoreError> {
        self.sql
            .read("list_holds", |conn| {
                sql::scoped(reads::holds(conn, tenant, account, after, limit))
            })
            .await
    }

    async fn latest_holds(
        &self,
        tenant: &Tenant,
        account: Id,
        before: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Hold>, StoreError> {
        self.sql
            .read("list_latest_holds", |conn| {
                sql::scoped(reads::latest_holds(conn, tenant, account, before, limit))
            })
            .await
    }

    async fn overdue_holds(&self, now_ms: u64, limit: u32) -> Result<Vec<(Tenant, Id)>, StoreError> {
        self.sql
            .read("list_overdue_holds", |conn| {
                sql::scoped(reads::overdue_holds(conn, now_ms, limit))
            })
            .await
    }

    async fn balance(&self, tenant: &Tenant, account: Id) -> Result<Vec<PartBalance>, StoreError> {
        self.sql
            .read("read_balance", |conn| {
                sql::scoped(reads::balance(conn, tenant, account))
            })
            .await
    }

    async fn seal(&self, at_ms: u64) -> Result<(), StoreError> {
        // Most moments that are asked for are sealed already, and a read costs no sync.
        let sealed = self
            .sql
            .read("read_seals", |conn| sql::scoped(reads::is_sealed(conn, at_ms)))
            .await?;
        if sealed {
            return Ok(());
        }
        self.check_clock(at_ms, SEAL_AHEAD_MS_MAX)?;
        self.sql
            .write("seal", |tx| sql::scoped(commit::seal(tx, at_ms)))
            .await
    }

    async fn balance_as_of(
        &self,
        tenant: &Tenant,
        account: Id,
        at_ms: u64,
    ) -> Result<Vec<PartBalance>, StoreError> {
        self.sql
            .read("read_balance_as_of", |conn| {
                sql::scoped(reads::balance_as_of(conn, tenant, account, at_ms))
            })
            .await
    }

    async fn entries(
        &self,
        tenant: &Tenant,
        account: Id,
        range: std::ops::Range<u64>,
        after: Option<EntryCursor>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        self.sql
            .read("list_entries", |conn| {
                sql::scoped(reads::entries(conn, tenant, account, range, after, limit))
            })
            .await
    }

    async fn latest_entries(
        &self,
        tenant: &Tenant,
        account: Id,
        before: Option<EntryCursor>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        self.sql
            .read("list_latest_entries", |conn| {
                sql::scoped(reads::latest_entries(conn, tenant, account, before, limit))
            })
            .await
    }

    async fn row_summaries(
        &self,
        tenant: &Tenant,
        account: Id,
        journals: &[Id],
    ) -> Result<Vec<RowSummary>, StoreError> {
        self.sql
            .read("read_row_summaries", |conn| {
                sql::scoped(reads::row_summaries(conn, tenant, account, journals))
            })
            .await
    }

    async fn trial_balance(
        &self,
        tenant: &Tenant,
        as_of_ms: Option<u64>,
    ) -> Result<Vec<TrialBalanceLine>, StoreError> {
        self.sql
            .read("trial_balance", |conn| {
                sql::scoped(trial::trial_balance(conn, tenant, as_of_ms))
            })
            .await
    }

    async fn chain_heads(&self) -> Result<Vec<ChainHead>, StoreError> {
        self.sql
            .read("read_chain_heads", |conn| sql::scoped(reads::chain_heads(conn)))
            .await
    }

    async fn links(&self, shard: i16, after: i64, limit: u32) -> Result<Vec<Link>, StoreError> {
        self.sql
            .read("list_links", |conn| {
                sql::scoped(reads::links(conn, shard, after, limit))
            })
            .await
    }

    async fn link_rows(&self, shard: i16, link: i64) -> Result<Vec<LinkRow>, StoreError> {
        self.sql
            .read("list_link_rows", |conn| {
                sql::scoped(reads::link_rows(conn, shard, link))
            })
            .await
    }

    async fn forget_claims(&self, now_ms: u64, limit: u32) -> Result<u64, StoreError> {
        self.check_clock(now_ms, CLOCK_AHEAD_MS_MAX)?;
        self.sql
            .write("forget_claims", |tx| {
                sql::scoped(commit::forget_claims(tx, now_ms, limit))
            })
            .await
    }
}
