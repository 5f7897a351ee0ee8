//! Forgets what nobody will ask for again: expired idempotency records, ids of events counted long ago, statistics of long-past days.

use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use server::Drain;

use crate::statistics::day_of;
use crate::store::LinkStore;
use crate::store::StoreError;
use crate::store::statistics::{Day, StatisticsStore};

/// Rows of each kind that one write may take, so that other writes do not wait long behind it.
const ROWS_MAX: u32 = 500;

/// Collects at an interval.
pub(crate) struct GarbageCollector {
    /// The port.
    pub store: Arc<dyn LinkStore>,
    /// The port to the statistics.
    pub statistics: Arc<dyn StatisticsStore>,
    /// What is over is judged by it.
    pub clock: SharedClock,
    /// How often.
    pub interval: Duration,
    /// How long ids of counted events are kept, in milliseconds.
    pub event_ids_keep_ms: u64,
    /// How many days the statistics of a day are kept; 0 is for ever.
    pub statistics_days_kept: u32,
}

impl GarbageCollector {
    /// Until the drain begins.
    pub(crate) async fn run(self, drain: Drain) {
        loop {
            tokio::select! {
                () = drain.begun() => return,
                () = tokio::time::sleep(self.interval) => {}
            }
            if let Err(error) = self.collect().await {
                tracing::warn!(%error, code = error.code(), "garbage was not collected; the next round will");
            }
        }
    }

    async fn collect(&self) -> Result<(), StoreError> {
        let now_ms = self.clock.unix_ms();
        let statistics = self.collect_statistics(day_of(now_ms)).await;
        let events_before_ms = now_ms.saturating_sub(self.event_ids_keep_ms);
        loop {
            let forgotten = self
                .store
                .collect_garbage(now_ms, events_before_ms, ROWS_MAX)
                .await?;
            if forgotten < u64::from(ROWS_MAX) {
                return statistics;
            }
            // Let waiting writes through.
            tokio::task::yield_now().await;
        }
    }

    async fn collect_statistics(&self, today: Day) -> Result<(), StoreError> {
        if self.statistics_days_kept == 0 {
            return Ok(());
        }
        let before = today.saturating_sub(self.statistics_days_kept);
        while self.statistics.collect_pages(before, ROWS_MAX).await? == u64::from(ROWS_MAX) {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}
