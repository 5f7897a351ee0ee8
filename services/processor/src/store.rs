//! What the processor must remember: charges, the money that moved, what each key was answered, and webhooks to deliver.

mod calls;
mod rows;
mod statements;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::charge::{Change, Charge, Movement, Refusal};

pub use calls::{PostgresStore, SqliteStore};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It did nothing: busy, full, out of reach.
    #[error("the processor's database (processor.database_url) is unavailable ({code}): {detail}")]
    Unavailable {
        /// The engine's own code.
        code: &'static str,
        /// For the operator.
        detail: String,
        /// Whether waiting may help.
        retryable: bool,
    },
    /// The write may or may not stand.
    #[error("the outcome of a write to the processor's database is unknown: {0}")]
    Unknown(String),
    /// What is stored makes no sense.
    #[error("the processor's database holds {0}")]
    Damaged(&'static str),
}

impl StoreError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { code, .. } => code,
            Self::Unknown(_) => "outcome_unknown",
            Self::Damaged(_) => "store_damaged",
        }
    }

    /// Whether the same call may succeed later and certainly did nothing so far.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Unavailable { retryable: true, .. })
    }

    /// Whether waiting may help, even if it is not certain that nothing was done.
    pub(crate) fn may_pass(&self) -> bool {
        self.retryable() || matches!(self, Self::Unknown(_))
    }
}

impl From<sql::SqlError> for StoreError {
    fn from(error: sql::SqlError) -> Self {
        let (code, retryable, detail) = (error.code(), error.retryable(), error.to_string());
        if error.is_unknown() {
            Self::Unknown(detail)
        } else {
            Self::Unavailable {
                code,
                detail,
                retryable,
            }
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        sql::SqlError::from(error).into()
    }
}

/// SHA-256 of an `Idempotency-Key`: the key itself is never stored.
pub type KeyHash = [u8; 32];

/// A change under a key.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Under which key.
    pub key: KeyHash,
    /// What is asked for under it.
    pub fingerprint: [u8; 32],
    /// How long the answer is remembered (unix ms).
    pub expires_at_ms: u64,
    /// What is to be done.
    pub change: Change,
    /// What money that moves is called.
    pub movement_id: String,
    /// When (unix ms).
    pub at_ms: u64,
    /// How it is told, if anybody is.
    pub tell: Option<Tell>,
}

/// How a webhook is made of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tell {
    /// Its id.
    pub id: String,
    /// How often it is delivered.
    pub copies: u32,
    /// From when on (unix ms).
    pub due_at_ms: u64,
}

/// What a key was answered, for as long as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done; the charge as it stood then.
    Done(Charge),
    /// It was refused, and nothing moved.
    Refused(Refusal),
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Performed {
    /// It was decided now.
    Fresh(Answer),
    /// It was decided before, under the same key.
    Replayed(Answer),
    /// The key stands for something else.
    Mismatch,
}

/// A webhook to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id, the same on each attempt.
    pub id: String,
    /// What it says.
    pub body: String,
    /// How often it is delivered.
    pub copies: u32,
    /// How often it was tried.
    pub attempts: u32,
}

/// What moved on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Days since 1970-01-01.
    pub number: u64,
    /// How many captures and refunds.
    pub movements: u64,
}

/// A place in a settlement: after the movement of that time and id.
pub type After = (u64, String);

/// Up to when what is old is deleted (unix ms).
#[derive(Debug, Clone, Copy)]
pub struct Ages {
    /// Keys that expire then or before.
    pub keys_ms: u64,
    /// Charges that last changed then or before, and what moved by them.
    pub charges_ms: u64,
    /// Webhooks made then or before.
    pub webhooks_ms: u64,
}

/// Every call is one atomic step: of two that race, one is first and the other sees its effect. What returned `Ok` outlives a crash. After
/// [`StoreError::Unknown`] the step may or may not have happened; every method may be repeated then.
#[async_trait]
pub trait Store: Send + Sync {
    /// Decides a change by the rules of [`Change::decide`] and keeps what it came to, with the key's answer (a refusal too) and the webhook,
    /// at once. Of many under one key exactly one is [`Performed::Fresh`]; a key that expired at `attempt.at_ms` or before is free.
    async fn perform(&self, attempt: &Attempt) -> Result<Performed, StoreError>;

    /// What a key was answered, unless that expired at `now_ms` or before.
    async fn recall(&self, key: &KeyHash, now_ms: u64) -> Result<Option<Answer>, StoreError>;

    /// A charge.
    async fn charge(&self, id: &str) -> Result<Option<Charge>, StoreError>;

    /// The refunds of a charge, oldest first.
    async fn refunds(&self, charge_id: &str, limit: u32) -> Result<Vec<Movement>, StoreError>;

    /// The charges of a reference, newest first.
    async fn by_reference(&self, reference: &str, limit: u32) -> Result<Vec<Charge>, StoreError>;

    /// What moved from `from_ms` to before `to_ms`, by time and id, after a place.
    async fn settled(
        &self,
        from_ms: u64,
        to_ms: u64,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<Movement>, StoreError>;

    /// The days (UTC) before `to_ms` on which something moved, latest first.
    async fn days(&self, to_ms: u64, limit: u32) -> Result<Vec<Day>, StoreError>;

    /// Webhooks that are due, longest due first.
    async fn due_webhooks(&self, now_ms: u64, limit: u32) -> Result<Vec<Webhook>, StoreError>;

    /// Takes an attempt at a webhook that was tried `attempts` times; the next is due at `next_at_ms`. Of racing takers exactly one gets it.
    async fn take_webhook(&self, id: &str, attempts: u32, next_at_ms: u64) -> Result<bool, StoreError>;

    /// A webhook was answered with 2xx: it is forgotten.
    async fn delivered(&self, id: &str) -> Result<(), StoreError>;

    /// How many webhooks nobody has answered yet.
    async fn pending_webhooks(&self) -> Result<u64, StoreError>;

    /// Deletes what is old, a bounded number at a time, and says how many webhooks were given up.
    async fn forget(&self, ages: &Ages) -> Result<u64, StoreError>;

    /// Whether it can be written right now; the error is for the operator.
    async fn probe(&self) -> Result<(), StoreError>;

    /// Gives its connections back; what is asked later is refused.
    async fn close(&self);
}
