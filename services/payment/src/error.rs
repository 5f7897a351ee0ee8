//! What an operation refuses or fails with, and what a client is told.

mod invalid;

pub(crate) use invalid::{Invalid, Wrong};

use std::time::Duration;

use idempotency::IdempotencyError;
use ids::IdError;
use problem::{Problem, StatusCode};

use crate::ledger::Refusal;
use crate::store::StoreError;
use crate::store::ledger::ChangeRefused;

/// When a client should try again after something on our side was away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The refusals and failures of the ledger's operations.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// A field of the request is not acceptable; nothing was asked of the ledger.
    #[error(transparent)]
    Invalid(#[from] Wrong),
    /// A parameter of the query is not acceptable.
    #[error("{name}: {detail}")]
    Parameter {
        /// Which one.
        name: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The ledger's rules say no. Nothing moved.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A row of a payment's: what becomes of it is the payment's alone, or its books and the processor's would differ.
    #[error("this belongs to payment {payment_id}; money goes back by /v1/payments/{payment_id}/refunds")]
    BelongsToPayment {
        /// Which.
        payment_id: ids::Id,
    },
    /// No such thing in this tenant: the word says what.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// An account cannot be changed so.
    #[error(transparent)]
    NotChanged(#[from] ChangeRefused),
    /// The idempotency key was refused.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// No id could be issued.
    #[error("no id can be issued now: {0}")]
    Id(#[from] IdError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many commands wait for a commit.
    #[error("too many commands wait for a commit; nothing moved")]
    Busy,
    /// The command was still waiting for its commit at its deadline, and was taken back.
    #[error("the command did not come to a commit in time; nothing moved")]
    Late,
    /// Whether it happened could not be settled in time.
    #[error("the outcome could not be settled in time: {0}")]
    Unsettled(String),
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        let said = error.to_string();
        match error {
            LedgerError::Invalid(wrong) => wrong.into(),
            LedgerError::Parameter { .. } => Self::invalid_request(said),
            LedgerError::Refused(refusal) => (&refusal).into(),
            LedgerError::NotFound(_) | LedgerError::NotChanged(ChangeRefused::NotFound) => Self::not_found(said),
            LedgerError::NotChanged(ChangeRefused::NotEmpty) => Self::conflict("account_not_empty", said),
            LedgerError::BelongsToPayment { .. } => Self::conflict("belongs_to_payment", said),
            LedgerError::Idempotency(error) => error.into(),
            LedgerError::Id(error) => Self::unavailable("no id can be issued now", RETRY_AFTER).cause(error),
            LedgerError::Busy | LedgerError::Late => Self::unavailable(said, RETRY_AFTER),
            LedgerError::Unsettled(cause) | LedgerError::Store(StoreError::Unknown(cause)) => Self::unavailable(
                "whether it happened is not known yet; repeat the request with the same Idempotency-Key, which finds out and never does it twice",
                RETRY_AFTER,
            )
            .cause(cause),
            LedgerError::Store(StoreError::Unavailable { .. } | StoreError::Fenced) => {
                Self::unavailable("the ledger cannot be reached; nothing moved", RETRY_AFTER).cause(said)
            }
            LedgerError::Store(StoreError::Damaged(_)) => Self::internal(said),
        }
    }
}

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        let status = match wrong.invalid {
            Invalid::KeyMissing => StatusCode::BAD_REQUEST,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let problem = Self::new(status, wrong.invalid.code(), wrong.to_string());
        if wrong.pointer.starts_with('/') {
            problem.field(wrong.pointer, wrong.invalid.to_string())
        } else {
            problem
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_reads_does_not_reach_the_client() {
        for error in [
            StoreError::Unavailable {
                code: "sql_unavailable",
                detail: "/data/x.db".into(),
                retryable: true,
            },
            StoreError::Damaged("row 7 of entry"),
            StoreError::Unknown("/data/x.db".into()),
        ] {
            let problem = Problem::from(LedgerError::from(error));
            let shown = serde_json::to_string(&problem.document()).unwrap();
            assert!(!shown.contains("x.db") && !shown.contains("row 7"), "{shown}");
            assert!(problem.operator_cause().is_some());
        }
    }

    #[test]
    fn an_unknown_outcome_says_that_the_request_is_to_be_repeated() {
        let problem = Problem::from(LedgerError::Unsettled("the connection broke".into()));
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(problem.retry_after_hint().is_some());
        assert!(problem.detail().contains("same Idempotency-Key"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field_and_its_code() {
        let problem = Problem::from(LedgerError::from(Wrong::at("/amount", Invalid::Amount)));
        assert_eq!(
            (problem.status().as_u16(), problem.code()),
            (422, "amount_invalid")
        );
        assert_eq!(
            problem.errors().first().map(|field| field.pointer.as_str()),
            Some("/amount")
        );
        let problem = Problem::from(LedgerError::from(Wrong::at(
            "Idempotency-Key",
            Invalid::KeyMissing,
        )));
        assert_eq!(
            (problem.status().as_u16(), problem.code()),
            (400, "idempotency_key_missing")
        );
        assert!(problem.errors().is_empty());
    }
}
