//! Carries payments through: woken at once by what this process took in, else by the time at which something is due. Any process does any payment; the
//! lease keeps two from doing the same, and the fence keeps the former one from writing when it wakes up late. After a standstill it takes what is due in
//! the order in which it became due, as many at once as it may.

use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use server::Drain;
use telemetry::TraceContext;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinError, JoinSet};

use crate::metrics::SagaMetrics;
use crate::operations::run_saga::SagaRunner;
use crate::store::StoreError;
use crate::store::payments::{Leased, SharedPayments};

/// Pause between two counts of what is due.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// The worker.
pub(crate) struct RunSagas {
    /// What is due.
    pub payments: SharedPayments,
    /// Does it.
    pub runner: SagaRunner,
    /// Rung when there is something to do.
    pub bell: Arc<Notify>,
    /// What is counted.
    pub metrics: SagaMetrics,
    /// What is due is judged by it.
    pub clock: SharedClock,
    /// Pause between two looks.
    pub poll_interval: Duration,
    /// Payments at once.
    pub at_once_max: usize,
}

impl RunSagas {
    /// Until the drain begins; what is under way then is finished first, each within its calls' deadlines.
    pub(crate) async fn run(self, drain: Drain) {
        let slots = Arc::new(Semaphore::new(self.at_once_max.max(1)));
        let mut running = JoinSet::new();
        let mut counted_at = None;
        while !drain.is_draining() {
            let taken = match self.take(slots.available_permits()).await {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::warn!(%error, code = error.code(), "payments that are due were not taken; the next look goes on");
                    Vec::new()
                }
            };
            let is_full = !taken.is_empty() && taken.len() >= slots.available_permits();
            for leased in taken {
                let permit = Arc::clone(&slots).try_acquire_owned();
                let (runner, bell) = (self.runner.clone(), Arc::clone(&self.bell));
                running.spawn(async move {
                    let _permit = permit;
                    carry(&runner, leased, &bell).await;
                });
            }
            while let Some(landed) = running.try_join_next() {
                whole(landed);
            }
            self.metrics
                .under_way
                .set(i64::try_from(running.len()).unwrap_or(i64::MAX));
            self.count(&mut counted_at).await;
            tokio::select! {
                () = drain.begun() => break,
                () = self.bell.notified(), if !is_full => {}
                Some(landed) = running.join_next(), if is_full => whole(landed),
                () = tokio::time::sleep(self.poll_interval) => {}
            }
        }
        while let Some(landed) = running.join_next().await {
            whole(landed);
        }
        self.metrics.under_way.set(0);
    }

    async fn count(&self, counted_at: &mut Option<Duration>) {
        let now = self.clock.monotonic();
        if counted_at.is_some_and(|at| now.saturating_sub(at) < COUNT_INTERVAL) {
            return;
        }
        *counted_at = Some(now);
        match self.payments.count_due(self.clock.unix_ms()).await {
            Ok(due) => {
                self.metrics.due.set(i64::try_from(due).unwrap_or(i64::MAX));
            }
            Err(error) => {
                tracing::debug!(%error, code = error.code(), "due payments were not counted");
            }
        }
    }

    async fn take(&self, free: usize) -> Result<Vec<Leased>, StoreError> {
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let now_ms = self.clock.unix_ms();
        let until_ms = now_ms.saturating_add(self.runner.lease_ms);
        self.payments
            .take_due(&self.runner.owner, now_ms, until_ms, limit)
            .await
    }
}

/// A panic in one is the worker's: a payment that is not carried on must not look as if it were.
fn whole(landed: Result<(), JoinError>) {
    if let Err(panicked) = landed {
        std::panic::resume_unwind(panicked.into_panic());
    }
}

/// In the trace of the request that made it.
async fn carry(runner: &SagaRunner, leased: Leased, bell: &Notify) {
    let id = leased.payment.id;
    let had_refund = leased.refund.is_some();
    let trace = leased
        .payment
        .traceparent
        .as_deref()
        .and_then(TraceContext::parse);
    let work = runner.run(leased);
    let ended = match trace {
        Some(trace) => trace.scope(work).await,
        None => work.await,
    };
    match ended {
        // Another refund may wait behind the one that ended.
        Ok(_) if had_refund => bell.notify_one(),
        Ok(_) => {}
        Err(StoreError::Fenced) => tracing::info!(payment = %id, "another process carries this payment on"),
        Err(error) => {
            tracing::warn!(payment = %id, %error, code = error.code(), "a step of a payment was not written; it is taken up again when its lease is over");
        }
    }
}
