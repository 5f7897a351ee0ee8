//! Every metric of the console.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use telemetry::Telemetry;

use crate::model::Holdings;

/// Why a span was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// How a scrape ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Scrape {
    job: String,
    outcome: &'static str,
}

/// The console's own metrics; those of HTTP are made where they are measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    received: Counter,
    kept: Counter,
    refused: Family<Reason, Counter>,
    evicted: Counter,
    spans: Gauge,
    traces: Gauge,
    bytes: Gauge,
    scrapes: Family<Scrape, Counter>,
}

/// Registers every metric that this role can emit: for `docs/metrics.md`.
pub fn describe_metrics(telemetry: &Telemetry) {
    server::describe_metrics(telemetry);
    client::describe_metrics(telemetry);
    Metrics::of(telemetry);
}

impl Metrics {
    pub(crate) fn of(telemetry: &Telemetry) -> Self {
        let metrics = Self::default();
        telemetry.registry(|registry| {
            registry.register(
                "console_spans_received",
                "Spans that were sent here",
                &[],
                metrics.received.clone(),
            );
            registry.register(
                "console_spans_kept",
                "Spans that were taken",
                &[],
                metrics.kept.clone(),
            );
            registry.register(
                "console_spans_refused",
                "Spans that were not taken",
                &["reason"],
                metrics.refused.clone(),
            );
            registry.register(
                "console_spans_evicted",
                "Spans that gave way to newer ones",
                &[],
                metrics.evicted.clone(),
            );
            registry.register("console_spans", "Spans held", &[], metrics.spans.clone());
            registry.register("console_traces", "Traces held", &[], metrics.traces.clone());
            registry.register(
                "console_memory_bytes",
                "Bytes that traces, charts and the map take by the console's own count",
                &[],
                metrics.bytes.clone(),
            );
            registry.register(
                "console_scrapes",
                "Scrapes of targets, by how they ended",
                &["job", "outcome"],
                metrics.scrapes.clone(),
            );
        });
        metrics
    }

    pub(crate) fn span_received(&self) {
        self.received.inc();
    }

    pub(crate) fn span_kept(&self) {
        self.kept.inc();
    }

    pub(crate) fn span_refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn spans_evicted(&self, spans: u64) {
        self.evicted.inc_by(spans);
    }

    pub(crate) fn holds(&self, holdings: &Holdings) {
        let gauge = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.spans.set(gauge(holdings.spans));
        self.traces.set(gauge(holdings.traces));
        self.bytes.set(gauge(holdings.bytes));
    }

    /// Jobs come from the settings, so there are only so many.
    pub(crate) fn scraped(&self, job: &str, outcome: &'static str) {
        let labels = Scrape {
            job: job.to_owned(),
            outcome,
        };
        self.scrapes.get_or_create(&labels).inc();
    }
}
