use super::*;

fn metric(role: &str, name: &str, kind: Kind, labels: &[&str]) -> Emitted {
    Emitted {
        role: role.to_owned(),
        name: name.to_owned(),
        kind,
        unit: None,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        help: "Helps".to_owned(),
    }
}

fn feed() -> ServiceObjectives {
    ServiceObjectives {
        service: "feed".to_owned(),
        title: "The feed".to_owned(),
        description: "Feeds.".to_owned(),
        objectives: vec![crate::Objective {
            name: "feed-answers".to_owned(),
            service: "feed".to_owned(),
            title: "Answers".to_owned(),
            description: "Of requests, those answered.".to_owned(),
            target: 0.9995,
            window: std::time::Duration::from_hours(720),
            good: "a{b=\"c\"}".parse().expect("a selector"),
            total: "a".parse().expect("a selector"),
        }],
    }
}

fn emitted() -> Vec<Emitted> {
    vec![
        metric(
            "feed",
            "http_server_request_duration_seconds",
            Kind::Histogram,
            &["method", "route", "status"],
        ),
        metric("feed", "feed_posts_total", Kind::Counter, &["change"]),
        metric("feed", "feed_wait_seconds", Kind::Histogram, &[]),
        metric("other", "stream_lag_seconds", Kind::Gauge, &["stream", "group"]),
    ]
}

fn of_feed() -> Dashboard {
    dashboards(&[feed()], &emitted()).pop().expect("two dashboards")
}

#[test]
fn a_service_has_the_panels_that_its_metrics_can_fill_and_no_other() {
    let feed = of_feed();
    let titles: Vec<&str> = feed
        .sections
        .iter()
        .map(|section| section.title.as_str())
        .collect();
    assert_eq!(titles, ["Objectives", "Requests", "What else it counts"]);
    assert!(feed.queries().all(|asked| !asked.expr.contains("JOB")));
    for asked in feed.queries() {
        for name in metric_names(asked.expr) {
            let known = is_derived(&name)
                || emitted()
                    .iter()
                    .any(|metric| metric.role == "feed" && metric.answers(&name));
            assert!(known, "{} asks for {name}", asked.panel);
        }
    }
}

#[test]
fn what_only_the_service_counts_has_a_panel_by_its_kind() {
    let feed = of_feed();
    let own: Vec<String> = feed
        .queries()
        .filter(|asked| asked.expr.contains("feed_"))
        .map(|asked| asked.over("1m"))
        .collect();
    assert_eq!(own.len(), 4, "a counter, and three quantiles of a histogram");
    assert_eq!(
        own[0],
        "sum by (change) (rate(feed_posts_total{job=\"feed\"}[1m]))"
    );
    assert!(own[3].starts_with("histogram_quantile(0.99, sum by (le) (rate(feed_wait_seconds_bucket{"));
}

#[test]
fn the_panels_of_an_objective_link_its_runbook_and_divide_by_its_budget() {
    let feed = of_feed();
    let panels = &feed.sections[0].panels;
    assert!(
        panels
            .iter()
            .all(|panel| panel.runbook.as_deref() == Some("docs/runbooks/feed-answers.md"))
    );
    assert_eq!(
        panels[1].queries[0].expr,
        "slo:sli_error:ratio_rate5m{objective=\"feed-answers\"} / 0.0005"
    );
}

#[test]
fn the_json_is_what_grafana_reads_with_ids_of_its_own_and_no_overlap() {
    let json: serde_json::Value = serde_json::from_str(&of_feed().json()).expect("JSON");
    let panels = json["panels"].as_array().expect("panels");
    let mut cells = std::collections::BTreeSet::new();
    let mut ids = std::collections::BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64()), "an id of its own");
        let at = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
        assert!(at("x") + at("w") <= 24);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(cells.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}");
        }
    }
    let p99 = panels
        .iter()
        .find(|panel| panel["title"] == "99th percentile by route")
        .expect("it is there");
    assert_eq!(p99["targets"][0]["exemplar"], true);
}

#[test]
fn a_panel_that_waits_for_a_fault_says_so_in_its_description() {
    let mut emitted = emitted();
    emitted.push(metric(
        "feed",
        "http_server_refused_total",
        Kind::Counter,
        &["reason"],
    ));
    let feed = dashboards(&[feed()], &emitted).pop().expect("two dashboards");
    let refused = feed
        .queries()
        .find(|asked| asked.expr.contains("http_server_refused_total"))
        .expect("a panel");
    assert!(matches!(refused.needs, Some(Need::Fault(_))));
    assert!(
        feed.json()
            .contains("needs_fault: a request that the edge turns away")
    );
}
