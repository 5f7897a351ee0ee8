//! Every metric of the service. What all roles have (requests, database operations, cache, streams, leases) stands in their crates.
//!
//! | metric | unit | labels |
//! |---|---|---|
//! | `shortener_redirects_total` | redirects | `outcome`: `found`, `fallback`, `missing`, `expired`, `closed` (archived, not yet open, its cap reached, to a robot, or to a known bad URL), `locked` (its password wanted or wrong), `failed` |
//! | `shortener_links_total` | links | `change`: `created`, `replayed`, `updated`, `deleted` |
//! | `shortener_clicks_total` | clicks | `step`: `recorded`, `dropped` (queue full), `spooled` (the stream was away), `published`, `lost` (stopped before it was published), `counted` |
//! | `shortener_bad_urls` | hosts and beginnings of URLs that no link leads to | none |
//! | `shortener_bad_url_files_total` | files of them | `outcome`: `read`, `refused` (also one that is gone; the former one holds) |
//! | `shortener_password_checks_total` | passwords checked against a link's, or for lack of one against nobody's | none |
//! | `shortener_click_queue_length` | clicks | none |
//! | `shortener_click_lag_seconds` | seconds from a click to its count | none |

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;
use telemetry::{Operations, Registry, Telemetry};

/// From one flush to a backlog of minutes.
const LAG_BUCKETS_S: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

type Labelled = Family<[(&'static str, &'static str); 1], Counter>;

/// The handles; each was looked up once, for a redirect is counted on the hot path.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Redirects that led somewhere.
    pub redirects_found: Counter,
    /// Redirects to a fallback.
    pub redirects_fallback: Counter,
    /// Codes that lead nowhere.
    pub redirects_missing: Counter,
    /// Codes of expired links.
    pub redirects_expired: Counter,
    /// Codes of links that are archived, not open yet, used up, or not for robots.
    pub redirects_closed: Counter,
    /// Codes of links whose password was not given.
    pub redirects_locked: Counter,
    /// Redirects that could not be answered.
    pub redirects_failed: Counter,
    /// Links made.
    pub links_created: Counter,
    /// Repeats answered as the first time.
    pub links_replayed: Counter,
    /// Links changed.
    pub links_updated: Counter,
    /// Links deleted.
    pub links_deleted: Counter,
    /// Clicks taken into the queue.
    pub clicks_recorded: Counter,
    /// Clicks that found the queue full.
    pub clicks_dropped: Counter,
    /// Clicks kept on this machine while the stream was away; they are published later.
    pub clicks_spooled: Counter,
    /// Clicks appended to the stream.
    pub clicks_published: Counter,
    /// Clicks that could not be appended before the service stopped.
    pub clicks_lost: Counter,
    /// Clicks added to the counts.
    pub clicks_counted: Counter,
    /// Entries of the list of known bad URLs.
    pub bad_urls: Gauge,
    /// Lists of them that were read.
    pub bad_url_files_read: Counter,
    /// Lists of them that could not be used.
    pub bad_url_files_refused: Counter,
    /// Passwords that were checked.
    pub password_checks: Counter,
    /// Clicks that wait in memory.
    pub click_queue_length: Gauge,
    /// From a click to its count.
    pub click_lag: Histogram,
}

/// Registers every metric that this role can emit, whatever engines stand behind it: for `docs/metrics.md`.
pub fn describe_metrics(telemetry: &telemetry::Telemetry) {
    server::describe_metrics(telemetry);
    client::describe_metrics(telemetry);
    // Of all engines of links, streams and leases; none of them has metrics of its own.
    Operations::register(telemetry);
    redis_engine::describe_metrics(telemetry);
    streams::describe_metrics(telemetry);
    leases::describe_metrics(telemetry);
    limits::describe_metrics(telemetry);
    cache::describe_metrics(telemetry);
    Metrics::register(telemetry);
}

impl Metrics {
    /// Registers all of them; once a role.
    pub fn register(telemetry: &Telemetry) -> Self {
        telemetry.registry(|registry| {
            let redirects = labelled(
                registry,
                "shortener_redirects",
                "Answers to GET and HEAD /{code}",
                "outcome",
            );
            let links = labelled(registry, "shortener_links", "Changes of links", "change");
            let clicks = labelled(
                registry,
                "shortener_clicks",
                "Clicks on their way into the counts",
                "step",
            );
            let bad = labelled(
                registry,
                "shortener_bad_url_files",
                "Files of known bad URLs",
                "outcome",
            );
            let file = |value| bad.get_or_create_owned(&[("outcome", value)]);
            let outcome = |value| redirects.get_or_create_owned(&[("outcome", value)]);
            let change = |value| links.get_or_create_owned(&[("change", value)]);
            let step = |value| clicks.get_or_create_owned(&[("step", value)]);
            let metrics = Self {
                redirects_found: outcome("found"),
                redirects_fallback: outcome("fallback"),
                redirects_missing: outcome("missing"),
                redirects_expired: outcome("expired"),
                redirects_closed: outcome("closed"),
                redirects_locked: outcome("locked"),
                redirects_failed: outcome("failed"),
                links_created: change("created"),
                links_replayed: change("replayed"),
                links_updated: change("updated"),
                links_deleted: change("deleted"),
                clicks_recorded: step("recorded"),
                clicks_dropped: step("dropped"),
                clicks_spooled: step("spooled"),
                clicks_published: step("published"),
                clicks_lost: step("lost"),
                clicks_counted: step("counted"),
                bad_urls: Gauge::default(),
                bad_url_files_read: file("read"),
                bad_url_files_refused: file("refused"),
                password_checks: Counter::default(),
                click_queue_length: Gauge::default(),
                click_lag: Histogram::new(LAG_BUCKETS_S),
            };
            metrics.register_unlabelled(registry);
            metrics
        })
    }

    fn register_unlabelled(&self, registry: &mut Registry) {
        registry.register(
            "shortener_bad_urls",
            "Hosts and beginnings of URLs that no link leads to",
            &[],
            self.bad_urls.clone(),
        );
        registry.register(
            "shortener_password_checks",
            "Passwords checked against a link's, or for lack of one against nobody's",
            &[],
            self.password_checks.clone(),
        );
        registry.register(
            "shortener_click_queue_length",
            "Clicks that wait in memory to be appended to the stream",
            &[],
            self.click_queue_length.clone(),
        );
        registry.register_with_unit(
            "shortener_click_lag",
            "From a click to its count",
            Unit::Seconds,
            &[],
            self.click_lag.clone(),
        );
    }
}

fn labelled(registry: &mut Registry, name: &str, help: &str, label: &str) -> Labelled {
    let family = Labelled::default();
    registry.register(name, help, &[label], family.clone());
    family
}
