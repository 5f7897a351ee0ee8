//! The rows of a service's dashboard, as templates: `JOB` stands for the role. What the role does not emit is left out.

use super::Emitted;
use super::panel::{Panel, Section};

/// The rows that this role can fill.
pub(super) fn of_role(role: &str, emitted: &[&Emitted]) -> Vec<Section> {
    templates()
        .into_iter()
        .filter_map(|section| {
            let panels: Vec<Panel> = section
                .panels
                .iter()
                .filter_map(|panel| panel.of_role(role, emitted))
                .collect();
            (!panels.is_empty()).then(|| Section::new(&section.title, panels))
        })
        .collect()
}

/// Every row there is.
pub(super) fn templates() -> Vec<Section> {
    vec![
        requests(),
        saturation(),
        databases(),
        peers(),
        cache(),
        streams(),
        ids(),
        traces(),
    ]
}

/// Rate, errors, duration, by the matched route.
fn requests() -> Section {
    Section::new(
        "Requests",
        vec![
            Panel::lines("Requests a second by route", "reqps").ask(
                "sum by (route) (rate(http_server_request_duration_seconds_count{job=\"JOB\"}[$__rate_interval]))",
                "{{route}}",
            ),
            Panel::lines("Server errors by route", "percentunit")
                .told("Share of answers 5xx. A route without any is drawn at 0.")
                .ask(
                    "(sum by (route) (rate(http_server_request_duration_seconds_count{job=\"JOB\",status=~\"5..\"}[$__rate_interval])) \
                     or 0 * sum by (route) (rate(http_server_request_duration_seconds_count{job=\"JOB\"}[$__rate_interval]))) \
                     / sum by (route) (rate(http_server_request_duration_seconds_count{job=\"JOB\"}[$__rate_interval]))",
                    "{{route}}",
                ),
            Panel::lines("99th percentile by route", "s")
                .told("The dots are exemplars: each opens its trace.")
                .ask(
                    "histogram_quantile(0.99, sum by (le, route) (rate(http_server_request_duration_seconds_bucket{job=\"JOB\"}[$__rate_interval])))",
                    "{{route}}",
                ),
            durations("How long requests take", "http_server_request_duration_seconds"),
            Panel::lines("Answers a second by status", "reqps").ask(
                "sum by (status) (rate(http_server_request_duration_seconds_count{job=\"JOB\"}[$__rate_interval]))",
                "{{status}}",
            ),
            Panel::lines("Turned away at the edge", "reqps")
                .told("By problem code: too large, too slow, too many, not understood.")
                .ask(
                    "sum by (reason) (rate(http_server_refused_total{job=\"JOB\"}[$__rate_interval]))",
                    "{{reason}}",
                ),
        ],
    )
}

fn saturation() -> Section {
    Section::new(
        "Saturation",
        vec![
            Panel::lines("Requests in flight", "short").ask(
                "sum by (instance) (http_server_active_requests{job=\"JOB\"})",
                "{{instance}}",
            ),
            Panel::lines("CPU", "short")
                .told("Cores in use. Roles in one process (`orrery up`) each tell the whole process.")
                .ask(
                    "rate(process_cpu_seconds_total{job=\"JOB\"}[$__rate_interval])",
                    "{{instance}}",
                ),
            Panel::lines("Memory", "bytes").ask("process_resident_memory_bytes{job=\"JOB\"}", "{{instance}}"),
            Panel::lines("File descriptors, of those it may open", "percentunit")
                .coloured(0.7, 0.9)
                .ask(
                    "process_open_fds{job=\"JOB\"} / process_max_fds{job=\"JOB\"}",
                    "{{instance}}",
                ),
            Panel::lines("Threads", "short").ask("process_threads{job=\"JOB\"}", "{{instance}}"),
            Panel::lines("Up for", "s")
                .told("A line that falls to 0 is a restart.")
                .ask("time() - process_start_time_seconds{job=\"JOB\"}", "{{instance}}"),
        ],
    )
}

fn databases() -> Section {
    Section::new(
        "Engines",
        vec![
            Panel::lines("Operations a second by database", "ops").ask(
                "sum by (database) (rate(db_client_operation_duration_seconds_count{job=\"JOB\"}[$__rate_interval]))",
                "{{database}}",
            ),
            Panel::lines("99th percentile of the slowest ten operations", "s").ask(
                "topk(10, histogram_quantile(0.99, sum by (le, database, operation) (rate(db_client_operation_duration_seconds_bucket{job=\"JOB\"}[$__rate_interval]))))",
                "{{database}} {{operation}}",
            ),
            Panel::lines("Failed operations", "percentunit")
                .told("Neither done nor the caller's own error. A database without any is drawn at 0.")
                .ask(
                    "(sum by (database) (rate(db_client_operation_duration_seconds_count{job=\"JOB\",outcome!~\"ok|refused\"}[$__rate_interval])) \
                     or 0 * sum by (database) (rate(db_client_operation_duration_seconds_count{job=\"JOB\"}[$__rate_interval]))) \
                     / sum by (database) (rate(db_client_operation_duration_seconds_count{job=\"JOB\"}[$__rate_interval]))",
                    "{{database}}",
                ),
            Panel::lines("Outcomes a second", "ops")
                .told("`refused` is the caller's own error, or nobody waited any more.")
                .ask(
                    "sum by (outcome) (rate(db_client_operation_duration_seconds_count{job=\"JOB\"}[$__rate_interval]))",
                    "{{outcome}}",
                ),
            Panel::lines("Transactions run again", "ops").ask(
                "sum by (database, cause) (rate(db_client_retries_total{job=\"JOB\"}[$__rate_interval]))",
                "{{database}} {{cause}}",
            ),
            Panel::lines("Connections to Redis made, lost, failed", "ops").ask(
                "sum by (database, event) (rate(redis_connections_total{job=\"JOB\"}[$__rate_interval]))",
                "{{database}} {{event}}",
            ),
        ],
    )
}

fn peers() -> Section {
    Section::new(
        "Calls to other roles",
        vec![
            Panel::lines("Calls a second", "reqps").ask(
                "sum by (server) (rate(http_client_request_duration_seconds_count{job=\"JOB\"}[$__rate_interval]))",
                "{{server}}",
            ),
            Panel::lines("Failed calls", "percentunit")
                .told("Answered 5xx, or not at all. A peer without any is drawn at 0.")
                .ask(
                    "(sum by (server) (rate(http_client_request_duration_seconds_count{job=\"JOB\",outcome!~\"[1-4]..\"}[$__rate_interval])) \
                     or 0 * sum by (server) (rate(http_client_request_duration_seconds_count{job=\"JOB\"}[$__rate_interval]))) \
                     / sum by (server) (rate(http_client_request_duration_seconds_count{job=\"JOB\"}[$__rate_interval]))",
                    "{{server}}",
                ),
            Panel::lines("99th percentile until the answer's head", "s").ask(
                "histogram_quantile(0.99, sum by (le, server) (rate(http_client_request_duration_seconds_bucket{job=\"JOB\"}[$__rate_interval])))",
                "{{server}}",
            ),
            Panel::lines("Who decided on the rate limit", "ops").ask(
                "sum by (by) (rate(rate_limit_decisions_total{job=\"JOB\"}[$__rate_interval]))",
                "{{by}}",
            ),
        ],
    )
}

fn cache() -> Section {
    Section::new(
        "Cache",
        vec![
            Panel::lines("Share of lookups that asked nobody", "percentunit").ask(
                "sum by (cache) (rate(cache_lookups_total{job=\"JOB\",outcome!=\"miss\"}[$__rate_interval])) \
                 / sum by (cache) (rate(cache_lookups_total{job=\"JOB\"}[$__rate_interval]))",
                "{{cache}}",
            ),
            Panel::lines("Calls to the origin a second", "ops").ask(
                "sum by (cache, outcome) (rate(cache_loads_total{job=\"JOB\"}[$__rate_interval]))",
                "{{cache}} {{outcome}}",
            ),
            Panel::lines("Entries", "short").ask(
                "sum by (instance, cache) (cache_entries{job=\"JOB\"})",
                "{{instance}} {{cache}}",
            ),
            Panel::lines("Evictions and early refreshes a second", "ops")
                .ask(
                    "sum by (cache) (rate(cache_evictions_total{job=\"JOB\"}[$__rate_interval]))",
                    "{{cache}} evicted",
                )
                .ask(
                    "sum by (cache) (rate(cache_refreshes_total{job=\"JOB\"}[$__rate_interval]))",
                    "{{cache}} refreshed",
                ),
            Panel::lines("Shared level answers", "bool")
                .told("1: it does. 0: it is left alone, and each process guards the origin by itself.")
                .ask(
                    "min by (instance, cache) (cache_shared_up{job=\"JOB\"})",
                    "{{instance}} {{cache}}",
                ),
        ],
    )
}

fn streams() -> Section {
    Section::new(
        "Streams",
        vec![
            Panel::lines("Age of the oldest event not handled", "s").ask(
                "max by (stream, group) (stream_lag_seconds{job=\"JOB\"})",
                "{{stream}} {{group}}",
            ),
            Panel::lines("Events not handled", "short").ask(
                "max by (stream, group) (stream_lag{job=\"JOB\"})",
                "{{stream}} {{group}}",
            ),
            Panel::lines("Dead letters that wait", "short")
                .told("`orrery dlq list` shows them, `orrery dlq replay --all` sends them again.")
                .coloured(1.0, 100.0)
                .ask(
                    "max by (stream) (stream_dead_letters_waiting{job=\"JOB\"})",
                    "{{stream}}",
                ),
            Panel::lines("Events published a second", "ops").ask(
                "sum by (stream, outcome) (rate(stream_published_events_total{job=\"JOB\"}[$__rate_interval]))",
                "{{stream}} {{outcome}}",
            ),
            Panel::lines("Events handed to handlers a second", "ops").ask(
                "sum by (stream, group) (rate(stream_deliveries_total{job=\"JOB\"}[$__rate_interval]))",
                "{{stream}} {{group}}",
            ),
            Panel::lines("99th percentile of a publish, its sync included", "s").ask(
                "histogram_quantile(0.99, sum by (le, stream) (rate(stream_publish_duration_seconds_bucket{job=\"JOB\"}[$__rate_interval])))",
                "{{stream}}",
            ),
            Panel::lines("Bytes held", "bytes")
                .ask("max by (stream) (stream_bytes{job=\"JOB\"})", "{{stream}}"),
            Panel::lines("Events held", "short")
                .ask("max by (stream) (stream_depth{job=\"JOB\"})", "{{stream}}"),
        ],
    )
}

fn ids() -> Section {
    Section::new(
        "Ids and their leases",
        vec![
            Panel::lines("Time for which ids may still be issued", "s")
                .told("Below 0 no id is issued until the lease is renewed.")
                .ask(
                    "lease_issue_until_timestamp_milliseconds{job=\"JOB\"} / 1000 - time()",
                    "{{instance}}",
                ),
            Panel::lines("Renewals a second", "ops").ask(
                "sum by (outcome) (rate(lease_renewals_total{job=\"JOB\"}[$__rate_interval]))",
                "{{outcome}}",
            ),
            Panel::lines("Ids refused a second", "ops").ask(
                "sum by (reason) (rate(id_refusals_total{job=\"JOB\"}[$__rate_interval]))",
                "{{reason}}",
            ),
        ],
    )
}

fn traces() -> Section {
    Section::new(
        "Traces",
        vec![
            Panel::lines("Spans a second by what became of them", "ops")
                .told("A trace that cannot be found was dropped or failed here, or was not sampled.")
                .ask(
                    "sum by (result) (rate(telemetry_spans_total{job=\"JOB\"}[$__rate_interval]))",
                    "{{result}}",
                ),
            Panel::lines("Spans that wait for export", "short").ask(
                "sum by (instance) (telemetry_spans_waiting{job=\"JOB\"})",
                "{{instance}}",
            ),
        ],
    )
}

fn durations(title: &str, histogram: &str) -> Panel {
    [0.5, 0.95, 0.99].into_iter().fold(Panel::lines(title, "s"), |panel, q| {
        let expr = format!(
            "histogram_quantile({q}, sum by (le) (rate({histogram}_bucket{{job=\"JOB\"}}[$__rate_interval])))"
        );
        panel.ask(expr, format!("p{}", q * 100.0))
    })
}
