//! The overview: every role on one screen.

use super::panel::{Panel, Section, View};
use super::{Dashboard, Emitted};
use crate::ServiceObjectives;

pub(super) fn dashboard(services: &[ServiceObjectives], emitted: &[Emitted]) -> Dashboard {
    let roles: Vec<&str> = services.iter().map(|service| service.service.as_str()).collect();
    let of_services: Vec<&Emitted> = emitted
        .iter()
        .filter(|metric| roles.contains(&metric.role.as_str()))
        .collect();
    let jobs = roles.join("|");
    let all = template();
    let panels = all
        .panels
        .iter()
        .filter_map(|panel| panel.of_role(&jobs, &of_services));
    Dashboard {
        uid: "orrery-overview".to_owned(),
        name: "overview".to_owned(),
        title: "Orrery / Overview".to_owned(),
        description: "Every service: its objectives, its requests, its load.".to_owned(),
        sections: vec![objectives(), Section::new(&all.title, panels.collect())],
    }
}

fn objectives() -> Section {
    Section::new(
        "Objectives",
        vec![
            Panel::lines("Budget left", "percentunit")
                .told("Of the error budget of 30 days. Below 0 it is overspent: see docs/runbooks/README.md for what follows.")
                .shown_as(View::Bars, 12)
                .coloured(0.5, 0.2)
                .ask(
                    "sort(slo:error_budget:remaining)",
                    "{{objective}}",
                ),
            Panel::lines("Share of bad events over 1 h", "percentunit")
                .shown_as(View::Lines, 8)
                .ask("slo:sli_error:ratio_rate1h", "{{objective}}"),
            Panel::lines("Alerts that fire", "short")
                .shown_as(View::Number, 4)
                .coloured(1.0, 1.0)
                .ask("count(ALERTS{alertstate=\"firing\"}) or vector(0)", ""),
        ],
    )
}

/// `JOB` stands for all roles here, `a|b|c`.
pub(super) fn template() -> Section {
    let by_job = "{{job}}";
    Section::new(
        "Services",
        vec![
            Panel::lines("Answers its scrape", "bool")
                .ask("min by (job) (up{job=~\"JOB\"})", by_job),
            Panel::lines("Requests a second", "reqps").ask(
                "sum by (job) (rate(http_server_request_duration_seconds_count{job=~\"JOB\"}[$__rate_interval]))",
                by_job,
            ),
            Panel::lines("Server errors", "percentunit").ask(
                "(sum by (job) (rate(http_server_request_duration_seconds_count{job=~\"JOB\",status=~\"5..\"}[$__rate_interval])) \
                 or 0 * sum by (job) (rate(http_server_request_duration_seconds_count{job=~\"JOB\"}[$__rate_interval]))) \
                 / sum by (job) (rate(http_server_request_duration_seconds_count{job=~\"JOB\"}[$__rate_interval]))",
                by_job,
            ),
            Panel::lines("99th percentile", "s").ask(
                "histogram_quantile(0.99, sum by (le, job) (rate(http_server_request_duration_seconds_bucket{job=~\"JOB\"}[$__rate_interval])))",
                by_job,
            ),
            Panel::lines("CPU", "short").told("Cores in use.").ask(
                "sum by (job) (rate(process_cpu_seconds_total{job=~\"JOB\"}[$__rate_interval]))",
                by_job,
            ),
            Panel::lines("Memory", "bytes").ask(
                "sum by (job) (process_resident_memory_bytes{job=~\"JOB\"})",
                by_job,
            ),
            Panel::lines("Age of the oldest event not handled", "s").ask(
                "max by (stream, group) (stream_lag_seconds{job=~\"JOB\"})",
                "{{stream}} {{group}}",
            ),
            Panel::lines("Dead letters that wait", "short").coloured(1.0, 100.0).ask(
                "max by (stream) (stream_dead_letters_waiting{job=~\"JOB\"})",
                "{{stream}}",
            ),
            Panel::lines("Failed operations of engines", "percentunit").ask(
                "(sum by (job, database) (rate(db_client_operation_duration_seconds_count{job=~\"JOB\",outcome!~\"ok|refused\"}[$__rate_interval])) \
                 or 0 * sum by (job, database) (rate(db_client_operation_duration_seconds_count{job=~\"JOB\"}[$__rate_interval]))) \
                 / sum by (job, database) (rate(db_client_operation_duration_seconds_count{job=~\"JOB\"}[$__rate_interval]))",
                "{{job}} {{database}}",
            ),
        ],
    )
}
