//! What can go wrong with NATS, sorted by what the caller can do about it.

use async_nats::jetstream::ErrorCode;

use crate::UrlError;

/// An error of the engine. Unless it says `Unknown`, nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// The URL leads nowhere. Only an operator can change that.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// There is no connection, or the server cannot serve yet. Nothing was done.
    #[error("nats cannot be reached: {0}")]
    Unavailable(String),
    /// Too many requests waited for their answers. Nothing was done.
    #[error("too many requests to nats are in flight")]
    Overloaded,
    /// A read, or a step that may be repeated without harm, did not end within its deadline.
    #[error("nats did not answer within the deadline")]
    Deadline,
    /// A write was sent and its answer was not seen: it may stand, now or in a moment. Settle it by reading under a revision, or
    /// repeat it under the same message id.
    #[error("the outcome of the write to nats is unknown: {0}")]
    Unknown(String),
    /// A compare-and-set lost to somebody else at every try. Nothing was written.
    #[error("others changed it at every try")]
    Contended,
    /// What a write expected of the stream (its last message, the revision of a key) is not so. Nothing was written.
    #[error("nats refused the write: something else was written before it")]
    Conflict,
    /// A limit of the stream, the account or the disk is reached. Nothing was written.
    #[error("nats has no room: {0}")]
    Full(String),
    /// No such stream or message. Nothing was done.
    #[error("there is no such stream or message")]
    NotFound,
    /// The message is larger than the server takes. Nothing was written.
    #[error("the message is larger than nats takes")]
    TooLarge,
    /// This handle was closed, as at the end of the process. Nothing was done.
    #[error("the nats connection is closed")]
    Closed,
    /// An answer that the code does not believe possible: a defect, or somebody else's stream.
    #[error("unexpected answer of nats: {0}")]
    Unexpected(String),
}

impl NatsError {
    /// A stable name for logs, metrics and problem documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(_) => "nats_url",
            Self::Unavailable(_) => "nats_unavailable",
            Self::Overloaded => "nats_overloaded",
            Self::Deadline => "nats_deadline",
            Self::Unknown(_) => "nats_outcome_unknown",
            Self::Contended => "nats_contended",
            Self::Conflict => "nats_conflict",
            Self::Full(_) => "nats_full",
            Self::NotFound => "nats_not_found",
            Self::TooLarge => "nats_too_large",
            Self::Closed => "nats_closed",
            Self::Unexpected(_) => "nats_unexpected",
        }
    }

    /// Whether the same call may succeed later *and* certainly did nothing so far.
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_)
                | Self::Overloaded
                | Self::Contended
                | Self::Deadline
                | Self::Full(_)
                | Self::Closed
        )
    }

    /// Whether the write may or may not stand.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// An answer that did not come in time.
    pub(crate) fn late(effect: Effect) -> Self {
        match effect {
            Effect::Repeatable => Self::Deadline,
            Effect::Write => Self::Unknown("no answer within the deadline".to_owned()),
        }
    }

    /// The connection ended, or the client gave up on an answer.
    pub(crate) fn lost(effect: Effect, words: &impl ToString) -> Self {
        match effect {
            Effect::Repeatable => Self::Unavailable(words.to_string()),
            Effect::Write => Self::Unknown(words.to_string()),
        }
    }

    /// What the server answered in so many words: it did nothing.
    pub(crate) fn answered(error: &async_nats::jetstream::Error) -> Self {
        /// A write in a cluster whose expectation a write before it, still on its way, has broken.
        const WRONG_LAST_SEQUENCE_CONSTANT: u64 = 10_164;
        let words = error.to_string();
        match error.error_code() {
            ErrorCode::STREAM_WRONG_LAST_SEQUENCE
            | ErrorCode::STREAM_WRONG_LAST_MESSAGE_ID
            | ErrorCode(WRONG_LAST_SEQUENCE_CONSTANT) => Self::Conflict,
            ErrorCode::STREAM_NOT_FOUND | ErrorCode::SEQUENCE_NOT_FOUND => Self::NotFound,
            ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => Self::TooLarge,
            ErrorCode::STREAM_STORE_FAILED
            | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
            | ErrorCode::INSUFFICIENT_RESOURCES
            | ErrorCode::STORAGE_RESOURCES_EXCEEDED => Self::Full(words),
            ErrorCode::CLUSTER_NOT_AVAILABLE
            | ErrorCode::JETSTREAM_NOT_ENABLED
            | ErrorCode::STREAM_OFFLINE => Self::Unavailable(words),
            _ if error.code() == 503 => Self::Unavailable(words),
            _ => Self::Unexpected(words),
        }
    }
}

/// What a request may have done when its answer is not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing, or what repeating it does again without harm.
    Repeatable,
    /// A write that stands once it has arrived.
    Write,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_lost_every_time_is_told_from_a_server_without_room_and_may_be_tried_again() {
        let lost = NatsError::Contended;
        assert_eq!(lost.code(), "nats_contended");
        assert!(lost.retryable() && !lost.is_unknown());
    }
}
