//! Why a store did not do it.

/// Why the store did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It did nothing: busy, full, out of reach.
    #[error("the payment database (payment.database_url) is unavailable ({code}): {detail}")]
    Unavailable {
        /// The engine's own code.
        code: &'static str,
        /// For the operator.
        detail: String,
        /// Whether waiting may help.
        retryable: bool,
    },
    /// The write may or may not stand. The same command under the same claim settles it.
    #[error("the outcome of a write to the payment database is unknown: {0}")]
    Unknown(String),
    /// What is stored makes no sense.
    #[error("the payment database holds {0}")]
    Damaged(&'static str),
    /// The write was guarded by a fence, and somebody else leads by now. Nothing was written.
    #[error("another process has taken over this duty")]
    Fenced,
}

impl StoreError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { code, .. } => code,
            Self::Unknown(_) => "outcome_unknown",
            Self::Damaged(_) => "store_damaged",
            Self::Fenced => "fenced",
        }
    }

    /// Whether the write may or may not stand.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Whether the same call may succeed later and certainly did nothing so far.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Unavailable { retryable: true, .. })
    }
}

impl From<sql::SqlError> for StoreError {
    fn from(error: sql::SqlError) -> Self {
        let (code, retryable, detail) = (error.code(), error.retryable(), error.to_string());
        if error.is_unknown() {
            Self::Unknown(detail)
        } else {
            Self::Unavailable {
                code,
                detail,
                retryable,
            }
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        sql::SqlError::from(error).into()
    }
}

impl From<leases::LeadershipError> for StoreError {
    fn from(error: leases::LeadershipError) -> Self {
        match error {
            leases::LeadershipError::Lost { .. } => Self::Fenced,
            leases::LeadershipError::Store(error) => error.into(),
        }
    }
}

impl From<outbox::OutboxError> for StoreError {
    fn from(error: outbox::OutboxError) -> Self {
        match error {
            outbox::OutboxError::Store(error) => error.into(),
            outbox::OutboxError::Leadership(error) => error.into(),
            // An event that no stream would take is a defect of whoever made it; the transaction rolls back.
            defect => Self::Unavailable {
                code: defect.code(),
                detail: defect.to_string(),
                retryable: false,
            },
        }
    }
}

resilience::engine_errors![StoreError];
