//! The registry of a role: what a scrape prints, and what it could print. A family without series prints nothing, so a
//! catalogue cannot come from a scrape; it comes from here, where every metric passes.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Metric, Registry as Series, Unit};

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricKind {
    /// Only grows, and starts again at 0 with its process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by upper bound: `_bucket`, `_count`, `_sum`.
    Histogram,
    /// Always 1; what it says stands in its labels.
    Info,
}

impl MetricKind {
    /// As Prometheus calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    fn of(metric: MetricType) -> Self {
        match metric {
            MetricType::Counter => Self::Counter,
            MetricType::Histogram => Self::Histogram,
            MetricType::Info => Self::Info,
            MetricType::Gauge | MetricType::Unknown => Self::Gauge,
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// A metric that this role has, whether or not it has a series yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricDescription {
    /// As queries name it: with its unit and `_total`; a histogram without `_bucket`, `_count` and `_sum`.
    pub name: String,
    /// What kind it is.
    pub kind: MetricKind,
    /// Its base unit, where it has one.
    pub unit: Option<String>,
    /// The names of its labels; `le` of a histogram is not among them.
    pub labels: Vec<String>,
    /// What it counts.
    pub help: String,
}

impl MetricDescription {
    /// Of a metric registered under `name`, to which the unit and the kind's suffix are added here as they are at a scrape.
    pub fn new(name: &str, help: &str, kind: MetricKind, unit: Option<&Unit>, labels: &[&str]) -> Self {
        let unit = unit.map(Unit::as_str);
        let tail = unit.map(|unit| format!("_{unit}")).unwrap_or_default();
        Self {
            name: format!("{name}{tail}{}", kind.suffix()),
            kind,
            unit: unit.map(str::to_owned).or_else(|| named_unit(name)),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            help: help.to_owned(),
        }
    }
}

/// The unit of a metric whose name was given with it.
fn named_unit(name: &str) -> Option<String> {
    ["milliseconds", "seconds", "bytes"]
        .into_iter()
        .find(|unit| name.strip_suffix(unit).is_some_and(|start| start.ends_with('_')))
        .map(str::to_owned)
}

/// The metrics of a role, each with its description.
#[derive(Debug, Default)]
pub struct Registry {
    series: Series,
    described: Vec<MetricDescription>,
}

impl Registry {
    /// Adds a metric. `name` is given without the suffix of a counter; `labels` are the names that its series have.
    pub fn register(&mut self, name: &str, help: &str, labels: &[&str], metric: impl Metric) {
        self.describe(name, help, None, labels, &metric);
        self.series.register(name, help, metric);
    }

    /// The same with a unit, which is added to the name.
    pub fn register_with_unit(
        &mut self,
        name: &str,
        help: &str,
        unit: Unit,
        labels: &[&str],
        metric: impl Metric,
    ) {
        self.describe(name, help, Some(&unit), labels, &metric);
        self.series.register_with_unit(name, help, unit, metric);
    }

    /// Adds what is measured only at the scrape. It describes what it will print.
    pub fn register_collector(
        &mut self,
        described: impl IntoIterator<Item = MetricDescription>,
        collector: impl Collector,
    ) {
        self.described.extend(described);
        self.series.register_collector(Box::new(collector));
    }

    /// Every metric, in the order of registration.
    pub fn described(&self) -> &[MetricDescription] {
        &self.described
    }

    /// What the metrics library encodes.
    pub fn series(&self) -> &Series {
        &self.series
    }

    fn describe(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        labels: &[&str],
        metric: &impl EncodeMetric,
    ) {
        let kind = MetricKind::of(metric.metric_type());
        self.described
            .push(MetricDescription::new(name, help, kind, unit, labels));
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;

    #[test]
    fn a_family_without_series_is_described_under_the_names_that_queries_use() {
        let mut registry = Registry::default();
        let refused = Family::<[(&'static str, &'static str); 1], Counter>::default();
        registry.register("refusals", "Refused", &["reason"], refused);
        registry.register_with_unit("age", "Oldest", Unit::Seconds, &[], Gauge::<i64>::default());
        registry.register("lag_seconds", "Named with its unit", &[], Gauge::<i64>::default());

        let described = registry.described();
        assert_eq!(described[0].name, "refusals_total");
        assert_eq!(described[0].kind, MetricKind::Counter);
        assert_eq!(described[0].labels, ["reason"]);
        assert_eq!(described[0].unit, None);
        assert_eq!(
            (described[1].name.as_str(), described[1].unit.as_deref()),
            ("age_seconds", Some("seconds"))
        );
        assert_eq!(
            (described[2].name.as_str(), described[2].unit.as_deref()),
            ("lag_seconds", Some("seconds"))
        );
    }
}
