//! The port of payments.

mod calls;
mod claims;
mod port;
mod postgres;
mod rows;
mod sqlite;
mod statements;

use std::sync::Arc;

use async_trait::async_trait;
use idempotency::Outcome;
use identity::Tenant;
use ids::Id;
use streams::Event;

pub use postgres::PostgresPayments;
pub use sqlite::SqlitePayments;

use super::{Database, StoreError};
use crate::ledger::{Amount, Claim};
use crate::payment::{Payment, PaymentHistory, PaymentRefusal, Refund, RefundRows, StepOutcome};
use crate::protocol::saga::{Call, Saga, State, Step};
use crate::reconciliation::Movement;

/// How many calls of a payment's history are kept; from there on the last is written over.
pub const STEPS_KEPT_MAX: u32 = 500;

/// How many due payments are counted; where there are more, it is as many.
pub const DUE_COUNTED_MAX: u32 = 10_000;

/// How often and how much one account may pay in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Velocity {
    /// When the window began, Unix milliseconds; all windows are of one length.
    pub window_ms: u64,
    /// The most payments.
    pub payments_max: i64,
    /// The most minor units.
    pub minor_max: i64,
}

/// A payment to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayment {
    /// As it will be.
    pub payment: Payment,
    /// What is decided in the transaction that makes it, so that no race passes it.
    pub velocity: Velocity,
    /// The idempotency record.
    pub claim: Claim,
    /// Told when it is made.
    pub event: Event,
}

/// A refund to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRefund {
    /// Whose.
    pub tenant: Tenant,
    /// A Snowflake.
    pub id: Id,
    /// Of which payment.
    pub payment_id: Id,
    /// How much; all that is left, where it is not said.
    pub amount: Option<Amount>,
    /// Rows it will make.
    pub rows: RefundRows,
    /// The idempotency record.
    pub claim: Claim,
}

/// Which payments to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaymentFilter {
    /// Only in this state.
    pub state: Option<State>,
    /// Only with this payer or merchant.
    pub account: Option<Id>,
}

/// A payment that one process has to itself for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// As it stood when it was taken.
    pub payment: Payment,
    /// The oldest refund that is not ended.
    pub refund: Option<Refund>,
    /// Carried by every write.
    pub fence: i64,
    /// How often it was woken so far.
    pub wakes: i64,
}

/// What becomes of the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseChange {
    /// It is kept until then. Unix milliseconds.
    KeepUntil(u64),
    /// It is given up, and the payment is due then, or rests. Whoever woke it meanwhile makes it due at once.
    LetGo {
        /// Unix milliseconds.
        due_ms: Option<u64>,
    },
}

/// A call that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepBegan {
    /// Its number.
    pub ticket: u32,
    /// Of which step.
    pub step: Step,
    /// Do it, or look.
    pub call: Call,
}

/// A call that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepEnded {
    /// Its number.
    pub ticket: u32,
    /// How.
    pub outcome: StepOutcome,
    /// Why.
    pub code: Option<String>,
}

/// A refund that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundEnded {
    /// Which.
    pub id: Id,
    /// Why it was refused; `None` where the money went back.
    pub refused: Option<String>,
}

/// What a payment counts as in the window that it was made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Whose payment.
    pub payer_account_id: Id,
    /// When the window began, Unix milliseconds.
    pub window_ms: u64,
    /// How much it would have moved.
    pub amount: Amount,
}

/// One step of a saga, to be written whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaveSaga {
    /// Whose.
    pub tenant: Tenant,
    /// Which payment.
    pub id: Id,
    /// Who writes.
    pub owner: String,
    /// Under which fence.
    pub fence: i64,
    /// How often it was woken when it was taken.
    pub wakes: i64,
    /// The state from now on.
    pub saga: Saga,
    /// Unix milliseconds.
    pub now_ms: u64,
    /// What becomes of the lease.
    pub lease: LeaseChange,
    /// The call that ended.
    pub ended: Option<StepEnded>,
    /// The call that begins.
    pub began: Option<StepBegan>,
    /// The refund that ended.
    pub refund: Option<RefundEnded>,
    /// What the ledger moved in the step that ended, for the reconciliation.
    pub movement: Option<Movement>,
    /// What counts in its window no more: it failed before it set any money aside.
    pub uncounted: Option<Counted>,
    /// What the world is told.
    pub events: Vec<Event>,
}

/// Payments, their sagas and refunds. Every call is one atomic step; what returned `Ok` is durable.
///
/// - **Claims.** A key that is recorded gives back what was made under it, or the refusal; another fingerprint is
///   [`PaymentRefusal::KeyReused`]. Of racing copies one has the effect.
/// - **Leases.** A payment that is due is one process's at a time. A former owner's write is [`StoreError::Fenced`] and changes nothing.
/// - **Wakes.** A wake is never lost: it makes the payment due at once, or as soon as its lease is given up.
#[async_trait]
pub trait Payments: Send + Sync + std::fmt::Debug + 'static {
    /// Makes a payment, due at once, within what its payer may pay in the window.
    async fn create(
        &self,
        new: &NewPayment,
        now_ms: u64,
    ) -> Result<Result<Outcome<Payment>, PaymentRefusal>, StoreError>;

    /// What [`Payments::create`] answered under this claim; `None` where it is fresh.
    async fn recall(
        &self,
        tenant: &Tenant,
        claim: &Claim,
        now_ms: u64,
    ) -> Result<Option<Result<Outcome<Payment>, PaymentRefusal>>, StoreError>;

    /// One payment with its history.
    async fn load(&self, tenant: &Tenant, id: Id) -> Result<Option<PaymentHistory>, StoreError>;

    /// Payments by id, the newest first, before `before`.
    async fn list(
        &self,
        tenant: &Tenant,
        filter: &PaymentFilter,
        before: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Payment>, StoreError>;

    /// Payments of all tenants, by id (they are unique over tenants), in no order. What is unknown is left out.
    async fn find(&self, ids: &[Id]) -> Result<Vec<Payment>, StoreError>;

    /// Takes payments that are due and nobody's, the longest due first, for `owner` until `lease_until_ms`. Never waits for those that
    /// others are taking.
    async fn take_due(
        &self,
        owner: &str,
        now_ms: u64,
        lease_until_ms: u64,
        limit: u32,
    ) -> Result<Vec<Leased>, StoreError>;

    /// How many payments are due, carried by somebody or not, up to [`DUE_COUNTED_MAX`].
    async fn count_due(&self, now_ms: u64) -> Result<u64, StoreError>;

    /// Writes a step of a saga. [`StoreError::Fenced`] when another process has taken it since.
    async fn save(&self, save: &SaveSaga) -> Result<(), StoreError>;

    /// Makes a payment due at once, by its id alone; says whether there is one.
    async fn wake(&self, id: Id, now_ms: u64) -> Result<bool, StoreError>;

    /// Asks for a refund and wakes the payment's saga. What waits counts against what is left.
    async fn request_refund(
        &self,
        new: &NewRefund,
        now_ms: u64,
    ) -> Result<Result<Outcome<Refund>, PaymentRefusal>, StoreError>;

    /// How often an account has paid in a window: what is on its way counts, and what failed after it had set money aside.
    async fn payments_in_window(
        &self,
        tenant: &Tenant,
        account: Id,
        window_ms: u64,
    ) -> Result<u64, StoreError>;

    /// Forgets claims that expired at `now_ms` and windows that began before `window_ms`, at most `limit` of each; says how many.
    async fn collect_garbage(&self, now_ms: u64, window_ms: u64, limit: u32) -> Result<u64, StoreError>;
}

/// The port on an open database.
pub type SharedPayments = Arc<dyn Payments>;

/// The port on this database.
pub fn payments(database: &Database) -> SharedPayments {
    match database {
        Database::Sqlite(sql) => Arc::new(SqlitePayments::new(sql.clone())),
        Database::Postgres(sql) => Arc::new(PostgresPayments::new(sql.clone())),
    }
}
