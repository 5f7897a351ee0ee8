//! A private Prometheus and Alertmanager: their own programs take the configurations, and what Prometheus finds wrong reaches a webhook.

use std::process::Command;
use std::time::Duration;

use engines::checkout;
use testkit::skips;
use testkit::watchers::{Alertmanager, AlertmanagerSettings, Prometheus, PrometheusSettings, Series};
use testkit::webhook::Webhook;

/// However busy the machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Its role answers nothing, so this is true from the first evaluation on.
const RULES: &str = r#"
groups:
  - name: test
    rules:
      - alert: GatewayAway
        expr: up{job="gateway"} == 0
        labels: { severity: page, service: gateway, objective: none }
"#;

#[tokio::test]
async fn what_prometheus_finds_reaches_the_webhook_as_a_page() {
    let test = "what_prometheus_finds_reaches_the_webhook_as_a_page";
    let webhook = Webhook::start().await;
    let told = AlertmanagerSettings {
        webhook: webhook.url(),
        group_wait: Duration::from_millis(100),
        group_interval: Duration::from_secs(1),
    };
    let Some(alertmanager) = Alertmanager::start(test, &told).await else {
        return;
    };
    let rules = tempfile::tempdir().expect("a folder");
    std::fs::write(rules.path().join("test.yaml"), RULES).expect("a file");
    // Nobody's ports: low ones, where nothing of ours listens.
    let mut watched = PrometheusSettings::of(&[1]);
    rules.path().clone_into(&mut watched.rules);
    watched.alertmanager = Some(alertmanager.address());
    let Some(prometheus) = Prometheus::start(test, &watched).await else {
        return;
    };
    let page = webhook
        .wait_for(PATIENCE, |notice| notice.labels["alertname"] == "GatewayAway")
        .await;
    let page = page.unwrap_or_else(|told| panic!("{told:?}\n{}", prometheus.log_tail()));
    assert_eq!(
        (page.receiver.as_str(), page.status.as_str()),
        ("pages", "firing")
    );

    let of_the_shortener = |(labels, value): &Series| labels["job"] == "shortener" && *value == 0.0;
    prometheus
        .until("up", PATIENCE, |series| series.iter().any(of_the_shortener))
        .await
        .expect("a target a role");
    let refused = prometheus.query("sum(").await.expect_err("no query");
    assert!(refused.contains("bad_data"), "{refused}");
}

#[test]
fn the_configurations_are_accepted_by_the_programs_that_read_them() {
    let infra = checkout().join("infra");
    for (program, check, file) in [
        ("promtool", &["check", "config"][..], "prometheus/prometheus.yaml"),
        ("amtool", &["check-config"], "alertmanager/alertmanager.yaml"),
    ] {
        if !skips::on_path(program) {
            skips::skip(
                "the_configurations_are_accepted_by_the_programs_that_read_them",
                &format!("{program} is not installed"),
            );
            continue;
        }
        let checked = Command::new(program).args(check).arg(infra.join(file)).output();
        let checked = checked.expect("it starts");
        let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{file}: {said}");
    }
}
