//! What can go wrong in the processor, and what a client is told of it.

use std::path::PathBuf;
use std::time::Duration;

use idempotency::{IdempotencyError, RunError};
use problem::{Problem, StatusCode};
use server::ServeError;

use crate::charge::Refusal;
use crate::store::StoreError;

/// Everything that can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// A setting that cannot be used.
    #[error("processor.{setting}: {detail}")]
    Setting {
        /// Its name below `processor.`.
        setting: &'static str,
        /// What is wrong and what would be right.
        detail: String,
    },
    /// The file of a secret cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The rules of charges refuse it: nothing moved.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A field is not acceptable.
    #[error("{detail}")]
    Field {
        /// Where: a JSON pointer.
        pointer: &'static str,
        /// What would be right.
        detail: String,
    },
    /// Nobody knows the token.
    #[error("there is no such token: the test tokens stand in the processor's README.md")]
    MethodUnknown,
    /// An `Idempotency-Key` is missing.
    #[error("this request moves money and needs an Idempotency-Key header")]
    KeyMissing,
    /// The key was used otherwise, or a request with it is under way.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// A lookup found nothing, but a request is under way that may yet make it.
    #[error("a request with this reference is still being worked on")]
    InFlight,
    /// The day is not over, or its settlement is not published yet.
    #[error("the settlement of that day is not published (yet)")]
    NotPublished,
    /// Faults cannot be switched on here.
    #[error("fault controls are off (processor.fault_controls)")]
    NoFaultControls,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A worker ended though nobody asked it to.
    #[error("a worker of the processor ended: {0}")]
    Worker(String),
    /// The HTTP server failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl ProcessorError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting { .. } => "setting_invalid",
            Self::SecretFile { .. } => "secret_file_unreadable",
            Self::Refused(refusal) => refusal.code(),
            Self::Field { .. } => "invalid_request",
            Self::MethodUnknown => "method_unknown",
            Self::KeyMissing => "idempotency_key_missing",
            Self::Idempotency(error) => error.code(),
            Self::InFlight => "charge_in_flight",
            Self::NotPublished => "settlement_not_published",
            Self::NoFaultControls => "fault_controls_off",
            Self::Store(error) => error.code(),
            Self::Worker(_) => "worker_ended",
            Self::Serve(_) => "serve_failed",
        }
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.retryable(),
            Self::Idempotency(error) => error.retryable(),
            Self::InFlight => true,
            _ => false,
        }
    }
}

impl From<RunError<ProcessorError>> for ProcessorError {
    fn from(error: RunError<ProcessorError>) -> Self {
        match error {
            RunError::Idempotency(error) => error.into(),
            RunError::Work(error) => error,
        }
    }
}

/// When to ask again for what is under way or out of reach.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a client sees: nothing of the inside.
impl From<ProcessorError> for Problem {
    fn from(error: ProcessorError) -> Self {
        let (code, said) = (error.code(), error.to_string());
        match error {
            ProcessorError::Refused(Refusal::NotFound) => Self::not_found(said),
            ProcessorError::Refused(_) | ProcessorError::MethodUnknown => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, said)
            }
            ProcessorError::Field { pointer, .. } => Self::invalid_field(pointer, said),
            ProcessorError::KeyMissing => Self::malformed(code, said),
            ProcessorError::Idempotency(error) => error.into(),
            ProcessorError::InFlight => Self::conflict(code, said).retry_after(RETRY_AFTER),
            ProcessorError::NotPublished => Self::new(StatusCode::NOT_FOUND, code, said),
            ProcessorError::NoFaultControls => Self::new(StatusCode::FORBIDDEN, code, said),
            // The edge logs it, once, with this cause.
            ProcessorError::Store(error) if error.may_pass() => Self::unavailable(
                "the processor cannot reach its database: ask again with the same Idempotency-Key",
                RETRY_AFTER,
            )
            .cause(error),
            other => Self::internal(other),
        }
    }
}
