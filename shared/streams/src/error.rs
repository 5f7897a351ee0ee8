//! What can go wrong between a producer, the log and a consumer.

use nats::NatsError;
use sql::SqlError;

/// An error of a stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The stream holds as much as it may. Nothing of the batch was stored, and nothing older was dropped for it.
    #[error("the stream is full")]
    Full,
    /// An event's data is larger than it may be. Nothing of the batch was stored.
    #[error("event data of {bytes} bytes; at most {max} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// More events in one call than it may have. Nothing was stored.
    #[error("{events} events in one batch; at most {max} are taken")]
    BatchTooLarge {
        /// How many there were.
        events: usize,
        /// The limit.
        max: usize,
    },
    /// A field of an event, or the name of a stream or group, is empty, too long or malformed.
    #[error("{field} is not valid: {reason}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is asked of it.
        reason: &'static str,
    },
    /// The claim was taken over by another consumer. Whatever was done under it since may be done again by that one.
    #[error("the claim on partition {partition} was taken over by another consumer")]
    Fenced {
        /// The partition it was for.
        partition: u8,
    },
    /// No such dead letter, or it was replayed before.
    #[error("no dead letter {id} that waits for a replay")]
    NoDeadLetter {
        /// The id asked for.
        id: u64,
    },
    /// SQLite failed; its own error says whether the write may stand.
    #[error(transparent)]
    Engine(#[from] SqlError),
    /// NATS failed; its own error says whether the write may stand.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// A part of the batch is stored and the rest may be. Publishing the batch again stores what is missing.
    #[error("a part of the batch was stored: {0}")]
    Partial(NatsError),
}

impl StreamError {
    /// A stable name for logs, metrics and problem documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Full => "stream_full",
            Self::TooLarge { .. } => "stream_event_too_large",
            Self::BatchTooLarge { .. } => "stream_batch_too_large",
            Self::Invalid { .. } => "stream_event_invalid",
            Self::Fenced { .. } => "stream_claim_fenced",
            Self::NoDeadLetter { .. } => "stream_no_dead_letter",
            Self::Engine(error) => error.code(),
            Self::Nats(error) => error.code(),
            Self::Partial(_) => "stream_batch_partial",
        }
    }

    /// Whether the same call may succeed later. For a publish that includes an unknown outcome: the same event ids are
    /// taken once only.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Full | Self::Partial(_) => true,
            Self::Engine(error) => error.retryable() || error.is_unknown(),
            Self::Nats(error) => error.retryable() || error.is_unknown(),
            _ => false,
        }
    }

    /// Whether the write may or may not stand.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_unknown(),
            Self::Nats(error) => error.is_unknown(),
            Self::Partial(_) => true,
            _ => false,
        }
    }
}

impl From<sqlx::Error> for StreamError {
    fn from(error: sqlx::Error) -> Self {
        Self::Engine(error.into())
    }
}
