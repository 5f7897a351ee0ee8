use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::atomic::AtomicU64;
use telemetry::Registry;

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Rate = Gauge<f64, AtomicU64>;

/// The metrics of the shared level, by cache.
#[derive(Debug, Clone, Default)]
pub(crate) struct FarMetrics {
    operations: Family<Labels<3>, Counter>,
    limited: Family<Labels<2>, Counter>,
    notices: Family<Labels<2>, Counter>,
    untold: Family<Labels<1>, Counter>,
    up: Family<Labels<1>, Gauge>,
    usual: Family<Labels<1>, Rate>,
}

impl FarMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "cache_shared_operations",
            "Calls of the shared level by operation (look, fill, begin_write, end_write) and outcome: of look hit, absent, \
             fill, load, unreadable; of the others done, refused; of all the error's code",
            &["cache", "operation", "outcome"],
            self.operations.clone(),
        );
        registry.register(
            "cache_limited_reads",
            "Reads for which the origin had room while the shared level was away or refilling (origin), and those for which \
             it had none: stale, refused",
            &["cache", "outcome"],
            self.limited.clone(),
        );
        registry.register(
            "cache_shared_notices",
            "What was heard of other processes: key, gap (messages may be lost), wiped (the level had lost everything)",
            &["cache", "notice"],
            self.notices.clone(),
        );
        registry.register(
            "cache_shared_untold_writes",
            "Ended writes of which the shared level was not told at once",
            &["cache"],
            self.untold.clone(),
        );
        registry.register(
            "cache_shared_up",
            "Whether the shared level answered last (1) or is left alone (0)",
            &["cache"],
            self.up.clone(),
        );
        registry.register(
            "cache_origin_usual_rate",
            "Reads of the origin a second while the shared level is well; twice that is the limit while it is not",
            &["cache"],
            self.usual.clone(),
        );
    }

    pub(crate) fn of(&self, cache: &'static str) -> FarHandles {
        let limited = |outcome| {
            self.limited
                .get_or_create_owned(&[("cache", cache), ("outcome", outcome)])
        };
        let notice = |kind| {
            self.notices
                .get_or_create_owned(&[("cache", cache), ("notice", kind)])
        };
        let up = self.up.get_or_create_owned(&[("cache", cache)]);
        up.set(1);
        FarHandles {
            cache,
            operations: self.operations.clone(),
            origin: limited("origin"),
            stale: limited("stale"),
            refused: limited("refused"),
            key: notice("key"),
            gap: notice("gap"),
            wiped: notice("wiped"),
            untold: self.untold.get_or_create_owned(&[("cache", cache)]),
            up,
            usual: self.usual.get_or_create_owned(&[("cache", cache)]),
        }
    }
}

#[derive(Debug)]
pub(crate) struct FarHandles {
    cache: &'static str,
    operations: Family<Labels<3>, Counter>,
    pub(crate) origin: Counter,
    pub(crate) stale: Counter,
    pub(crate) refused: Counter,
    pub(crate) key: Counter,
    pub(crate) gap: Counter,
    pub(crate) wiped: Counter,
    pub(crate) untold: Counter,
    pub(crate) up: Gauge,
    pub(crate) usual: Rate,
}

impl FarHandles {
    pub(crate) fn operation(&self, operation: &'static str, outcome: &'static str) {
        let labels = [
            ("cache", self.cache),
            ("operation", operation),
            ("outcome", outcome),
        ];
        self.operations.get_or_create(&labels).inc();
    }
}
