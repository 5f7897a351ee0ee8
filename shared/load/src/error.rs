//! Why a request had no answer.

use thiserror::Error;

/// Why a load could not be offered, or a request had no answer.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The target is not an `http://` address with a host and nothing after it.
    #[error("`{0}` is not a target: give http://HOST:PORT")]
    BadTarget(String),
    /// The target is another machine.
    #[error("`{0}` is not this machine: load is offered to loopback addresses only")]
    NotLoopback(String),
    /// No connection could be made: the request was certainly not sent.
    #[error("not connected: {0}")]
    NotSent(String),
    /// The connection broke before the whole answer came: the request may have been carried out.
    #[error("the answer was lost: {0}")]
    AnswerLost(String),
    /// The deadline passed: the request may have been carried out, or may yet be.
    #[error("no answer within {0} ms")]
    DeadlineExceeded(u128),
    /// The answer's body is larger than the client reads.
    #[error("the answer is larger than {0} bytes")]
    AnswerTooLarge(usize),
    /// The request itself cannot be built.
    #[error("the request cannot be built: {0}")]
    BadRequest(#[from] http::Error),
    /// As before, said of each copy of it.
    #[error("the request cannot be built: {0}")]
    Unbuildable(String),
}

impl LoadError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadTarget(_) => "bad_target",
            Self::NotLoopback(_) => "not_loopback",
            Self::NotSent(_) => "not_sent",
            Self::AnswerLost(_) => "answer_lost",
            Self::DeadlineExceeded(_) => "deadline_exceeded",
            Self::AnswerTooLarge(_) => "answer_too_large",
            Self::BadRequest(_) | Self::Unbuildable(_) => "bad_request",
        }
    }

    /// Whether the same request may succeed later (with the same idempotency key, if it changes something).
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Self::NotSent(_) | Self::AnswerLost(_) | Self::DeadlineExceeded(_)
        )
    }

    /// Whether the request may have been carried out although nothing was heard of it.
    pub fn outcome_is_unknown(&self) -> bool {
        matches!(
            self,
            Self::AnswerLost(_) | Self::DeadlineExceeded(_) | Self::AnswerTooLarge(_)
        )
    }
}
