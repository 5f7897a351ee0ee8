use leases::LeadershipError;
use sql::SqlError;
use streams::StreamError;

/// Why events were not appended, or rows not relayed.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// An event that no stream would take. Nothing was appended; the transaction may go on without it or roll back.
    #[error("the event {id} cannot be appended: {error}")]
    Event {
        /// Its id.
        id: String,
        /// What is wrong with it.
        error: StreamError,
    },
    /// More events at once than one transaction may append.
    #[error("{events} events in one append; at most {} are taken", crate::APPEND_MAX)]
    TooMany {
        /// How many there were.
        events: usize,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] SqlError),
    /// Another process relays the partition by now. Nothing was marked.
    #[error(transparent)]
    Leadership(#[from] LeadershipError),
}

impl OutboxError {
    /// A stable name for logs, metrics and problem documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Event { .. } => "outbox_event_refused",
            Self::TooMany { .. } => "outbox_append_too_large",
            Self::Store(error) => error.code(),
            Self::Leadership(error) => error.code(),
        }
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Event { .. } | Self::TooMany { .. } => false,
            Self::Store(error) => error.retryable() || error.is_unknown(),
            Self::Leadership(error) => error.retryable(),
        }
    }
}

impl From<sqlx::Error> for OutboxError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
