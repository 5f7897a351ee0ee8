//! Delivers webhooks: takes what is due, signs it, posts it, and records what came of it.
//!
//! A failed delivery is tried again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 14 h, each a tenth more or less: eight attempts in a day
//! and a third. Then it is a dead letter, until somebody replays it. A slow receiver holds `each_max` places of `at_once_max` at most, so
//! that it takes many of them to hold up the others, and each attempt has its deadline.

mod attempt;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use clock::SharedClock;
use ids::Id;
use outbound::Outbound;
use server::Drain;
use tokio::task::JoinSet;

use crate::config::WebhookSettings;
use crate::metrics::WebhookMetrics;
use crate::store::StoreError;
use crate::store::webhooks::{SharedWebhooks, TakeDue};
use crate::vault::Vault;

/// Rows that one write may forget.
const FORGET_ROWS_MAX: u32 = 500;

/// What is in flight when the service stops gets so long; whatever is not recorded by then is delivered again by somebody.
const LAST_WAIT: Duration = Duration::from_secs(3);

/// The worker. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct DeliverWebhooks {
    /// The port.
    pub store: SharedWebhooks,
    /// Opens secrets.
    pub vault: Vault,
    /// Calls receivers.
    pub outbound: Outbound,
    /// What is due is judged by it.
    pub clock: SharedClock,
    /// What is counted.
    pub metrics: WebhookMetrics,
    /// How much at once, how often, how long.
    pub settings: WebhookSettings,
}

/// What is in flight: a task a delivery, and how many there are of an endpoint.
#[derive(Debug, Default)]
struct Flight {
    tasks: JoinSet<Id>,
    of: HashMap<Id, u32>,
}

impl Flight {
    fn landed(&mut self, endpoint: Id) {
        if let Some(count) = self.of.get_mut(&endpoint) {
            *count -= 1;
            if *count == 0 {
                self.of.remove(&endpoint);
            }
        }
    }
}

impl DeliverWebhooks {
    /// Until the drain begins.
    pub(crate) async fn run(self, drain: Drain) {
        let mut flight = Flight::default();
        let mut housekept_ms = 0;
        loop {
            if let Err(error) = self.take(&mut flight).await {
                tracing::warn!(%error, code = error.code(), "due webhooks could not be taken; the next look will");
            }
            let now_ms = self.clock.unix_ms();
            if now_ms.saturating_sub(housekept_ms) >= self.settings.garbage_interval_ms {
                housekept_ms = now_ms;
                if let Err(error) = self.keep_house(now_ms).await {
                    tracing::warn!(%error, code = error.code(), "old webhooks were not forgotten; the next round will");
                }
            }
            tokio::select! {
                () = drain.begun() => break,
                Some(landed) = flight.tasks.join_next() => match landed {
                    Ok(endpoint) => flight.landed(endpoint),
                    Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
                },
                () = tokio::time::sleep(self.settings.poll_interval()) => {}
            }
        }
        let rest = async { while flight.tasks.join_next().await.is_some() {} };
        let _not_all = tokio::time::timeout(LAST_WAIT, rest).await;
    }

    /// Starts what is due, as far as there is room.
    async fn take(&self, flight: &mut Flight) -> Result<(), StoreError> {
        while let Some(landed) = flight.tasks.try_join_next() {
            match landed {
                Ok(endpoint) => flight.landed(endpoint),
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            }
        }
        let room = self.settings.at_once_max.saturating_sub(flight.tasks.len());
        if room == 0 {
            return Ok(());
        }
        let now_ms = self.clock.unix_ms();
        let ask = TakeDue {
            now_ms,
            lease_until_ms: now_ms + self.settings.lease_ms,
            limit: u32::try_from(room).unwrap_or(u32::MAX),
            each_max: self.settings.each_max,
            // Whoever has some in flight gets no more before they have landed: no endpoint ever has more than its share.
            busy: flight.of.keys().copied().collect(),
        };
        for taken in self.store.take_due(&ask).await? {
            let endpoint = taken.endpoint.id;
            *flight.of.entry(endpoint).or_default() += 1;
            let worker = self.clone();
            flight.tasks.spawn(async move {
                worker.attempt(taken).await;
                endpoint
            });
        }
        Ok(())
    }

    async fn keep_house(&self, now_ms: u64) -> Result<(), StoreError> {
        let backlog = self.store.backlog().await?;
        self.metrics
            .waiting
            .set(i64::try_from(backlog.waiting).unwrap_or(i64::MAX));
        self.metrics
            .dead_letters
            .set(i64::try_from(backlog.dead).unwrap_or(i64::MAX));
        let before_ms = now_ms.saturating_sub(self.settings.keep_ms);
        while self.store.forget_deliveries(before_ms, FORGET_ROWS_MAX).await? >= u64::from(FORGET_ROWS_MAX) {
            // Let waiting writes through.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}
