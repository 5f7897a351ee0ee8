use crate::LeaseError;
use async_trait::async_trait;
use ids::{IdLease, WORKER_MAX};

/// How many worker numbers there are.
pub const SLOTS: u16 = WORKER_MAX + 1;

/// A slot as it was given to a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The worker number.
    pub slot: u16,
    /// The fence: greater than that of every earlier grant of this slot.
    pub epoch: u64,
    /// No earlier holder of the slot issued an id with a later Unix millisecond; this one stays strictly above.
    pub issue_from_ms: u64,
    /// What the record promises: no id of this slot carries a later Unix millisecond.
    pub issue_until_ms: u64,
}

impl Grant {
    /// What a generator needs of it.
    pub fn id_lease(&self) -> IdLease {
        IdLease {
            worker: self.slot,
            issue_from_ms: self.issue_from_ms,
            issue_until_ms: self.issue_until_ms,
        }
    }
}

/// Where slots are recorded. All that returns `Ok` is durable and was one atomic step.
///
/// When a call fails, it may or may not have been carried out, at once or later. That is safe by construction: an
/// acquisition or renewal that nobody heard of only keeps a slot from being free for its time, and a caller issues
/// ids up to a time only after `Ok`.
#[async_trait]
pub trait LeaseStore: Send + Sync + std::fmt::Debug + 'static {
    /// Gives `holder` a slot whose recorded time is over at `now_ms` (Unix milliseconds), or one that was never used, and
    /// records `issue_until_ms`. Of callers that race, no two get the same slot. `NoFreeSlot` when there is none.
    async fn acquire(&self, holder: &str, now_ms: u64, issue_until_ms: u64) -> Result<Grant, LeaseError>;

    /// Records a later time for a slot that still has the grant's epoch, and answers the time that is recorded
    /// then (it never shrinks). `Lost` when the slot has another epoch; whether its time was over does not matter.
    async fn renew(&self, grant: &Grant, issue_until_ms: u64) -> Result<u64, LeaseError>;

    /// Gives the slot back: its ids went no further than `last_issued_ms`. `Lost` when the slot has another epoch.
    async fn release(&self, grant: &Grant, last_issued_ms: u64) -> Result<(), LeaseError>;
}
