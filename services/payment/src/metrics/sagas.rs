//! What is counted of payments and their sagas.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;
use telemetry::Telemetry;

/// From one that nothing holds up to one whose processor was away for minutes.
const SAGA_BUCKETS_S: [f64; 11] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

type Outcome = [(&'static str, &'static str); 1];

/// How a saga ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SagaOutcome {
    /// The merchant has the money.
    Captured,
    /// Nothing of it is left.
    Failed,
    /// A refund went back.
    Refunded,
}

/// One kind of end.
#[derive(Clone, Debug)]
struct Ended {
    payments: Counter,
    duration: Histogram,
}

/// The handles; each was looked up once.
#[derive(Clone, Debug)]
pub(crate) struct SagaMetrics {
    /// Taken in by this process; not its repeats.
    pub created: Counter,
    captured: Ended,
    failed: Ended,
    refunded: Ended,
    /// Payments that this process carries at the moment.
    pub under_way: Gauge,
    /// Payments that are due, of all processes.
    pub due: Gauge,
}

impl SagaMetrics {
    /// Registers all of them; once a role.
    pub(crate) fn register(telemetry: &Telemetry) -> Self {
        telemetry.registry(|registry| {
            let payments = Family::<Outcome, Counter>::default();
            registry.register(
                "payment_payments",
                "Payments that were taken in, and what became of them",
                &["outcome"],
                payments.clone(),
            );
            let durations: Family<Outcome, Histogram, fn() -> Histogram> =
                Family::new_with_constructor(|| Histogram::new(SAGA_BUCKETS_S));
            registry.register_with_unit(
                "payment_saga_duration",
                "From taking a payment or a refund in to its end",
                Unit::Seconds,
                &["outcome"],
                durations.clone(),
            );
            let ended = |outcome| Ended {
                payments: payments.get_or_create_owned(&[("outcome", outcome)]),
                duration: durations.get_or_create_owned(&[("outcome", outcome)]),
            };
            let metrics = Self {
                created: payments.get_or_create_owned(&[("outcome", "created")]),
                captured: ended("captured"),
                failed: ended("failed"),
                refunded: ended("refunded"),
                under_way: Gauge::default(),
                due: Gauge::default(),
            };
            registry.register(
                "payment_payments_under_way",
                "Payments that this process carries at the moment",
                &[],
                metrics.under_way.clone(),
            );
            registry.register(
                "payment_payments_due",
                "Payments that are carried or wait for it",
                &[],
                metrics.due.clone(),
            );
            metrics
        })
    }

    /// One that began and ended then, Unix milliseconds.
    pub(crate) fn ended(&self, outcome: SagaOutcome, began_ms: u64, ended_ms: u64) {
        let ended = match outcome {
            SagaOutcome::Captured => &self.captured,
            SagaOutcome::Failed => &self.failed,
            SagaOutcome::Refunded => &self.refunded,
        };
        ended.payments.inc();
        let took = std::time::Duration::from_millis(ended_ms.saturating_sub(began_ms));
        ended.duration.observe(took.as_secs_f64());
    }
}
