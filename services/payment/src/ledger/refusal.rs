//! Why the ledger said no. Nothing moved.

use ids::Id;
use problem::{Problem, StatusCode};
use serde::{Deserialize, Serialize};

/// Says of an answer, a refusal included, that it is the one the first request with its key got.
pub(crate) const REPLAYED: http::HeaderName = http::HeaderName::from_static("idempotency-replayed");

/// A command that was refused by the ledger's rules. Remembered under its idempotency key, so that a repeat hears the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Refusal {
    /// No such account in this tenant.
    #[error("there is no account {account_id}")]
    AccountNotFound {
        /// Which.
        account_id: Id,
    },
    /// The account is closed.
    #[error("account {account_id} is closed")]
    AccountClosed {
        /// Which.
        account_id: Id,
    },
    /// A posting in another currency than its account's.
    #[error("account {account_id} is in another currency")]
    CurrencyMismatch {
        /// Which.
        account_id: Id,
    },
    /// It would go below zero, what is held of it included.
    #[error("account {account_id} has not enough available")]
    InsufficientFunds {
        /// Which.
        account_id: Id,
    },
    /// It would go above zero.
    #[error("account {account_id} may not go above zero")]
    LimitExceeded {
        /// Which.
        account_id: Id,
    },
    /// A balance would leave 64 bits.
    #[error("the balance of account {account_id} would grow past 2^63-1")]
    BalanceOverflow {
        /// Which.
        account_id: Id,
    },
    /// Debits and credits differ; only a defect leads here.
    #[error("debits and credits differ in a currency")]
    Unbalanced,
    /// The id that the client chose is another row's or account's.
    #[error("the id {id} is taken")]
    IdTaken {
        /// Which.
        id: Id,
    },
    /// No such hold in this tenant.
    #[error("there is no hold {hold_id}")]
    HoldNotFound {
        /// Which.
        hold_id: Id,
    },
    /// The hold was captured, voided or is expired.
    #[error("hold {hold_id} is not open any more")]
    HoldNotOpen {
        /// Which.
        hold_id: Id,
    },
    /// Its time is over.
    #[error("the time of hold {hold_id} is over")]
    HoldExpired {
        /// Which.
        hold_id: Id,
    },
    /// An expiry before its time.
    #[error("the time of hold {hold_id} is not over")]
    HoldNotExpired {
        /// Which.
        hold_id: Id,
    },
    /// More than is left of the hold.
    #[error("hold {hold_id} has only {remaining} left")]
    CaptureExceedsHold {
        /// Which.
        hold_id: Id,
        /// What is left, in minor units.
        remaining: String,
    },
    /// No such row in this tenant.
    #[error("there is no transfer {journal_id}")]
    TransferNotFound {
        /// Which.
        journal_id: Id,
    },
    /// A hold, void, expiry or reversal: nothing that could be reversed.
    #[error("{journal_id} cannot be reversed: it is none that moved money first")]
    NotReversible {
        /// Which.
        journal_id: Id,
    },
    /// More than is left of it.
    #[error("only {remaining} of {journal_id} is not reversed yet")]
    ReversalExceeds {
        /// Which.
        journal_id: Id,
        /// What is left, in minor units.
        remaining: String,
    },
    /// The key was used for another request.
    #[error("this Idempotency-Key was used for a different request")]
    KeyReused,
    /// Another part of an all-or-nothing batch was refused.
    #[error("another transfer of this all-or-nothing batch was refused")]
    NotAlone,
    /// What an earlier request with the same key was refused with, told again. Not recorded: the record is the first one's.
    #[error("{0}")]
    #[serde(skip)]
    Repeated(Box<Refusal>),
}

impl Refusal {
    /// As a request hears it that is not the first with its key. That a key is another request's is judged anew each time.
    pub(crate) fn repeated(self) -> Self {
        match self {
            Self::Repeated(_) | Self::KeyReused => self,
            first => Self::Repeated(Box::new(first)),
        }
    }

    /// Whether an earlier request with the same key heard it first.
    pub fn is_repeat(&self) -> bool {
        matches!(self, Self::Repeated(_))
    }

    /// As it was said first.
    #[must_use]
    pub fn first(self) -> Self {
        match self {
            Self::Repeated(first) => *first,
            first => first,
        }
    }

    /// The stable code of the problem document.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AccountNotFound { .. } => "account_not_found",
            Self::AccountClosed { .. } => "account_closed",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::LimitExceeded { .. } => "limit_exceeded",
            Self::BalanceOverflow { .. } => "balance_overflow",
            Self::Unbalanced => "unbalanced",
            Self::IdTaken { .. } => "id_taken",
            Self::HoldNotFound { .. } => "hold_not_found",
            Self::HoldNotOpen { .. } => "hold_not_open",
            Self::HoldExpired { .. } => "hold_expired",
            Self::HoldNotExpired { .. } => "hold_not_expired",
            Self::CaptureExceedsHold { .. } => "capture_exceeds_hold",
            Self::TransferNotFound { .. } => "transfer_not_found",
            Self::NotReversible { .. } => "not_reversible",
            Self::ReversalExceeds { .. } => "reversal_exceeds",
            Self::KeyReused => "idempotency_key_reused",
            Self::Repeated(first) => first.code(),
            Self::NotAlone => "batch_refused",
        }
    }

    /// Of the answer: 404 for what the path names, 409 for what is in the way now, else 422.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::IdTaken { .. }
            | Self::HoldNotOpen { .. }
            | Self::HoldExpired { .. }
            | Self::HoldNotExpired { .. }
            | Self::NotAlone => StatusCode::CONFLICT,
            Self::HoldNotFound { .. } | Self::TransferNotFound { .. } => StatusCode::NOT_FOUND,
            Self::Repeated(first) => first.status(),
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let problem = Self::new(refusal.status(), refusal.code(), refusal.to_string());
        if refusal.is_repeat() {
            problem.header(crate::ledger::REPLAYED, http::HeaderValue::from_static("true"))
        } else {
            problem
        }
    }
}
