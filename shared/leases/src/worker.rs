use crate::metrics::Metrics;
use crate::{Grant, LeaseError, LeaseSettings, LeaseStore, LeasedIds};
use clock::SharedClock;
use ids::{IdGenerator, RefusalCounts};
use std::pin::pin;
use std::sync::Arc;
use telemetry::Telemetry;

/// A worker number that is held and looked after.
#[derive(Debug)]
pub struct WorkerLease {
    store: Arc<dyn LeaseStore>,
    clock: SharedClock,
    settings: LeaseSettings,
    holder: String,
    metrics: Metrics,
    grant: Grant,
    ids: LeasedIds,
    published: RefusalCounts,
}

impl WorkerLease {
    /// Takes a slot. `holder` names the role and instance for people who look into the store. One a role: its metrics
    /// are registered with `telemetry`.
    pub async fn acquire(
        store: Arc<dyn LeaseStore>,
        clock: SharedClock,
        settings: LeaseSettings,
        holder: impl Into<String>,
        telemetry: &Telemetry,
    ) -> Result<Self, LeaseError> {
        let holder = holder.into();
        let (grant, generator) = take_slot(&*store, &clock, &settings, &holder).await?;
        let metrics = Metrics::register(telemetry);
        let published = metrics.publish(&generator, RefusalCounts::default());
        let ids = LeasedIds::new(generator);
        Ok(Self {
            store,
            clock,
            settings,
            holder,
            metrics,
            grant,
            ids,
            published,
        })
    }

    /// What issues the ids. It outlives the lease, but then only refuses.
    pub fn ids(&self) -> LeasedIds {
        self.ids.clone()
    }

    /// The slot as it was given: its number and its fence.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Looks after the lease until `drained` is ready, then gives the slot back. Run it in a task of its own.
    pub async fn keep(mut self, drained: impl Future<Output = ()>) {
        let mut drained = pin!(drained);
        // A failing store is said when it begins to fail and when it ends, not twice a second.
        let mut failing = None;
        loop {
            tokio::select! {
                () = &mut drained => break,
                () = tokio::time::sleep(self.settings.check_interval()) => {}
            }
            match self.check().await {
                Ok(()) if failing.take().is_some() => {
                    tracing::info!("the lease on the worker number is kept again");
                }
                Ok(()) => {}
                Err(error) => {
                    if failing.replace(error.code()) != Some(error.code()) {
                        tracing::warn!(%error, code = error.code(), "the lease on the worker number is not renewed");
                    }
                }
            }
        }
        if let Err(error) = self.release().await {
            tracing::warn!(%error, code = error.code(), "the worker number was not given back and stays taken for its time");
        }
    }

    /// One look: renews when less than two thirds are left, takes another slot if this one was lost. `keep` calls it.
    pub async fn check(&mut self) -> Result<(), LeaseError> {
        let generator = self.ids.generator();
        self.published = self.metrics.publish(&generator, self.published);
        let now_ms = self.clock.unix_ms();
        if generator.issue_until_ms().saturating_sub(now_ms) >= self.settings.renew_below_ms() {
            return Ok(());
        }
        let renewed = match self
            .store
            .renew(&self.grant, now_ms.saturating_add(self.settings.lease_ms))
            .await
        {
            // Only now that it is recorded may ids carry these times.
            Ok(issue_until_ms) => {
                generator.renew(issue_until_ms);
                Ok(())
            }
            Err(LeaseError::Lost { slot }) => {
                tracing::warn!(slot, "the worker number was lost; taking another");
                self.take_another(&generator).await
            }
            Err(error) => Err(error),
        };
        self.metrics
            .renewed(renewed.as_ref().err().map_or("ok", LeaseError::code));
        self.published = self.metrics.publish(&self.ids.generator(), self.published);
        renewed
    }

    /// Ends the generator and gives the slot back.
    pub async fn release(self) -> Result<(), LeaseError> {
        let generator = self.ids.generator();
        // First nobody can issue any more, then the store is told how far it went.
        let Some(last_issued_ms) = generator.retire() else {
            return Ok(());
        };
        self.metrics.publish(&generator, self.published);
        self.store.release(&self.grant, last_issued_ms).await
    }

    async fn take_another(&mut self, lost: &IdGenerator) -> Result<(), LeaseError> {
        let (grant, generator) = take_slot(&*self.store, &self.clock, &self.settings, &self.holder).await?;
        self.grant = grant;
        self.ids.replace(generator);
        lost.retire();
        self.published = RefusalCounts::default();
        Ok(())
    }
}

async fn take_slot(
    store: &dyn LeaseStore,
    clock: &SharedClock,
    settings: &LeaseSettings,
    holder: &str,
) -> Result<(Grant, IdGenerator), LeaseError> {
    let now_ms = clock.unix_ms();
    let grant = store
        .acquire(holder, now_ms, now_ms.saturating_add(settings.lease_ms))
        .await?;
    let generator = IdGenerator::new(Arc::clone(clock), grant.id_lease())?;
    Ok((grant, generator))
}
