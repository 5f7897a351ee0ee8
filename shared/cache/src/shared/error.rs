use std::time::Duration;

/// Why the shared level did not do what it was asked. Whatever was asked may still happen, and does no harm if it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SharedError {
    /// It cannot be reached, or failed.
    #[error("the shared cache failed: {0}")]
    Failed(String),
    /// It did not answer in time.
    #[error("the shared cache did not answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// It failed a moment ago and is left alone; this call was not made.
    #[error("the shared cache failed a moment ago and is left alone")]
    Skipped,
    /// Too many writes of this key, or leases, are under way; this call did nothing.
    #[error("too many writes are under way in the shared cache")]
    Busy,
    /// It holds something that this program cannot read.
    #[error("the shared cache holds what cannot be read: {0}")]
    Corrupt(String),
}

impl SharedError {
    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Failed(_) => "cache_shared_failed",
            Self::TimedOut(_) => "cache_shared_timed_out",
            Self::Skipped => "cache_shared_skipped",
            Self::Busy => "cache_shared_busy",
            Self::Corrupt(_) => "cache_shared_corrupt",
        }
    }

    /// Whether the same call may succeed later. Repeating a call is always safe.
    pub fn retryable(&self) -> bool {
        !matches!(self, Self::Corrupt(_))
    }

    /// Whether the call may have had its effect all the same.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::TimedOut(_))
    }
}
