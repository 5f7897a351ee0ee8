//! The port of what follows a captured payment: its receipt, and that merchants are told.

mod calls;
mod postgres;
mod sqlite;
mod told;

use std::sync::Arc;

use async_trait::async_trait;
use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

use super::{Database, StoreError};
use crate::ledger::Amount;

pub use postgres::PostgresReceipts;
pub use sqlite::SqliteReceipts;

/// A receipt as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Whose.
    pub tenant: Tenant,
    /// Of which payment; a payment has one at most.
    pub payment_id: Id,
    /// Unix milliseconds.
    pub issued_at_ms: u64,
    /// Since when it stands no more: the payment has gone back whole. Unix milliseconds.
    pub voided_at_ms: Option<u64>,
}

impl Receipt {
    /// As the API and events have it.
    pub fn state(&self) -> &'static str {
        match self.voided_at_ms {
            None => "issued",
            Some(_) => "voided",
        }
    }
}

/// That an event was put in line for merchants, who are told of it by its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What they will be told, such as `payment.captured`.
    pub kind: String,
    /// How many endpoints it was put in line for.
    pub endpoints: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// A refund, as the event of it tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundTold {
    /// Which.
    pub refund_id: Id,
    /// How much.
    pub amount: Amount,
    /// Whether nothing of the payment is left.
    pub whole: bool,
}

/// An event of a payment, as its consumers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Whose.
    pub tenant: Tenant,
    /// Which payment.
    pub payment_id: Id,
    /// Tells it from all others, however often it comes.
    pub event_id: String,
    /// Such as `payment.captured`.
    pub kind: String,
    /// The refund that it tells of.
    pub refund: Option<RefundTold>,
    /// The trace that what follows belongs to.
    pub traceparent: Option<String>,
    /// Now, by the consumer's clock. Unix milliseconds.
    pub now_ms: u64,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It had its effect now.
    Now,
    /// It had its effect before, or none is left to have.
    Before,
    /// There is no such payment.
    NoPayment,
}

/// Receipts and notifications. Each call is one atomic step, with the event that tells of it, and may be repeated: the effect of an
/// event is there once, however often it comes and whoever dies in between.
#[async_trait]
pub trait Receipts: Send + Sync + std::fmt::Debug + 'static {
    /// On `payment.captured`: writes the receipt, voided at once where the payment has gone back whole meanwhile, and tells
    /// `payment.receipt_issued`.
    async fn issue(&self, happened: &Happened) -> Result<Effect, StoreError>;

    /// On `payment.refunded`: voids the receipt of a payment that has gone back whole.
    async fn void(&self, happened: &Happened) -> Result<Effect, StoreError>;

    /// Writes down that merchants are told of an event, and puts it in line for each endpoint that wants it. On
    /// `payment.receipt_issued` they are told `payment.captured`, with payment and receipt as they stand by then; and
    /// `payment.notified` is told.
    async fn notify(&self, happened: &Happened) -> Result<Effect, StoreError>;

    /// The receipt of a payment.
    async fn receipt(&self, tenant: &Tenant, payment_id: Id) -> Result<Option<Receipt>, StoreError>;

    /// What merchants were told of a payment, in order: at most a few.
    async fn told(&self, tenant: &Tenant, payment_id: Id) -> Result<Vec<Told>, StoreError>;
}

/// The port on an open database.
pub type SharedReceipts = Arc<dyn Receipts>;

/// The port on `database`.
pub fn open(database: &Database) -> SharedReceipts {
    match database {
        Database::Sqlite(sql) => Arc::new(SqliteReceipts::new(sql.clone())),
        Database::Postgres(sql) => Arc::new(PostgresReceipts::new(sql.clone())),
    }
}
