//! The console in `orrery up`: it is told of every role without a setting, and nothing needs it.

use std::time::Duration;

use serde_json::Value;
use testkit::http::{get, post};
use testkit::platform::{Options, Platform};

use super::binary;

const CONSOLE: u16 = 7;
const PATIENCE: Duration = Duration::from_secs(20);

fn quick() -> Options {
    let options = Options::default()
        .arg("--set")
        .arg("telemetry.otlp_flush_interval_ms=50");
    options.arg("--set").arg("console.scrape_interval_ms=100")
}

/// The answer once it is as wanted.
async fn until(what: &str, url: &str, token: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let asked = tokio::time::timeout(PATIENCE, async {
        loop {
            let answer = get(url).bearer(token).send().await;
            if answer.status == 200 && wanted(&answer.json()) {
                return answer.json();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    asked
        .await
        .unwrap_or_else(|_| panic!("within {PATIENCE:?} {what}"))
}

#[tokio::test]
async fn the_trace_id_of_an_answer_opens_the_whole_trace_and_the_map_shows_the_roles() {
    let mut platform = Platform::start(binary(), quick()).await;
    let token = platform.token("acme", "ada", &[]).await;
    let url = platform.url();
    let link = serde_json::json!({"url": "https://www.rust-lang.org/", "alias": "rust"});
    let made = post(format!("{url}/v1/links"), &link)
        .bearer(&token)
        .header("idempotency-key", "one")
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text());
    let refused = get(format!("{url}/v1/links/not-there"))
        .bearer(&token)
        .send()
        .await;
    assert_eq!(refused.status, 404);
    let trace_id = refused.json()["trace_id"]
        .as_str()
        .expect("a trace id")
        .to_owned();
    let trace = format!("{url}/v1/console/traces/{trace_id}");
    let trace = until("the trace is whole", &trace, &token, |trace| {
        let services = trace["summary"]["services"].as_array();
        trace["complete"] == true && services.is_some_and(|services| services.len() == 2)
    })
    .await;
    assert_eq!(trace["summary"]["status"], 404, "{trace}");
    until(
        "the map has both calls, and two roles whose metrics were read",
        &format!("{url}/v1/console/map"),
        &token,
        |map| {
            let edges = map["edges"].to_string();
            let nodes = map["nodes"].as_array().into_iter().flatten();
            let scraped = nodes.filter(|node| node["source"] == "metrics");
            edges.contains("\"to\":\"shortener\"") && edges.contains("sqlite:") && scraped.count() >= 2
        },
    )
    .await;
    let objectives = get(format!("{url}/v1/console/objectives"))
        .bearer(&token)
        .send()
        .await
        .json();
    assert!(!objectives["objectives"].as_array().expect("a list").is_empty());
    let ended = platform.terminate().await;
    assert!(
        ended.success() && !platform.output().contains("was not flushed"),
        "{}",
        platform.tail()
    );
}

#[tokio::test]
async fn spans_cannot_be_sent_through_the_gateway() {
    let platform = Platform::start(binary(), Options::default()).await;
    for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        let sent = post(format!("{}{path}", platform.url()), &serde_json::json!({}))
            .send()
            .await;
        assert_eq!(sent.status, 404, "{path}");
        let inside = post(
            format!("{}{path}", platform.api_url(CONSOLE)),
            &serde_json::json!({"resourceSpans": []}),
        );
        assert_eq!(inside.send().await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn without_the_console_everything_else_goes_on() {
    let platform = Platform::start(binary(), Options::default().without_console()).await;
    let token = platform.token("acme", "ada", &[]).await;
    let url = platform.url();
    assert_eq!(
        get(format!("{url}/v1/links")).bearer(&token).send().await.status,
        200
    );
    assert_eq!(
        get(format!("{url}/v1/console/map"))
            .bearer(&token)
            .send()
            .await
            .status,
        503
    );
    assert_eq!(
        get(format!("{}/readyz", platform.admin_url(0)))
            .send()
            .await
            .status,
        200
    );
    assert!(
        get(format!("{}/livez", platform.admin_url(CONSOLE)))
            .try_send()
            .await
            .is_err(),
        "nobody is there"
    );
    let metrics = get(format!("{}/metrics", platform.admin_url(0)))
        .send()
        .await
        .text();
    assert!(
        !metrics.contains("telemetry_spans_total{result=\"exported\"} ")
            || metrics.contains("telemetry_spans_total{result=\"exported\"} 0"),
        "no exporter, no spans"
    );
}
