//! Why a payment or a refund was not taken, and what the client is told.

use std::time::Duration;

use idempotency::IdempotencyError;
use ids::IdError;
use problem::{Problem, StatusCode};

use crate::ledger::Refusal;
use crate::payment::PaymentRefusal;
use crate::store::StoreError;

/// When a client should try again after something on our side was away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is wrong with a request for a payment or a refund.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPayment {
    /// Not a positive whole number of minor units.
    #[error(
        "an amount is a string of digits, 1 to 9223372036854775807 minor units, without sign, point or leading zeros"
    )]
    Amount,
    /// Above the limit.
    #[error("at most {max} minor units are paid at once here")]
    AmountOverLimit {
        /// The limit.
        max: u64,
    },
    /// Not of ISO 4217.
    #[error("a currency is an ISO 4217 code in capitals, like EUR, that has minor units")]
    Currency,
    /// Not on the list.
    #[error("this currency is not among those that can be paid in here")]
    CurrencyNotAllowed,
    /// Not an id.
    #[error("an id is a string of digits, 1 to 9223372036854775807, without leading zeros")]
    Id,
    /// Payer and merchant are one.
    #[error("the payer pays somebody else: this is the same account on both sides")]
    SameAccount,
    /// Not a token. What was sent is not repeated: it may be a card.
    #[error("a method is a token of the processor, `tok_` and up to 124 letters, digits and underscores")]
    Method,
    /// Too long, or not for people.
    #[error("must be 1 to {chars_max} characters, without control characters")]
    Text {
        /// The limit.
        chars_max: usize,
    },
}

impl InvalidPayment {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Amount => "amount_invalid",
            Self::AmountOverLimit { .. } => "amount_over_limit",
            Self::Currency => "currency_unknown",
            Self::CurrencyNotAllowed => "currency_not_allowed",
            Self::Id => "id_invalid",
            Self::SameAccount => "same_account",
            Self::Method => "method_invalid",
            Self::Text { .. } => "text_invalid",
        }
    }

    /// At this field.
    pub(super) fn at(self, pointer: &'static str) -> PaymentError {
        PaymentError::Invalid {
            pointer,
            invalid: self,
        }
    }
}

/// The refusals and failures of payments.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum PaymentError {
    /// A field is not acceptable.
    #[error("{pointer}: {invalid}")]
    Invalid {
        /// A JSON pointer.
        pointer: &'static str,
        /// What.
        invalid: InvalidPayment,
    },
    /// A parameter of the query is not acceptable.
    #[error("{name}: {detail}")]
    Parameter {
        /// Which one.
        name: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// Somewhere in the request stands what looks like a card number. It is repeated nowhere.
    #[error("this looks like a card number; pay with a token of the processor, and never send card data")]
    CardNumber,
    /// A payment needs a key.
    #[error("each POST that moves money needs an Idempotency-Key header, 1 to 255 visible ASCII characters")]
    KeyMissing,
    /// No such payment in this tenant.
    #[error("there is no such payment")]
    NotFound,
    /// The store's rules say no.
    #[error(transparent)]
    Refused(#[from] PaymentRefusal),
    /// An account that cannot pay or be paid so, as the ledger calls it.
    #[error("{pointer}: {refusal}")]
    Account {
        /// A JSON pointer.
        pointer: &'static str,
        /// Why.
        refusal: Refusal,
    },
    /// The idempotency key was refused.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// No id could be issued.
    #[error("no id can be issued now: {0}")]
    Id(#[from] IdError),
    /// The payer's details could not be kept.
    #[error("the payer's details could not be kept: {0}")]
    Vault(String),
    /// The payer's details could not be opened.
    #[error("the payer's details could not be opened: {0}")]
    Unopened(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PaymentError> for Problem {
    fn from(error: PaymentError) -> Self {
        let said = error.to_string();
        match error {
            PaymentError::Invalid { pointer, invalid } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, invalid.code(), said)
                    .field(pointer, invalid.to_string())
            }
            PaymentError::Parameter { .. } => Self::invalid_request(said),
            PaymentError::CardNumber => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "card_number_refused", said)
            }
            PaymentError::KeyMissing => Self::new(StatusCode::BAD_REQUEST, "idempotency_key_missing", said),
            PaymentError::NotFound => (&PaymentRefusal::NotFound).into(),
            PaymentError::Refused(refusal) => (&refusal).into(),
            PaymentError::Account { pointer, refusal } => {
                Self::new(refusal.status(), refusal.code(), said).field(pointer, refusal.to_string())
            }
            PaymentError::Idempotency(error) => error.into(),
            PaymentError::Id(error) => Self::unavailable("no id can be issued now", RETRY_AFTER).cause(error),
            PaymentError::Vault(cause) => {
                Self::unavailable("the payer's details cannot be kept now; nothing was paid", RETRY_AFTER)
                    .cause(cause)
            }
            PaymentError::Unopened(cause) => {
                Self::unavailable("the payer's details cannot be opened now", RETRY_AFTER).cause(cause)
            }
            PaymentError::Store(StoreError::Unknown(cause)) => Self::unavailable(
                "whether it was taken is not known yet; repeat the request with the same Idempotency-Key, which finds out and never does it twice",
                RETRY_AFTER,
            )
            .cause(cause),
            PaymentError::Store(StoreError::Unavailable { .. } | StoreError::Fenced) => {
                Self::unavailable("payments cannot be reached; nothing was paid", RETRY_AFTER).cause(said)
            }
            PaymentError::Store(StoreError::Damaged(_)) => Self::internal(said),
        }
    }
}
