//! Every metric of this crate.
//!
//! - `stream_depth{stream}`, `stream_bytes{stream}`: events held, and bytes of their data
//! - `stream_lag{stream, group}`: events published and not yet acked by the group
//! - `stream_lag_seconds{stream, group}`: age of the oldest of them
//! - `stream_dead_letters_waiting{stream}`: dead letters that were not replayed
//! - `stream_published_events_total{stream, outcome}`: events by `stored`, `duplicate` or an error's code
//! - `stream_publish_duration_seconds{stream}`: time of one publish, its fsync included
//! - `stream_deliveries_total{stream, group}`, `stream_dead_letters_total{stream, group}`

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use telemetry::Telemetry;

use crate::{Group, Lag, Published, StreamError};

const BUCKETS_S: [f64; 11] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StreamLabel {
    stream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GroupLabels {
    stream: String,
    group: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    stream: String,
    outcome: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    depth: Family<StreamLabel, Gauge>,
    bytes: Family<StreamLabel, Gauge>,
    waiting: Family<StreamLabel, Gauge>,
    lag: Family<GroupLabels, Gauge>,
    lag_seconds: Family<GroupLabels, Gauge<f64, AtomicU64>>,
    events: Family<OutcomeLabels, Counter>,
    durations: Family<StreamLabel, Histogram, fn() -> Histogram>,
    deliveries: Family<GroupLabels, Counter>,
    dead_letters: Family<GroupLabels, Counter>,
}

/// Registers every metric of this crate without using it: for the catalogue of what a role can emit.
pub fn describe_metrics(telemetry: &Telemetry) {
    Metrics::of(telemetry);
}

impl Metrics {
    pub(crate) fn of(telemetry: &Telemetry) -> Self {
        telemetry.registered(|registry| {
            let metrics = Self {
                depth: Family::default(),
                bytes: Family::default(),
                waiting: Family::default(),
                lag: Family::default(),
                lag_seconds: Family::default(),
                events: Family::default(),
                durations: Family::new_with_constructor(|| Histogram::new(BUCKETS_S)),
                deliveries: Family::default(),
                dead_letters: Family::default(),
            };
            registry.register("stream_depth", "Events held", &["stream"], metrics.depth.clone());
            registry.register(
                "stream_bytes",
                "Bytes of event data held",
                &["stream"],
                metrics.bytes.clone(),
            );
            let help = "Dead letters that were not replayed";
            registry.register(
                "stream_dead_letters_waiting",
                help,
                &["stream"],
                metrics.waiting.clone(),
            );
            registry.register(
                "stream_lag",
                "Events not yet acked by the group",
                &["stream", "group"],
                metrics.lag.clone(),
            );
            let help = "Age of the oldest event not yet acked by the group";
            registry.register(
                "stream_lag_seconds",
                help,
                &["stream", "group"],
                metrics.lag_seconds.clone(),
            );
            let help = "Events offered for publishing, by outcome";
            registry.register(
                "stream_published_events",
                help,
                &["stream", "outcome"],
                metrics.events.clone(),
            );
            let help = "Time of one publish, its fsync included";
            registry.register(
                "stream_publish_duration_seconds",
                help,
                &["stream"],
                metrics.durations.clone(),
            );
            registry.register(
                "stream_deliveries",
                "Events handed to handlers",
                &["stream", "group"],
                metrics.deliveries.clone(),
            );
            registry.register(
                "stream_dead_letters",
                "Events given up",
                &["stream", "group"],
                metrics.dead_letters.clone(),
            );
            metrics
        })
    }

    pub(crate) fn published(&self, stream: &str, outcome: &Result<Published, StreamError>, took: Duration) {
        let count = |outcome, events: u32| {
            if events > 0 {
                let labels = OutcomeLabels {
                    stream: stream.to_owned(),
                    outcome,
                };
                self.events.get_or_create(&labels).inc_by(u64::from(events));
            }
        };
        match outcome {
            Ok(published) => {
                count("stored", published.stored);
                count("duplicate", published.duplicates);
            }
            // Batches, not events: how many there were is no longer known here.
            Err(error) => count(error.code(), 1),
        }
        let labels = StreamLabel {
            stream: stream.to_owned(),
        };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub(crate) fn delivered(&self, group: &Group, events: usize) {
        if events > 0 {
            self.deliveries
                .get_or_create(&labels(group))
                .inc_by(events as u64);
        }
    }

    pub(crate) fn dead_lettered(&self, group: &Group) {
        self.dead_letters.get_or_create(&labels(group)).inc();
    }

    pub(crate) fn measured(&self, stream: &str, lag: &Lag) {
        let label = StreamLabel {
            stream: stream.to_owned(),
        };
        self.depth.get_or_create(&label).set(signed(lag.depth));
        self.bytes.get_or_create(&label).set(signed(lag.bytes));
        self.waiting.get_or_create(&label).set(signed(lag.dead_letters));
        for group in &lag.groups {
            let labels = labels(&Group::new(stream, &group.name));
            self.lag.get_or_create(&labels).set(signed(group.events));
            let seconds = Duration::from_millis(group.oldest_ms).as_secs_f64();
            self.lag_seconds.get_or_create(&labels).set(seconds);
        }
    }
}

fn labels(group: &Group) -> GroupLabels {
    GroupLabels {
        stream: group.stream.clone(),
        group: group.name.clone(),
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
