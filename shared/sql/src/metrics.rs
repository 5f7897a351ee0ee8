//! Every metric and span of this crate.
//!
//! `db_client_operation_duration_seconds{database, operation, outcome}`: one observation a read or write. `outcome` is
//! `ok`, the code of the engine's error, or `refused` when the body answered an error of its own (or nobody waited for it any
//! more).

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use telemetry::{Span, SpanKind, Telemetry};

use crate::sqlite::Inner;

/// From one page in memory to the write deadline.
const BUCKETS_S: [f64; 12] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    database: Arc<str>,
    operation: &'static str,
    outcome: &'static str,
}

type Durations = Family<Labels, Histogram, fn() -> Histogram>;

#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    database: Arc<str>,
    durations: Durations,
}

impl Metrics {
    pub(crate) fn of(telemetry: &Telemetry, database: &str) -> Self {
        let durations = telemetry.registered(|registry| {
            let durations = Durations::new_with_constructor(|| Histogram::new(BUCKETS_S));
            registry.register(
                "db_client_operation_duration_seconds",
                "Time of one database operation, its waits and retries included",
                durations.clone(),
            );
            durations
        });
        Self {
            database: database.into(),
            durations,
        }
    }
}

/// One operation being measured; it ends when dropped.
pub(crate) struct Measured<'a> {
    inner: &'a Inner,
    operation: &'static str,
    outcome: &'static str,
    began: Duration,
    span: Span,
}

impl<'a> Measured<'a> {
    pub(crate) fn begin(inner: &'a Inner, operation: &'static str) -> Self {
        let mut span = inner.telemetry.span(operation, SpanKind::Client, None);
        if span.is_recording() {
            span.attribute("db.system.name", "sqlite")
                .attribute("db.namespace", inner.name.clone())
                .attribute("db.operation.name", operation);
        }
        Measured {
            inner,
            operation,
            outcome: "refused",
            began: inner.clock.monotonic(),
            span,
        }
    }

    pub(crate) fn ok(&mut self) {
        self.outcome = "ok";
    }

    pub(crate) fn failed(&mut self, code: &'static str) {
        self.outcome = code;
        self.span.fail(code);
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let elapsed = self.inner.clock.monotonic().saturating_sub(self.began);
        let labels = Labels {
            database: Arc::clone(&self.inner.metrics.database),
            operation: self.operation,
            outcome: self.outcome,
        };
        self.inner
            .metrics
            .durations
            .get_or_create(&labels)
            .observe(elapsed.as_secs_f64());
    }
}
