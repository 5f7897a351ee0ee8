use ids::{IdGenerator, RefusalCounts};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use telemetry::Telemetry;

type Label = [(&'static str, &'static str); 1];

/// What is shown of a worker's lease.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    refusals: Family<Label, Counter>,
    renewals: Family<Label, Counter>,
    worker: Gauge,
    issue_until: Gauge,
}

/// Registers every metric of this crate without using it: for the catalogue of what a role can emit.
pub fn describe_metrics(telemetry: &Telemetry) {
    Metrics::register(telemetry);
}

impl Metrics {
    pub(crate) fn register(telemetry: &Telemetry) -> Self {
        let metrics = Self::default();
        telemetry.registry(|registry| {
            registry.register(
                "id_refusals",
                "Ids refused, by reason",
                &["reason"],
                metrics.refusals.clone(),
            );
            registry.register(
                "lease_renewals",
                "Renewals by outcome: ok, or the error's code",
                &["outcome"],
                metrics.renewals.clone(),
            );
            registry.register(
                "lease_worker",
                "The worker number that is held",
                &[],
                metrics.worker.clone(),
            );
            registry.register(
                "lease_issue_until_timestamp_milliseconds",
                "No id is issued with a later time than this",
                &[],
                metrics.issue_until.clone(),
            );
        });
        for (reason, _) in RefusalCounts::default().by_reason() {
            metrics.refusals.get_or_create(&[("reason", reason)]).inc_by(0);
        }
        metrics
    }

    pub(crate) fn renewed(&self, outcome: &'static str) {
        self.renewals.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// Publishes what the generator counted since `seen`, and says what it counts now.
    pub(crate) fn publish(&self, generator: &IdGenerator, seen: RefusalCounts) -> RefusalCounts {
        let counts = generator.refusals();
        for ((reason, count), (_, seen)) in counts.by_reason().into_iter().zip(seen.by_reason()) {
            self.refusals
                .get_or_create(&[("reason", reason)])
                .inc_by(count.saturating_sub(seen));
        }
        self.worker.set(i64::from(generator.worker()));
        self.issue_until
            .set(i64::try_from(generator.issue_until_ms()).unwrap_or(i64::MAX));
        counts
    }
}
