use crate::far::FarMetrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use telemetry::{Registry, Telemetry};

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Registers every metric of this crate without a cache: for the catalogue of what a role can emit.
pub fn describe_metrics(telemetry: &Telemetry) {
    telemetry.registry(|registry| CacheMetrics::default().register(registry));
}

/// The metrics of all caches of a role, told apart by the label `cache`. Register it once.
#[derive(Debug, Clone, Default)]
pub struct CacheMetrics {
    lookups: Family<Labels<2>, Counter>,
    loads: Family<Labels<2>, Counter>,
    refreshes: Family<Labels<1>, Counter>,
    evictions: Family<Labels<1>, Counter>,
    entries: Family<Labels<1>, Gauge>,
    pub(crate) far: FarMetrics,
}

impl CacheMetrics {
    /// Adds the metrics to the role's registry: `telemetry.registry(|r| metrics.register(r))`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "cache_lookups",
            "Lookups by outcome: hit, negative (known to be absent), miss",
            &["cache", "outcome"],
            self.lookups.clone(),
        );
        registry.register(
            "cache_loads",
            "Calls to the origin by outcome: found, absent, origin_failed, timed_out, abandoned, busy (refused)",
            &["cache", "outcome"],
            self.loads.clone(),
        );
        registry.register(
            "cache_refreshes",
            "Loads begun in the background before the entry expired",
            &["cache"],
            self.refreshes.clone(),
        );
        registry.register(
            "cache_evictions",
            "Entries pushed out by newer ones",
            &["cache"],
            self.evictions.clone(),
        );
        registry.register(
            "cache_entries",
            "Entries held, expired ones included",
            &["cache"],
            self.entries.clone(),
        );
        self.far.register(registry);
    }

    /// Handles for one cache, found once: a lookup only adds to an atomic.
    pub(crate) fn of(&self, cache: &'static str) -> Handles {
        let lookup = |outcome| {
            self.lookups
                .get_or_create_owned(&[("cache", cache), ("outcome", outcome)])
        };
        let load = |outcome| {
            self.loads
                .get_or_create_owned(&[("cache", cache), ("outcome", outcome)])
        };
        Handles {
            hit: lookup("hit"),
            negative: lookup("negative"),
            miss: lookup("miss"),
            found: load("found"),
            absent: load("absent"),
            origin_failed: load("origin_failed"),
            timed_out: load("timed_out"),
            abandoned: load("abandoned"),
            busy: load("busy"),
            refreshes: self.refreshes.get_or_create_owned(&[("cache", cache)]),
            evictions: self.evictions.get_or_create_owned(&[("cache", cache)]),
            entries: self.entries.get_or_create_owned(&[("cache", cache)]),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Handles {
    pub(crate) hit: Counter,
    pub(crate) negative: Counter,
    pub(crate) miss: Counter,
    pub(crate) found: Counter,
    pub(crate) absent: Counter,
    pub(crate) origin_failed: Counter,
    pub(crate) timed_out: Counter,
    pub(crate) abandoned: Counter,
    pub(crate) busy: Counter,
    pub(crate) refreshes: Counter,
    pub(crate) evictions: Counter,
    pub(crate) entries: Gauge,
}
