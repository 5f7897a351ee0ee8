use ids::IdError;
use nats::NatsError;
use sql::SqlError;

/// Why a slot was not given, kept or released.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// All slots' times are still running.
    #[error(
        "all {} worker numbers are taken; the first comes free in {wait_ms} ms",
        crate::SLOTS
    )]
    NoFreeSlot {
        /// Until the first slot's time is over.
        wait_ms: u64,
    },
    /// Somebody else has had the slot since.
    #[error("worker number {slot} has another holder by now")]
    Lost {
        /// The slot that was held.
        slot: u16,
    },
    /// The store failed. Whatever it did, nobody issues ids on the strength of it.
    #[error("the lease store failed: {0}")]
    Store(#[from] SqlError),
    /// The same of the other engine.
    #[error("the lease store failed: {0}")]
    Nats(#[from] NatsError),
    /// What is stored is no table of slots.
    #[error("the lease store holds what cannot be read: {0}")]
    Damaged(String),
    /// The lease was given but no generator can be made of it.
    #[error(transparent)]
    Ids(#[from] IdError),
}

impl LeaseError {
    /// A stable name for metrics and problem documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoFreeSlot { .. } => "lease_no_free_slot",
            Self::Lost { .. } => "lease_lost",
            Self::Store(_) | Self::Nats(_) => "lease_store_failed",
            Self::Damaged(_) => "lease_store_damaged",
            Self::Ids(error) => error.code(),
        }
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::NoFreeSlot { .. } => true,
            Self::Lost { .. } | Self::Damaged(_) => false,
            // An outcome that is not known is no danger here: a slot taken in vain comes free when its time is over.
            Self::Store(error) => error.retryable() || error.is_unknown(),
            Self::Nats(error) => error.retryable() || error.is_unknown(),
            Self::Ids(error) => error.retryable(),
        }
    }
}
