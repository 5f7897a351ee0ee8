use problem::{Problem, StatusCode};
use std::time::Duration;

/// Why a request with an idempotency key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdempotencyError {
    /// The header is there twice, empty, too long, or has characters that do not belong.
    #[error("the Idempotency-Key header must be given once, as 1 to 255 visible ASCII characters")]
    MalformedKey,
    /// The key was used for another request.
    #[error("this Idempotency-Key was used for a different request")]
    Mismatch,
    /// The first request with this key has no answer yet.
    #[error("a request with this Idempotency-Key is still being worked on")]
    InFlight {
        /// When to ask again.
        retry_after: Duration,
    },
    /// Too many keys are in flight.
    #[error("too many requests with an Idempotency-Key are being worked on")]
    Overloaded {
        /// When to ask again.
        retry_after: Duration,
    },
}

impl IdempotencyError {
    /// The stable code of the problem document.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MalformedKey => "idempotency_key_malformed",
            Self::Mismatch => "idempotency_key_reused",
            Self::InFlight { .. } => "idempotency_in_flight",
            Self::Overloaded { .. } => "idempotency_overloaded",
        }
    }

    /// Whether the same request may succeed later.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::InFlight { .. } | Self::Overloaded { .. })
    }
}

impl From<IdempotencyError> for Problem {
    fn from(error: IdempotencyError) -> Self {
        let status = match error {
            IdempotencyError::MalformedKey => StatusCode::BAD_REQUEST,
            IdempotencyError::Mismatch => StatusCode::UNPROCESSABLE_ENTITY,
            IdempotencyError::InFlight { .. } => StatusCode::CONFLICT,
            IdempotencyError::Overloaded { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        let problem = Self::new(status, error.code(), error.to_string());
        match error {
            IdempotencyError::InFlight { retry_after } | IdempotencyError::Overloaded { retry_after } => {
                problem.retry_after(retry_after)
            }
            IdempotencyError::MalformedKey | IdempotencyError::Mismatch => problem,
        }
    }
}

/// What `InFlight::run` fails with: the join's own refusal, or what the caller's work failed with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError<E> {
    /// The request was refused before its work began.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// The work ran for this caller and failed.
    #[error("{0}")]
    Work(E),
}
