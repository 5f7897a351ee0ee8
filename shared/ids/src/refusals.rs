use crate::IdError;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often ids were refused since the generator was made, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefusalCounts {
    /// `ClockWentBack`.
    pub clock_went_back: u64,
    /// `ClockStalled`.
    pub clock_stalled: u64,
    /// `LeaseExpired`.
    pub lease_expired: u64,
    /// `Retired` and `EpochOver`.
    pub other: u64,
}

impl RefusalCounts {
    /// The counts with the value of a metric's `reason` label.
    pub fn by_reason(&self) -> [(&'static str, u64); 4] {
        [
            ("clock_went_back", self.clock_went_back),
            ("clock_stalled", self.clock_stalled),
            ("lease_expired", self.lease_expired),
            ("other", self.other),
        ]
    }
}

#[derive(Debug, Default)]
pub(crate) struct Refusals {
    clock_went_back: AtomicU64,
    clock_stalled: AtomicU64,
    lease_expired: AtomicU64,
    other: AtomicU64,
}

impl Refusals {
    #[cold]
    pub(crate) fn count(&self, error: IdError) {
        let counter = match error {
            IdError::ClockWentBack { .. } => &self.clock_went_back,
            IdError::ClockStalled => &self.clock_stalled,
            IdError::LeaseExpired { .. } => &self.lease_expired,
            IdError::Retired | IdError::EpochOver | IdError::WorkerTooLarge { .. } => &self.other,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> RefusalCounts {
        RefusalCounts {
            clock_went_back: self.clock_went_back.load(Ordering::Relaxed),
            clock_stalled: self.clock_stalled.load(Ordering::Relaxed),
            lease_expired: self.lease_expired.load(Ordering::Relaxed),
            other: self.other.load(Ordering::Relaxed),
        }
    }
}
