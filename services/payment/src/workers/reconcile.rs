//! Reconciles each day that is over, and the running one where that is asked for, by one process at a time; what it writes carries its
//! leadership, so a leader that was stopped past its time writes nothing when it is back.

use async_trait::async_trait;
use leases::{Duty, DutyFailed, Leadership, Pace};

use crate::operations::reconcile::Reconciler;

/// The name of the duty.
pub(crate) const RECONCILE_DUTY: &str = "reconcile";

/// The duty.
pub(crate) struct ReconcileDays {
    /// Does it.
    pub reconciler: Reconciler,
}

#[async_trait]
impl Duty for ReconcileDays {
    async fn tick(&mut self, leadership: &Leadership) -> Result<Pace, DutyFailed> {
        match self.reconciler.judge_next(leadership).await {
            Ok(true) => Ok(Pace::Again),
            Ok(false) => Ok(Pace::Rest),
            Err(error) => Err(DutyFailed {
                code: error.code(),
                detail: error.to_string(),
            }),
        }
    }
}
