//! What can be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use slo::{Objective, Selector};
use tokio::sync::watch;

use super::{Console, Seen};
use crate::model::{
    Load, ObjectiveView, RouteView, ServiceMap, ServiceSummary, ServiceView, Source, TraceLookup, TracePage,
    TraceQuery, TraceSummary,
};
use crate::red::{RECENT_S, Series, ServiceRed};
use crate::traces::{self, Kind, StoredSpan, Trace};

/// Traces that are looked through for those that spent an objective's budget: the newest.
const BURNERS_SOUGHT_IN: usize = 20_000;
/// What the platform measures its requests by.
const STATUS_UNMATCHED: &str = "unmatched";

impl Console {
    /// Who calls whom, over the last minutes.
    pub fn map(&self) -> ServiceMap {
        let seen = self.seen();
        let loads: BTreeMap<Arc<str>, (Source, Load)> = names(&seen)
            .into_iter()
            .filter_map(|name| {
                let (source, red) = red(&seen, &name)?;
                Some((name, (source, self.load(&red.total))))
            })
            .collect();
        seen.map.drawn(self.now_s(), self.lasted_s(), &loads)
    }

    /// Every service, by name.
    pub fn services(&self) -> Vec<ServiceSummary> {
        let seen = self.seen();
        let all = names(&seen).into_iter();
        all.filter_map(|name| self.summary(&seen, &name)).collect()
    }

    /// One service with its routes.
    pub fn service(&self, name: &str) -> Option<ServiceView> {
        let seen = self.seen();
        let summary = self.summary(&seen, name)?;
        let (_, red) = red(&seen, name)?;
        let mut routes: Vec<RouteView> = red
            .routes
            .iter()
            .map(|(route, series)| RouteView {
                route: route.to_string(),
                load: self.load(series),
                series: series.points(self.now_s()),
            })
            .collect();
        routes.sort_by(|one, two| {
            let busier = two.load.requests_per_s.total_cmp(&one.load.requests_per_s);
            busier.then_with(|| one.route.cmp(&two.route))
        });
        Some(ServiceView { summary, routes })
    }

    /// Every objective, the worst first.
    pub fn objectives(&self) -> Vec<ObjectiveView> {
        self.objectives_locked().views(self.0.clock.monotonic())
    }

    /// One objective.
    pub fn objective(&self, name: &str) -> Option<ObjectiveView> {
        self.objectives_locked().named(name, self.0.clock.monotonic())
    }

    /// Traces with a request that spent the budget of this objective, the slowest first.
    pub fn burned_by(&self, objective: &str, limit: usize) -> Vec<TraceSummary> {
        let Some(objective) = self.objectives_locked().objective(objective).cloned() else {
            return Vec::new();
        };
        let seen = self.seen();
        let mut found: Vec<(u64, &Trace)> = Vec::new();
        for trace in seen.traces.newest(None).take(BURNERS_SOUGHT_IN) {
            let slowest = trace.spans.iter().filter(|span| burns(&objective, span));
            if let Some(slowest) = slowest.map(|span| span.duration_us).max() {
                found.push((slowest, trace));
            }
        }
        found.sort_by_key(|(took, trace)| (std::cmp::Reverse(*took), std::cmp::Reverse(trace.seq)));
        let first = found.into_iter().take(limit);
        first.map(|(_, trace)| traces::summary(trace)).collect()
    }

    /// Traces, a page at a time.
    pub fn traces(&self, query: &TraceQuery) -> TracePage {
        traces::search(&self.seen().traces, query)
    }

    /// One trace, as far as it has come.
    pub fn trace(&self, trace_id: u128) -> TraceLookup {
        let seen = self.seen();
        match seen.traces.get(trace_id).filter(|trace| !trace.spans.is_empty()) {
            Some(trace) => TraceLookup::Found(Box::new(traces::view(trace))),
            None if seen.traces.was_evicted(trace_id) => TraceLookup::Evicted,
            None => TraceLookup::Unknown,
        }
    }

    /// Counts up whenever there is something new to show.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Now, by this process's clock.
    pub fn now_unix_ms(&self) -> u64 {
        self.0.clock.unix_ms()
    }

    fn summary(&self, seen: &Seen, name: &str) -> Option<ServiceSummary> {
        let (source, red) = red(seen, name)?;
        Some(ServiceSummary {
            name: name.to_owned(),
            source,
            load: self.load(&red.total),
            series: red.total.points(self.now_s()),
        })
    }

    fn load(&self, series: &Series) -> Load {
        series.load(self.now_s().saturating_sub(RECENT_S), RECENT_S, self.lasted_s())
    }

    fn now_s(&self) -> u64 {
        self.0.clock.unix_ms() / 1_000
    }

    /// How much of the last minutes this console has seen.
    fn lasted_s(&self) -> f64 {
        let up = self.0.clock.monotonic().saturating_sub(self.0.started);
        #[expect(clippy::cast_precision_loss, reason = "300 fits")]
        let most = RECENT_S as f64;
        up.as_secs_f64().min(most)
    }
}

fn names(seen: &Seen) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = seen.from_metrics.names().cloned().collect();
    names.extend(seen.from_spans.names().cloned());
    names.sort();
    names.dedup();
    names
}

/// Scraped numbers are whole; spans are the recorded share.
fn red<'a>(seen: &'a Seen, name: &str) -> Option<(Source, &'a ServiceRed)> {
    let scraped = seen.from_metrics.service(name).map(|red| (Source::Metrics, red));
    scraped.or_else(|| seen.from_spans.service(name).map(|red| (Source::Spans, red)))
}

/// Whether this request is one that the objective counts, and counts as bad: judged by the labels that the platform's
/// own histogram would have given it.
fn burns(objective: &Objective, span: &StoredSpan) -> bool {
    if span.kind != Kind::Server || !is_job(&objective.total, &span.service) {
        return false;
    }
    let route = span.route.as_deref().unwrap_or_default();
    let (method, route) = route.split_once(' ').unwrap_or((route, STATUS_UNMATCHED));
    let status = span.status.map(|status| status.to_string()).unwrap_or_default();
    let mut labels: Vec<(String, String)> = [
        ("job", &*span.service),
        ("method", method),
        ("route", route),
        ("status", status.as_str()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    if !objective.total.matches(&objective.total.metric, &labels) {
        return false;
    }
    // A latency objective counts one class of a histogram as good.
    let bound = objective
        .good
        .matchers
        .iter()
        .find(|matcher| matcher.label() == "le");
    let in_time = bound.is_none_or(|bound| {
        labels.push(("le".to_owned(), bound.value().to_owned()));
        let bound_s: f64 = bound.value().parse().unwrap_or(f64::INFINITY);
        std::time::Duration::from_micros(span.duration_us).as_secs_f64() <= bound_s
    });
    !(in_time && objective.good.matches(&objective.good.metric, &labels))
}

fn is_job(selector: &Selector, service: &str) -> bool {
    let mut jobs = selector
        .matchers
        .iter()
        .filter(|matcher| matcher.label() == "job");
    jobs.all(|matcher| matcher.accepts(service))
}
