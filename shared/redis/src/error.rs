//! What can go wrong with Redis, sorted by what the caller can do about it.

use redis::{ErrorKind, ServerErrorKind};

use crate::UrlError;
use crate::connection::Effect;

/// An error of the engine. Unless it says `Unknown`, nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The URL leads nowhere. Only an operator can change that.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// There is no connection, or the server cannot serve yet. Nothing was done.
    #[error("redis cannot be reached: {0}")]
    Unavailable(String),
    /// Too many commands were in flight. Nothing was done.
    #[error("too many commands to redis are in flight")]
    Overloaded,
    /// Redis was too slow a moment ago, so this call was not even tried. Nothing was done.
    #[error("redis was too slow a moment ago and is left alone")]
    Skipped,
    /// A read did not end within its deadline.
    #[error("redis did not answer within the deadline")]
    Deadline,
    /// A write was sent and its answer was not seen: it may stand, now or in a moment.
    #[error("the outcome of the write to redis is unknown: {0}")]
    Unknown(String),
    /// The memory that redis may use is full and its policy evicts nothing. Nothing was done.
    #[error("redis is full")]
    Full,
    /// The server takes no writes: a replica, or one that cannot save. Nothing was done.
    #[error("redis takes no writes: {0}")]
    ReadOnly(String),
    /// The user, the password or its rights are not accepted.
    #[error("redis refused us: {0}")]
    Denied(String),
    /// This handle was closed, as at the end of the process. Nothing was done.
    #[error("the redis connection is closed")]
    Closed,
    /// An answer that the code does not believe possible: a defect, or somebody else's key. A script may have written before it.
    #[error("unexpected answer of redis: {0}")]
    Unexpected(String),
}

impl RedisError {
    /// A stable name for logs, metrics and problem documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(_) => "redis_url",
            Self::Unavailable(_) => "redis_unavailable",
            Self::Overloaded => "redis_overloaded",
            Self::Skipped => "redis_skipped",
            Self::Deadline => "redis_deadline",
            Self::Unknown(_) => "redis_outcome_unknown",
            Self::Full => "redis_full",
            Self::ReadOnly(_) => "redis_read_only",
            Self::Denied(_) => "redis_denied",
            Self::Closed => "redis_closed",
            Self::Unexpected(_) => "redis_unexpected",
        }
    }

    /// Whether the same call may succeed later *and* certainly did nothing so far.
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_)
                | Self::Overloaded
                | Self::Skipped
                | Self::Deadline
                | Self::Full
                | Self::ReadOnly(_)
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
            Effect::Read => Self::Deadline,
            Effect::Write => Self::Unknown("no answer within the deadline".to_owned()),
        }
    }

    /// The driver's error about a command that had an established connection.
    pub(crate) fn sorted(error: &redis::RedisError, effect: Effect) -> Self {
        let words = error.to_string();
        match (error.kind(), error.code().unwrap_or_default()) {
            (ErrorKind::Io, _) => match effect {
                Effect::Read => Self::Unavailable(words),
                Effect::Write => Self::Unknown(words),
            },
            (_, "OOM") => Self::Full,
            (_, "MISCONF" | "NOREPLICAS") | (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => {
                Self::ReadOnly(words)
            }
            (_, "NOAUTH" | "WRONGPASS")
            | (ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm), _) => {
                Self::Denied(words)
            }
            (_, "BUSY")
            | (
                ErrorKind::Server(
                    ServerErrorKind::BusyLoading
                    | ServerErrorKind::TryAgain
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown,
                ),
                _,
            ) => Self::Unavailable(words),
            _ => Self::Unexpected(words),
        }
    }

    /// The driver's error while a connection was being made.
    pub(crate) fn connecting(error: &redis::RedisError) -> Self {
        match Self::sorted(error, Effect::Read) {
            denied @ Self::Denied(_) => denied,
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
