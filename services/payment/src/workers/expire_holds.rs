//! Lets go of holds whose time is over. Any process may do it, and several may at once: a hold is ended under a claim that is made of
//! the hold alone, so it ends once. After a standstill it goes on without a pause until nothing is left.

use clock::SharedClock;
use leases::LeasedIds;
use server::Drain;

use crate::config::HoldSettings;
use crate::error::LedgerError;
use crate::ledger::{Action, Command, Refusal};
use crate::metrics::Metrics;
use crate::operations::{GroupCommit, internal_claim};
use crate::store::ledger::SharedLedger;

/// The scheduler.
pub(crate) struct ExpireHolds {
    /// Tells what is overdue.
    pub ledger: SharedLedger,
    /// Ends it.
    pub commits: GroupCommit,
    /// Ids of the journal's rows.
    pub ids: LeasedIds,
    /// What is over is judged by it.
    pub clock: SharedClock,
    /// What is counted.
    pub metrics: Metrics,
    /// How much at once, how often.
    pub settings: HoldSettings,
    /// How long the claims are kept.
    pub record_ttl_ms: u64,
}

/// What one look came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Round {
    overdue: usize,
    ended: usize,
}

impl ExpireHolds {
    /// Until the drain begins.
    pub(crate) async fn run(self, drain: Drain) {
        loop {
            if let Err(error) = self.tick(&drain).await {
                tracing::warn!(%error, "overdue holds were not all ended; the next look goes on");
            }
            tokio::select! {
                () = drain.begun() => return,
                () = tokio::time::sleep(self.settings.expiry_interval()) => {}
            }
        }
    }

    /// As many looks as it takes, within bounds. A look that ends nothing is the last: whatever is in the way is there for the next too.
    async fn tick(&self, drain: &Drain) -> Result<(), LedgerError> {
        for _ in 0..self.settings.expiry_rounds_max.max(1) {
            let round = self.round().await?;
            let full = round.overdue as u64 >= u64::from(self.settings.expiry_batch_max);
            if !full || round.ended == 0 || drain.is_draining() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn round(&self) -> Result<Round, LedgerError> {
        let now_ms = self.clock.unix_ms();
        let overdue = self
            .ledger
            .overdue_holds(now_ms, self.settings.expiry_batch_max)
            .await?;
        if overdue.is_empty() {
            return Ok(Round::default());
        }
        let mut commands = Vec::with_capacity(overdue.len());
        for (tenant, hold_id) in &overdue {
            let name = format!("expire/{hold_id}");
            commands.push(Command {
                tenant: tenant.clone(),
                id: self.ids.next()?,
                claim: Some(internal_claim(tenant, &name, now_ms + self.record_ttl_ms)),
                details: "{}".to_owned(),
                action: Action::Expire { hold_id: *hold_id },
            });
        }
        let answers = self.commits.batch(commands, false).await?;
        let mut ended = 0;
        for answer in answers {
            match answer {
                Ok(outcome) if outcome.is_replay() => {}
                Ok(_) => {
                    ended += 1;
                    self.metrics.holds_expired.inc();
                }
                // Captured or let go meanwhile, or ended by another process.
                Err(refusal) if matches!(refusal.clone().first(), Refusal::HoldNotOpen { .. }) => {}
                Err(refusal) => tracing::warn!(%refusal, "an overdue hold was not ended"),
            }
        }
        Ok(Round {
            overdue: overdue.len(),
            ended,
        })
    }
}
