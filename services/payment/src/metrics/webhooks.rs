//! What is counted of webhooks.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;
use telemetry::Telemetry;

/// From a receiver on this machine to one that is waited for as long as may be.
const ATTEMPT_BUCKETS_S: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 16.0];

/// The handles; each was looked up once.
#[derive(Clone, Debug)]
pub(crate) struct WebhookMetrics {
    /// Accepted with a 2xx.
    pub delivered: Counter,
    /// Failed, and tried again later.
    pub failed: Counter,
    /// Given up.
    pub dead: Counter,
    /// Done, but taken by somebody else meanwhile: the receiver saw it twice.
    pub lost: Counter,
    /// Endpoints that this process disabled after failures.
    pub disabled: Counter,
    /// How long an attempt took, whatever came of it.
    pub attempts: Histogram,
    /// Deliveries that wait, of all processes.
    pub waiting: Gauge,
    /// Deliveries that were given up, of all processes.
    pub dead_letters: Gauge,
}

impl WebhookMetrics {
    /// Registers all of them; once a role.
    pub(crate) fn register(telemetry: &Telemetry) -> Self {
        telemetry.registry(|registry| {
            let family = Family::<[(&'static str, &'static str); 1], Counter>::default();
            registry.register(
                "payment_webhook_attempts",
                "Attempts to deliver a webhook",
                &["outcome"],
                family.clone(),
            );
            let outcome = |value| family.get_or_create_owned(&[("outcome", value)]);
            let metrics = Self {
                delivered: outcome("delivered"),
                failed: outcome("failed"),
                dead: outcome("dead"),
                lost: outcome("lost"),
                disabled: Counter::default(),
                attempts: Histogram::new(ATTEMPT_BUCKETS_S),
                waiting: Gauge::default(),
                dead_letters: Gauge::default(),
            };
            registry.register(
                "payment_webhook_endpoints_disabled",
                "Endpoints disabled after failures",
                &[],
                metrics.disabled.clone(),
            );
            registry.register_with_unit(
                "payment_webhook_attempt_duration",
                "How long an attempt to deliver a webhook took",
                Unit::Seconds,
                &[],
                metrics.attempts.clone(),
            );
            registry.register(
                "payment_webhooks_waiting",
                "Webhooks that wait for an attempt",
                &[],
                metrics.waiting.clone(),
            );
            registry.register(
                "payment_webhooks_dead",
                "Webhooks that were given up",
                &[],
                metrics.dead_letters.clone(),
            );
            metrics
        })
    }
}
