//! Payments: what is asked for, what is kept of it, and what is not to be done. No I/O.

mod method;
mod refusal;
pub mod risk;

use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

pub use method::{InvalidMethod, Method};
pub use refusal::PaymentRefusal;

use crate::ledger::{Amount, Currency};
use crate::protocol::saga::{Call, Saga, Step};

/// A payment as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Whose.
    pub tenant: Tenant,
    /// A Snowflake; unique over all tenants.
    pub id: Id,
    /// Who pays: debited.
    pub payer_account_id: Id,
    /// Who gets it: credited.
    pub merchant_account_id: Id,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// The processor's token for the means of payment.
    pub method: Method,
    /// For people.
    pub description: Option<String>,
    /// The record of the vault that says who pays, where the client said it.
    pub payer: Option<String>,
    /// Which rows it makes in the journal.
    pub rows: JournalRows,
    /// Where it stands.
    pub saga: Saga,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Unix milliseconds.
    pub updated_at_ms: u64,
    /// The trace of the request that made it; what comes of it is a part of that.
    pub traceparent: Option<String>,
}

impl Payment {
    /// Under which person the vault keeps what is known of the payer.
    pub fn person(payer_account_id: Id) -> String {
        format!("account/{payer_account_id}")
    }

    /// What the processor knows it by.
    pub fn reference(&self) -> String {
        reference(self.id)
    }
}

/// What the processor knows a payment by.
pub fn reference(payment: Id) -> String {
    format!("payment/{payment}")
}

/// The payment that a reference names.
pub fn referred(reference: &str) -> Option<Id> {
    reference.strip_prefix("payment/")?.parse().ok()
}

/// Ids of the rows that a payment makes in the journal, chosen when it is made so that each attempt names the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalRows {
    /// The hold.
    pub hold: Id,
    /// Its capture.
    pub capture: Id,
    /// Its release.
    pub release: Id,
}

/// Ids of the rows that a refund makes in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundRows {
    /// The hold on the merchant's money.
    pub hold: Id,
    /// Its release.
    pub release: Id,
    /// The reversal of the capture.
    pub reversal: Id,
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// It waits its turn or is under way.
    Pending,
    /// The money went back.
    Done,
    /// It was refused, and nothing moved; but for `refund_not_posted`: the processor had sent it back, and the ledger took it no more.
    Refused,
}

impl RefundState {
    /// As the store keeps it.
    pub const fn code(self) -> i16 {
        match self {
            Self::Pending => 0,
            Self::Done => 1,
            Self::Refused => 2,
        }
    }

    /// Read back from the store.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Pending, Self::Done, Self::Refused]
            .into_iter()
            .find(|state| state.code() == code)
    }
}

/// Money that goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Whose.
    pub tenant: Tenant,
    /// A Snowflake.
    pub id: Id,
    /// Of which payment.
    pub payment_id: Id,
    /// How much.
    pub amount: Amount,
    /// Where it stands.
    pub state: RefundState,
    /// Why it was refused: a stable code.
    pub refused: Option<String>,
    /// Which rows it makes in the journal.
    pub rows: RefundRows,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Unix milliseconds.
    pub ended_at_ms: Option<u64>,
}

/// How a call ended, as the history keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// Done.
    Done,
    /// Refused, and not done.
    Refused,
    /// Nobody knows.
    Unknown,
    /// Not done: what does it is away.
    Unavailable,
    /// The lookup found the charge.
    Found,
    /// The lookup found nothing.
    NotFound,
    /// The process that began it was lost.
    Interrupted,
}

impl StepOutcome {
    const ALL: [Self; 7] = [
        Self::Done,
        Self::Refused,
        Self::Unknown,
        Self::Unavailable,
        Self::Found,
        Self::NotFound,
        Self::Interrupted,
    ];

    /// As the store keeps it and the API shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Unavailable => "unavailable",
            Self::Found => "found",
            Self::NotFound => "not_found",
            Self::Interrupted => "interrupted",
        }
    }

    /// Read back from the store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// One call of the saga, in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// Its place.
    pub place: u32,
    /// Of which step.
    pub step: Step,
    /// Done, or only looked at.
    pub call: Call,
    /// Unix milliseconds.
    pub began_at_ms: u64,
    /// Unix milliseconds.
    pub ended_at_ms: Option<u64>,
    /// How it ended.
    pub outcome: Option<StepOutcome>,
    /// Why, where it was refused.
    pub code: Option<String>,
}

/// A payment with its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentHistory {
    /// The payment.
    pub payment: Payment,
    /// What was tried.
    pub steps: Vec<StepRecord>,
    /// What went back, or is to.
    pub refunds: Vec<Refund>,
}
