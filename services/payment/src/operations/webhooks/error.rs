//! What the operations of webhooks refuse or fail with, and what a client is told.

use std::time::Duration;

use ids::IdError;
use outbound::OutboundError;
use problem::{Problem, StatusCode};

use crate::store::StoreError;
use crate::store::webhooks::NotCreated;
use crate::vault::{NotOpened, VaultError};

/// When a client should try again after something on our side was away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is said of a card number.
const CARD_NUMBER: &str = "this looks like a card number; never send card data";

/// The refusals and failures of webhooks' operations.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum HookError {
    /// A field, or a parameter of the query.
    #[error("{pointer}: {detail}")]
    Invalid {
        /// A JSON pointer into the body, or the name of a parameter.
        pointer: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The address may not be called.
    #[error("/url: {0}")]
    Url(#[from] OutboundError),
    /// A field has what looks like a card number. It is repeated nowhere.
    #[error("{0}: {CARD_NUMBER}")]
    CardNumber(&'static str),
    /// No such thing in this tenant: the word says what.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It was not made.
    #[error(transparent)]
    NotCreated(#[from] NotCreated),
    /// What is disabled gets nothing.
    #[error("the endpoint is disabled; enable it first")]
    Disabled,
    /// No id could be issued.
    #[error("no id can be issued now: {0}")]
    Id(#[from] IdError),
    /// A secret, or something of the vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The idempotency key was refused.
    #[error(transparent)]
    Idempotency(#[from] idempotency::IdempotencyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl HookError {
    /// One wrong field or parameter.
    pub(crate) fn invalid(pointer: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid {
            pointer,
            detail: detail.into(),
        }
    }
}

impl From<NotOpened> for HookError {
    fn from(error: NotOpened) -> Self {
        Self::Vault(error.into())
    }
}

impl From<HookError> for Problem {
    fn from(error: HookError) -> Self {
        let said = error.to_string();
        if let Some(store) = error.store() {
            return unavailable(store, said);
        }
        match error {
            HookError::Invalid { pointer, detail } if pointer.starts_with('/') => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "webhook_endpoint_invalid", said)
                    .field(pointer, detail)
            }
            HookError::Url(error) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.code(), said)
                .field("/url", error.to_string()),
            HookError::CardNumber(pointer) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "card_number_refused", said)
                    .field(pointer, CARD_NUMBER)
            }
            HookError::NotFound(_) => Self::not_found(said),
            HookError::NotCreated(NotCreated::TooMany { .. }) => {
                Self::conflict("too_many_webhook_endpoints", said)
            }
            HookError::NotCreated(NotCreated::KeyReused) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", said)
            }
            HookError::Disabled => Self::conflict("webhook_endpoint_disabled", said),
            HookError::Id(error) => Self::unavailable("no id can be issued now", RETRY_AFTER).cause(error),
            HookError::Invalid { .. } | HookError::Vault(VaultError::Name | VaultError::TooLarge) => {
                Self::invalid_request(said)
            }
            HookError::Vault(VaultError::Contended) => Self::unavailable(said, RETRY_AFTER),
            HookError::Idempotency(error) => error.into(),
            HookError::Vault(_) | HookError::Store(_) => Self::internal(said),
        }
    }
}

fn unavailable(error: &StoreError, said: String) -> Problem {
    match error {
        StoreError::Unknown(cause) => Problem::unavailable(
            "whether it happened is not known yet; repeat the request, with the same Idempotency-Key if it had one",
            RETRY_AFTER,
        )
        .cause(cause),
        StoreError::Unavailable { .. } | StoreError::Fenced => {
            Problem::unavailable("the database cannot be reached; nothing was changed", RETRY_AFTER).cause(said)
        }
        StoreError::Damaged(_) => Problem::internal(said),
    }
}
