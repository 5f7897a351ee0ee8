use sql::SqlError;

/// The code of a refused write.
pub(super) const LOST: &str = "leadership_lost";

/// Why a leadership was not kept, or a guarded write not made.
#[derive(Debug, thiserror::Error)]
pub enum LeadershipError {
    /// Somebody else has led since, or the time in the record is over. A guarded write that gets this writes nothing.
    #[error("this process does not lead `{name}` any more")]
    Lost {
        /// The duty.
        name: String,
    },
    /// The database failed.
    #[error("the record of leaderships failed: {0}")]
    Store(#[from] SqlError),
}

impl LeadershipError {
    /// A stable name for metrics and problem documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Lost { .. } => LOST,
            Self::Store(error) => error.code(),
        }
    }

    /// Whether the same call may succeed later. An outcome that nobody saw is settled by the same call.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Lost { .. } => false,
            Self::Store(error) => error.retryable() || error.is_unknown(),
        }
    }
}

impl From<sqlx::Error> for LeadershipError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
