//! Why a payment or a refund was not taken.

use problem::{Problem, StatusCode};
use serde::{Deserialize, Serialize};

/// A refusal that the store decided. Remembered under the request's idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum PaymentRefusal {
    /// One payment of more than an account pays in a window, however little it paid before.
    #[error("an account pays at most {max} minor units in an hour here, and this payment alone is more")]
    AmountExceedsLimit {
        /// In minor units.
        max: String,
    },
    /// Too many payments, or too much, of one account in one window.
    #[error("this account has paid as often or as much as it may for now")]
    VelocityExceeded,
    /// No such payment in this tenant.
    #[error("there is no such payment")]
    NotFound,
    /// It has not succeeded.
    #[error("only a payment that was captured can be refunded")]
    NotRefundable,
    /// More than is left of it.
    #[error("only {remaining} of it is left to be refunded")]
    RefundExceeds {
        /// In minor units, refunds that wait counted.
        remaining: String,
    },
    /// The key was used for another request.
    #[error("this Idempotency-Key was used for a different request")]
    KeyReused,
    /// What an earlier request with the same key was refused with, told again. Not recorded: the record is the first one's.
    #[error("{0}")]
    #[serde(skip)]
    Repeated(Box<PaymentRefusal>),
}

impl PaymentRefusal {
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

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AmountExceedsLimit { .. } => "amount_exceeds_limit",
            Self::VelocityExceeded => "velocity_exceeded",
            Self::NotFound => "payment_not_found",
            Self::NotRefundable => "payment_not_refundable",
            Self::RefundExceeds { .. } => "refund_exceeds",
            Self::KeyReused => "idempotency_key_reused",
            Self::Repeated(first) => first.code(),
        }
    }

    /// Of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotRefundable => StatusCode::CONFLICT,
            Self::Repeated(first) => first.status(),
            Self::AmountExceedsLimit { .. }
            | Self::VelocityExceeded
            | Self::RefundExceeds { .. }
            | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl From<&PaymentRefusal> for Problem {
    fn from(refusal: &PaymentRefusal) -> Self {
        let problem = Self::new(refusal.status(), refusal.code(), refusal.to_string());
        if refusal.is_repeat() {
            problem.header(crate::ledger::REPLAYED, http::HeaderValue::from_static("true"))
        } else {
            problem
        }
    }
}
