//! Rate, errors and durations in stretches of ten seconds: half an hour of each series, and only so many series.

mod histogram;
mod series;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use histogram::Histogram;
pub(crate) use series::{BUCKET_S, KEPT_S, Series};

/// Seconds that "now" means on the map and in lists.
pub(crate) const RECENT_S: u64 = 300;
/// What is counted under no name of its own.
pub(crate) const OTHER: &str = "other";
/// Services told apart.
const SERVICES_MAX: usize = 64;
/// Routes of one service told apart.
const ROUTES_MAX: usize = 64;
/// Series in all: the services' own, their routes' and what did not fit in.
const SERIES_MAX: usize = 256;

/// Requests that ended in one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// Unix seconds.
    pub(crate) at_s: u64,
    pub(crate) failed: bool,
    pub(crate) took: Duration,
}

/// The series of one service.
#[derive(Debug, Default)]
pub(crate) struct ServiceRed {
    pub(crate) total: Series,
    pub(crate) routes: HashMap<Arc<str>, Series>,
}

/// The series of all services, from one source.
#[derive(Debug, Default)]
pub(crate) struct RedStore {
    services: HashMap<Arc<str>, ServiceRed>,
    series: usize,
}

impl RedStore {
    /// Counts one request.
    pub(crate) fn count(&mut self, service: &str, route: &str, ended: Ended) {
        let mut histogram = Histogram::default();
        histogram.observe(ended.took, 1);
        self.add(service, route, ended.at_s, u32::from(ended.failed), &histogram);
    }

    /// Counts many that ended in the same stretch.
    pub(crate) fn add(&mut self, service: &str, route: &str, at_s: u64, errors: u32, histogram: &Histogram) {
        let service = self.service_entry(service);
        let Some(red) = self.services.get_mut(&service) else {
            return;
        };
        red.total.add(at_s, errors, histogram);
        let known = red.routes.contains_key(route);
        let room = red.routes.len() < ROUTES_MAX && self.series < SERIES_MAX;
        // `other` always has room: at most one a service.
        let route = if known || room { route } else { OTHER };
        if !red.routes.contains_key(route) {
            red.routes.insert(route.into(), Series::default());
            self.series += 1;
        }
        if let Some(series) = red.routes.get_mut(route) {
            series.add(at_s, errors, histogram);
        }
    }

    /// The name that this service is counted under.
    fn service_entry(&mut self, service: &str) -> Arc<str> {
        if let Some((name, _)) = self.services.get_key_value(service) {
            return name.clone();
        }
        let room = self.services.len() < SERVICES_MAX && self.series < SERIES_MAX;
        let name: Arc<str> = if room { service.into() } else { OTHER.into() };
        if !self.services.contains_key(&name) {
            self.services.insert(name.clone(), ServiceRed::default());
            self.series += 1;
        }
        name
    }

    pub(crate) fn service(&self, name: &str) -> Option<&ServiceRed> {
        self.services.get(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.services.keys()
    }

    /// Lets go of what is older than charts reach, and of routes and services that nothing was asked of since.
    pub(crate) fn forget(&mut self, now_s: u64) {
        let oldest = now_s.saturating_sub(KEPT_S);
        for red in self.services.values_mut() {
            red.total.forget(oldest);
            red.routes.retain(|_, series| {
                series.forget(oldest);
                !series.is_empty()
            });
        }
        self.services
            .retain(|_, red| !red.total.is_empty() || !red.routes.is_empty());
        self.series = self.services.values().map(|red| 1 + red.routes.len()).sum();
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let one = |name: &Arc<str>, series: &Series| name.len() + 48 + series.bytes();
        self.services
            .iter()
            .map(|(name, red)| {
                let routes: usize = red.routes.iter().map(|(route, series)| one(route, series)).sum();
                one(name, &red.total) + routes
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(at_s: u64) -> Ended {
        Ended {
            at_s,
            failed: false,
            took: Duration::from_millis(3),
        }
    }

    #[test]
    fn names_without_end_are_counted_as_other_and_cost_no_more() {
        let mut store = RedStore::default();
        for number in 0..10_000 {
            store.count(&format!("s{number}"), &format!("GET /{number}"), ended(1_000));
        }
        assert!(store.series <= SERIES_MAX + SERVICES_MAX + 1, "{}", store.series);
        let requests = |red: &ServiceRed| red.total.load(900, 300, 1.0).requests_per_s;
        let all: f64 = store.services.values().map(requests).sum();
        assert!((all - 10_000.0).abs() < 0.1, "none is lost: {all}");
        assert!(store.service(OTHER).is_some());
    }

    #[test]
    fn routes_without_end_leave_room_for_the_other_services() {
        let mut store = RedStore::default();
        for number in 0..10_000 {
            store.count("one", &format!("GET /{number}"), ended(1_000));
        }
        store.count("two", "GET /", ended(1_000));
        assert_eq!(store.service("one").unwrap().routes.len(), ROUTES_MAX + 1);
        assert!(store.service("two").unwrap().routes.contains_key("GET /"));
    }

    #[test]
    fn what_is_older_than_charts_reach_is_let_go() {
        let mut store = RedStore::default();
        store.count("one", "GET /", ended(1_000));
        let before = store.bytes();
        store.forget(1_000 + KEPT_S);
        assert_eq!(store.bytes(), before);
        store.forget(1_000 + KEPT_S + 2 * BUCKET_S);
        assert_eq!((store.bytes(), store.series), (0, 0));
    }
}
