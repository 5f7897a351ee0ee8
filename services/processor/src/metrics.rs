//! Every metric of the processor.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use telemetry::{Counts, Telemetry};

/// The processor's own metrics; those of HTTP, of the database and of the client are made where they are measured.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    charges: Counts,
    changes: Counts,
    webhooks: Counts,
    faults: Counts,
    pending: Gauge,
    refused_cards: Counter,
    housekeeping: Gauge,
}

impl Metrics {
    pub(crate) fn of(telemetry: &Telemetry) -> Self {
        let metrics = Self {
            charges: Counts::register(telemetry, "processor_charges", "Charges asked for", &["outcome"])
                .starting(&[&["authorized"], &["captured"], &["declined"], &["replayed"]]),
            changes: Counts::register(
                telemetry,
                "processor_changes",
                "Captures, voids and refunds asked for",
                &["change", "outcome"],
            )
            .starting(&[
                &["capture", "done"],
                &["capture", "refused"],
                &["capture", "replayed"],
                &["void", "done"],
                &["void", "refused"],
                &["void", "replayed"],
                &["refund", "done"],
                &["refund", "refused"],
                &["refund", "replayed"],
            ]),
            webhooks: Counts::register(
                telemetry,
                "processor_webhooks",
                "Attempts to deliver a webhook",
                &["outcome"],
            )
            .starting(&[&["delivered"], &["failed"], &["given_up"]]),
            faults: Counts::register(
                telemetry,
                "processor_faults",
                "Faults that hit a request",
                &["fault"],
            )
            .starting(&[&["decline"], &["delay"], &["lost_answer"]]),
            pending: Gauge::default(),
            refused_cards: Counter::default(),
            housekeeping: Gauge::default(),
        };
        telemetry.registry(|registry| {
            registry.register(
                "processor_webhooks_pending",
                "Webhooks that nobody has answered with 2xx yet",
                &[],
                metrics.pending.clone(),
            );
            registry.register(
                "processor_card_numbers_refused",
                "Requests refused because something in them looked like a card number",
                &[],
                metrics.refused_cards.clone(),
            );
            registry.register(
                "processor_housekeeping_last_success_timestamp_seconds",
                "When what is old was last deleted (unix time)",
                &[],
                metrics.housekeeping.clone(),
            );
        });
        metrics
    }

    pub(crate) fn charge(&self, outcome: &str) {
        self.charges.inc(&[outcome]);
    }

    pub(crate) fn change(&self, change: &str, outcome: &str) {
        self.changes.inc(&[change, outcome]);
    }

    pub(crate) fn webhook(&self, outcome: &str, count: u64) {
        self.webhooks.inc_by(&[outcome], count);
    }

    pub(crate) fn fault(&self, fault: &str) {
        self.faults.inc(&[fault]);
    }

    pub(crate) fn pending(&self, count: u64) {
        self.pending.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn card_refused(&self) {
        self.refused_cards.inc();
    }

    pub(crate) fn looked_after(&self, now_ms: u64) {
        self.housekeeping
            .set(i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX));
    }
}
