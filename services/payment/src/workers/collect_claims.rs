//! Forgets idempotency records that have expired, and what accounts paid in hours long past.

use std::time::Duration;

use clock::SharedClock;
use server::Drain;

use crate::store::StoreError;
use crate::store::ledger::SharedLedger;
use crate::store::payments::SharedPayments;

/// Rows that one write may take, so that other writes do not wait long behind it.
const ROWS_MAX: u32 = 500;

/// How long it is known what an account paid in an hour, in milliseconds: the risk check looks at the hour in which a payment was made.
const WINDOWS_KEPT_MS: u64 = 48 * 60 * 60 * 1_000;

/// How long a record is kept after it expired: another process, or this one after its clock was set back, may go by it still.
const LAG_MS: u64 = 3_600_000;

/// Collects at an interval.
pub(crate) struct ClaimCollector {
    /// Has records of the ledger's commands.
    pub ledger: SharedLedger,
    /// Has records of payments and refunds, and the windows.
    pub payments: SharedPayments,
    /// What is over is judged by it.
    pub clock: SharedClock,
    /// How often.
    pub interval: Duration,
}

impl ClaimCollector {
    /// Until the drain begins.
    pub(crate) async fn run(self, drain: Drain) {
        loop {
            tokio::select! {
                () = drain.begun() => return,
                () = tokio::time::sleep(self.interval) => {}
            }
            if let Err(error) = self.collect(&drain).await {
                tracing::warn!(%error, code = error.code(), "old idempotency records were not forgotten; the next round will");
            }
        }
    }

    async fn collect(&self, drain: &Drain) -> Result<(), StoreError> {
        let now_ms = self.clock.unix_ms().saturating_sub(LAG_MS);
        while self.ledger.forget_claims(now_ms, ROWS_MAX).await? >= u64::from(ROWS_MAX) {
            if drain.is_draining() {
                return Ok(());
            }
            // Let waiting writes through.
            tokio::task::yield_now().await;
        }
        let window_ms = now_ms.saturating_sub(WINDOWS_KEPT_MS);
        while self.payments.collect_garbage(now_ms, window_ms, ROWS_MAX).await? >= u64::from(ROWS_MAX) {
            if drain.is_draining() {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}
