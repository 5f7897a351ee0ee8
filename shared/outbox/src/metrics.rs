//! Every metric of outboxes.
//!
//! - `outbox_pending`: rows that are not in the stream yet; of a partition with more than 10,000, that many
//! - `outbox_lag_seconds`: age of the oldest of them
//! - `outbox_published_events_total{outcome}`: events by `stored`, `duplicate`; batches by an error's code
//! - `outbox_publish_delay_seconds`: from an event's own time to when the stream had it
//! - `outbox_refusals_total{kind}`: events that the stream refused for what they are, each time, by type
//! - `outbox_blocked{part}`: aggregates that wait behind such an event, as this process's relay knows
//! - `outbox_swept_rows_total`: rows deleted past their retention

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;
use streams::{Event, Partition, Published, StreamError};
use telemetry::Telemetry;

use crate::rows::Waiting;

/// From a relay that is rung to a stream that was away for a while.
const DELAY_BUCKETS_S: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0, 300.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartLabel {
    part: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pending: Gauge,
    lag_seconds: Gauge<f64, AtomicU64>,
    events: Family<OutcomeLabel, Counter>,
    delay: Histogram,
    refusals: Family<KindLabel, Counter>,
    blocked: Family<PartLabel, Gauge>,
    swept: Counter,
}

/// Registers every metric of this crate, and of the leaderships it takes, without using it: for the catalogue of what a role can
/// emit.
pub fn describe_metrics(telemetry: &Telemetry) {
    leases::describe_leader_metrics(telemetry);
    Metrics::of(telemetry);
}

impl Metrics {
    pub(crate) fn of(telemetry: &Telemetry) -> Self {
        telemetry.registered(|registry| {
            let metrics = Self {
                pending: Gauge::default(),
                lag_seconds: Gauge::default(),
                events: Family::default(),
                delay: Histogram::new(DELAY_BUCKETS_S),
                refusals: Family::default(),
                blocked: Family::default(),
                swept: Counter::default(),
            };
            let help = "Rows that are not in the stream yet";
            registry.register("outbox_pending", help, &[], metrics.pending.clone());
            let help = "Age of the oldest row that is not in the stream yet";
            registry.register("outbox_lag_seconds", help, &[], metrics.lag_seconds.clone());
            let help = "Events relayed, by outcome; failed batches by the error's code";
            registry.register(
                "outbox_published_events",
                help,
                &["outcome"],
                metrics.events.clone(),
            );
            registry.register_with_unit(
                "outbox_publish_delay",
                "From an event's own time to when the stream had it",
                Unit::Seconds,
                &[],
                metrics.delay.clone(),
            );
            let help = "Events that the stream refused for what they are, each time, by type";
            registry.register("outbox_refusals", help, &["kind"], metrics.refusals.clone());
            let help = "Aggregates that wait behind an event which the stream refused";
            registry.register("outbox_blocked", help, &["part"], metrics.blocked.clone());
            let help = "Rows deleted past their retention";
            registry.register("outbox_swept_rows", help, &[], metrics.swept.clone());
            metrics
        })
    }

    pub(crate) fn measured(&self, waiting: &Waiting, now_ms: u64) {
        self.pending.set(i64::try_from(waiting.rows).unwrap_or(i64::MAX));
        let age_ms = waiting
            .oldest_ms
            .map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms));
        self.lag_seconds.set(Duration::from_millis(age_ms).as_secs_f64());
    }

    pub(crate) fn published(&self, outcome: &Result<Published, StreamError>) {
        let count = |outcome, events: u32| {
            self.events
                .get_or_create(&OutcomeLabel { outcome })
                .inc_by(u64::from(events));
        };
        match outcome {
            Ok(published) => {
                count("stored", published.stored);
                count("duplicate", published.duplicates);
            }
            Err(error) => count(error.code(), 1),
        }
    }

    /// The stream has these; one that is published again counts again, by what it took until then.
    pub(crate) fn stored(&self, events: &[Event], now_ms: u64) {
        for event in events {
            let delay = Duration::from_millis(now_ms.saturating_sub(event.time_ms));
            self.delay.observe(delay.as_secs_f64());
        }
    }

    pub(crate) fn refused(&self, kind: &str) {
        let kind = kind.to_owned();
        self.refusals.get_or_create(&KindLabel { kind }).inc();
    }

    pub(crate) fn blocked(&self, partition: Partition, aggregates: usize) {
        let part = u32::from(partition.number());
        let aggregates = i64::try_from(aggregates).unwrap_or(i64::MAX);
        self.blocked.get_or_create(&PartLabel { part }).set(aggregates);
    }

    pub(crate) fn swept(&self, rows: u64) {
        self.swept.inc_by(rows);
    }
}
