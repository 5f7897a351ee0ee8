//! A metric with labels whose handles are found without allocating and whose number is limited.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::registry::Unit;

use super::cardinality::OTHER;
use crate::context::{TraceContext, TraceId};
use crate::role::Telemetry;

/// Seconds: fine below a millisecond, where redirects are, and up to the longest deadline.
const SECONDS: [f64; 17] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0,
];

/// The labels of one series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Labels {
    names: &'static [&'static str],
    values: Box<[Box<str>]>,
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> Result<(), std::fmt::Error> {
        for (name, value) in self.names.iter().zip(&self.values) {
            (*name, &**value).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

/// The label of an exemplar, written out only at the scrape.
#[derive(Debug, Clone)]
pub(crate) struct TraceLabel(TraceId);

impl EncodeLabelSet for TraceLabel {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> Result<(), std::fmt::Error> {
        ("trace_id", self.0.to_string()).encode(encoder.encode_label())
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Buckets;

impl MetricConstructor<HistogramWithExemplars<TraceLabel>> for Buckets {
    fn new_metric(&self) -> HistogramWithExemplars<TraceLabel> {
        HistogramWithExemplars::new(SECONDS.into_iter())
    }
}

type Series<M> = HashMap<u64, Vec<(Labels, M)>, BuildHasherDefault<Hashed>>;

/// Finds the handle of a label set.
struct Handles<M, C> {
    names: &'static [&'static str],
    family: Family<Labels, M, C>,
    series: ArcSwap<Series<M>>,
    growing: Mutex<usize>,
    series_max: usize,
}

impl<M: Clone, C: MetricConstructor<M>> Handles<M, C> {
    fn new(names: &'static [&'static str], family: Family<Labels, M, C>, series_max: usize) -> Self {
        Self {
            names,
            family,
            series: ArcSwap::default(),
            growing: Mutex::new(0),
            series_max,
        }
    }

    /// Calls with the handle for these values, which stand in the order of the label names.
    fn with<T>(&self, values: &[&str], call: impl FnOnce(&M) -> T) -> T {
        debug_assert_eq!(values.len(), self.names.len(), "one value a label");
        let hash = hash_of(values);
        if let Some(metric) = find(&self.series.load(), hash, values) {
            return call(metric);
        }
        self.grow(hash, values);
        match find(&self.series.load(), hash, values) {
            Some(metric) => call(metric),
            None => call(
                &self
                    .family
                    .get_or_create(&self.labels(&vec![OTHER; values.len()])),
            ),
        }
    }

    fn grow(&self, hash: u64, values: &[&str]) {
        let mut count = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut series = Series::clone(&self.series.load());
        if *count >= self.series_max || find(&series, hash, values).is_some() {
            return;
        }
        *count += 1;
        let labels = self.labels(values);
        let metric = self.family.get_or_create_owned(&labels);
        series.entry(hash).or_default().push((labels, metric));
        self.series.store(Arc::new(series));
    }

    fn labels(&self, values: &[&str]) -> Labels {
        Labels {
            names: self.names,
            values: values.iter().map(|value| Box::from(*value)).collect(),
        }
    }
}

/// A multiplicative hash, eight bytes at a time: this runs once a request, and the number of series is limited, so that
/// values made to collide gain nothing.
fn hash_of(values: &[&str]) -> u64 {
    let mut hash = 0_u64;
    for value in values {
        for chunk in value.as_bytes().chunks(8).chain([&[0xff_u8][..]]) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }
    hash ^ (hash >> 32)
}

/// The map's keys are hashes already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        // Only `write_u64` is called; any answer that depends on the bytes is right.
        self.0 = bytes
            .iter()
            .fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn find<'a, M>(series: &'a Series<M>, hash: u64, values: &[&str]) -> Option<&'a M> {
    let same = |labels: &Labels| {
        labels
            .values
            .iter()
            .map(|value| &**value)
            .eq(values.iter().copied())
    };
    series
        .get(&hash)?
        .iter()
        .find(|(labels, _)| same(labels))
        .map(|(_, metric)| metric)
}

/// A histogram of durations in seconds, with labels and trace exemplars. Past the limit of label sets (a setting) a
/// new one is counted as `other`.
#[derive(Clone)]
pub struct Durations(Arc<Handles<HistogramWithExemplars<TraceLabel>, Buckets>>);

impl Durations {
    /// Registers `name_seconds` (give the name without the unit); asked again, gives the same metric back.
    pub fn register(
        telemetry: &Telemetry,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        let series_max = telemetry.series_max();
        telemetry.registered_as(name, |registry| {
            let family = Family::new_with_constructor(Buckets);
            registry.register_with_unit(name, help, Unit::Seconds, labels, family.clone());
            Self(Arc::new(Handles::new(labels, family, series_max)))
        })
    }

    /// Counts one. `values` stand in the order of the labels; `trace` is the exemplar and is given for a recorded
    /// trace only ([`Span::is_recording`](crate::Span::is_recording)).
    pub fn observe(&self, values: &[&str], elapsed: Duration, trace: Option<TraceContext>) {
        let exemplar = trace.map(|trace| TraceLabel(trace.trace_id()));
        self.0.with(values, |histogram| {
            histogram.observe(elapsed.as_secs_f64(), exemplar, None);
        });
    }
}

impl std::fmt::Debug for Durations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Durations").field(&self.0.names).finish()
    }
}

/// A counter with labels, limited as [`Durations`] are.
#[derive(Clone)]
pub struct Counts(Arc<Handles<Counter, fn() -> Counter>>);

impl Counts {
    /// Registers `name_total` (give the name without the suffix); asked again, gives the same metric back.
    pub fn register(
        telemetry: &Telemetry,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        let series_max = telemetry.series_max();
        telemetry.registered_as(name, |registry| {
            let family = Family::<Labels, Counter, fn() -> Counter>::new_with_constructor(Counter::default);
            registry.register(name, help, labels, family.clone());
            Self(Arc::new(Handles::new(labels, family, series_max)))
        })
    }

    /// Starts these label sets at 0: a rate is there before the first of them, and the catalogue can name the values.
    #[must_use]
    pub fn starting(self, known: &[&[&str]]) -> Self {
        for values in known {
            self.inc_by(values, 0);
        }
        self
    }

    /// Counts one.
    pub fn inc(&self, values: &[&str]) {
        self.inc_by(values, 1);
    }

    /// Counts some.
    pub fn inc_by(&self, values: &[&str], count: u64) {
        self.0.with(values, |counter| counter.inc_by(count));
    }
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Counts").field(&self.0.names).finish()
    }
}
