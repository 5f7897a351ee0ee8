//! The port of the ledger.

mod postgres;
mod recorded;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use idempotency::Outcome;
use identity::Tenant;
use ids::Id;

use super::StoreError;
use crate::ledger::{
    Account, AccountKind, ChainHead, Command, CommandOutcome, Currency, Entry, Hold, Journal, Link, LinkRow,
    NewAccount, PartBalance, Refusal, RowSummary, TrialBalanceLine,
};
pub use postgres::PostgresLedger;
pub use sqlite::SqliteLedger;

/// Commands that are committed in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// In the order in which they are decided. At most [`BATCH_MAX`].
    pub commands: Vec<Command>,
    /// All or nothing: one refusal refuses them all.
    pub together: bool,
    /// Which chain gets the link; callers that race are quicker on different ones.
    pub shard: i16,
    /// The caller's clock. Entries never carry an earlier time than those before them, whatever it says.
    pub now_ms: u64,
}

/// The most commands of one batch.
pub const BATCH_MAX: usize = 8_190;

/// How far `now_ms` may be ahead of the store's own clock, in milliseconds: a write that brings a later moment is refused, since it would
/// take the ledger's times along for good. The store's clock is the server's (PostgreSQL) or the one it was given (SQLite).
pub const CLOCK_AHEAD_MS_MAX: u64 = 600_000;

/// How far `now_ms` may be behind the store's own clock, in milliseconds, where that is another's than the caller's (PostgreSQL): a write that
/// brings an earlier moment is refused, since it would date back what comes now. A hold that is over by either clock is not captured.
pub const CLOCK_BEHIND_MS_MAX: u64 = 600_000;

/// How far a moment to be sealed may be ahead of the store's own clock, in milliseconds. Nothing is committed at a sealed moment or before.
pub const SEAL_AHEAD_MS_MAX: u64 = 60_000;

/// Which accounts to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Only this kind.
    pub kind: Option<AccountKind>,
    /// Only this currency.
    pub currency: Option<Currency>,
}

/// A change of what may change of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// Another name; `Some(None)` takes it away.
    pub name: Option<Option<String>>,
    /// Other metadata, a JSON object.
    pub metadata: Option<String>,
    /// Close it: refused while it has a balance or holds.
    pub close: bool,
}

/// Why an account was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// There is none.
    #[error("there is no such account")]
    NotFound,
    /// Only an account with neither balance nor holds is closed.
    #[error("an account is closed only when its balance is zero and nothing is held")]
    NotEmpty,
}

/// Where the next page of entries begins: after this one. Ordered by time, then part, then sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryCursor {
    /// Its time.
    pub at_ms: u64,
    /// Its part.
    pub part: u16,
    /// Its sequence.
    pub seq: i64,
}

/// The ledger. Every call is one atomic step; what returned `Ok` outlives a crash of the process, of the engine and of the machine.
///
/// - **Order.** Batches that touch the same account or hold are serialized by it. Times of an account's entries and of a chain's links
///   never go back. Links of a shard are gapless and become visible in order.
/// - **Replays.** A command whose claim's key is recorded gets the recorded outcome ([`Outcome::Replayed`], or the recorded refusal), or
///   [`Refusal::KeyReused`] when the fingerprint differs. Of racing copies one has the effect; the others wait for it.
/// - **Unknown.** After [`StoreError::Unknown`] the whole batch stands or none of it (where two of its commands want one id: perhaps a part);
///   the same commands with the same claims settle it. After any other error nothing was done.
/// - A command without a claim that may have been committed must not be repeated: internal callers always give a claim.
/// - **Clocks.** A write whose `now_ms` is further ahead of the store's clock than [`CLOCK_AHEAD_MS_MAX`], or further behind than
///   [`CLOCK_BEHIND_MS_MAX`], is refused, and does nothing.
#[async_trait]
pub trait Ledger: Send + Sync + std::fmt::Debug + 'static {
    /// Makes an account with empty balances. The client's id may be taken ([`Refusal::IdTaken`]).
    async fn create_account(
        &self,
        account: &NewAccount,
        now_ms: u64,
    ) -> Result<Result<Outcome<Account>, Refusal>, StoreError>;

    /// Changes an account. Closing races with postings: one is first, the other sees it.
    async fn change_account(
        &self,
        tenant: &Tenant,
        id: Id,
        change: &AccountChange,
        now_ms: u64,
    ) -> Result<Result<Account, ChangeRefused>, StoreError>;

    /// One account.
    async fn account(&self, tenant: &Tenant, id: Id) -> Result<Option<Account>, StoreError>;

    /// Accounts by id, after `after`.
    async fn accounts(
        &self,
        tenant: &Tenant,
        filter: &AccountFilter,
        after: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError>;

    /// Decides and applies commands: one answer each, in order.
    async fn commit(&self, batch: &Batch) -> Result<Vec<Result<CommandOutcome, Refusal>>, StoreError>;

    /// One row of the journal with its postings.
    async fn journal(&self, tenant: &Tenant, id: Id) -> Result<Option<Journal>, StoreError>;

    /// One hold.
    async fn hold(&self, tenant: &Tenant, id: Id) -> Result<Option<Hold>, StoreError>;

    /// Holds by id, after `after`; of one account where one is given.
    async fn holds(
        &self,
        tenant: &Tenant,
        account: Option<Id>,
        after: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Hold>, StoreError>;

    /// Holds of an account before `before`, the highest id first: of ids that were given here that is the newest.
    async fn latest_holds(
        &self,
        tenant: &Tenant,
        account: Id,
        before: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Hold>, StoreError>;

    /// Open holds of all tenants whose time is over at `now_ms`, the oldest first.
    async fn overdue_holds(&self, now_ms: u64, limit: u32) -> Result<Vec<(Tenant, Id)>, StoreError>;

    /// The balance of each part now; empty where there is no such account.
    async fn balance(&self, tenant: &Tenant, account: Id) -> Result<Vec<PartBalance>, StoreError>;

    /// Makes `at_ms` final: no entry will ever carry this time or an earlier one that is not visible now. Waits for what is in flight.
    /// Refused beyond [`SEAL_AHEAD_MS_MAX`].
    async fn seal(&self, at_ms: u64) -> Result<(), StoreError>;

    /// The balance of each part as of a moment that was sealed: what its last entry then left (holds are not remembered: zero).
    async fn balance_as_of(
        &self,
        tenant: &Tenant,
        account: Id,
        at_ms: u64,
    ) -> Result<Vec<PartBalance>, StoreError>;

    /// Entries of an account with `from_ms <= at < until_ms`, in order, after `after`.
    async fn entries(
        &self,
        tenant: &Tenant,
        account: Id,
        range: std::ops::Range<u64>,
        after: Option<EntryCursor>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Entries of an account before `before`, the last that happened first: the order of [`Ledger::entries`] turned round.
    async fn latest_entries(
        &self,
        tenant: &Tenant,
        account: Id,
        before: Option<EntryCursor>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError>;

    /// What the rows say that entries of `account` belong to, in no order; what is not there is left out.
    async fn row_summaries(
        &self,
        tenant: &Tenant,
        account: Id,
        journals: &[Id],
    ) -> Result<Vec<RowSummary>, StoreError>;

    /// All accounts of a tenant summed, now or as of a sealed moment.
    async fn trial_balance(
        &self,
        tenant: &Tenant,
        as_of_ms: Option<u64>,
    ) -> Result<Vec<TrialBalanceLine>, StoreError>;

    /// The newest link of each shard.
    async fn chain_heads(&self) -> Result<Vec<ChainHead>, StoreError>;

    /// Links of a shard after `after`, in order.
    async fn links(&self, shard: i16, after: i64, limit: u32) -> Result<Vec<Link>, StoreError>;

    /// The rows of one link, in order.
    async fn link_rows(&self, shard: i16, link: i64) -> Result<Vec<LinkRow>, StoreError>;

    /// Forgets idempotency records that expired at `now_ms` or before, at most `limit`; says how many.
    async fn forget_claims(&self, now_ms: u64, limit: u32) -> Result<u64, StoreError>;
}

/// The port on an open database.
pub type SharedLedger = Arc<dyn Ledger>;
