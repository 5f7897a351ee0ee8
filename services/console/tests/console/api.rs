//! What can be read over HTTP, and by whom.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;
use testkit::http::get;

use crate::harness::{Service, hex, of, served, span, word};

/// A trace through two services and a database, the second of which is slow.
async fn seed(service: &Service) {
    let mut caller = span(1, 2, 1, SpanKind::Client, 80);
    caller.attributes = vec![word("server.address", "127.0.0.1"), word("server.port", "8094")];
    service
        .send(&of("gateway", vec![served(1, 1, 0, "/{code}", 302, 90), caller]))
        .await;
    let mut query = span(1, 4, 3, SpanKind::Client, 60);
    query.attributes = vec![word("db.system.name", "sqlite"), word("db.namespace", "links")];
    service
        .send(&of("shortener", vec![served(1, 3, 2, "/{code}", 302, 75), query]))
        .await;
    service
        .send(&of("gateway", vec![served(2, 1, 0, "/v1/links", 503, 700)]))
        .await;
    service
        .send(&of("gateway", vec![served(3, 1, 0, "/v1/links", 404, 5)]))
        .await;
}

async fn listed(service: &Service, query: &str) -> Vec<String> {
    let answer = service.get(&format!("/v1/console/traces{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let traces = answer.json()["traces"].as_array().unwrap().clone();
    let id = |trace: &serde_json::Value| trace["trace_id"].as_str().unwrap().to_owned();
    traces.iter().map(id).collect()
}

#[tokio::test]
async fn nothing_is_read_without_a_token_and_its_scope() {
    let service = Service::start().await;
    for path in [
        "/v1/console/map",
        "/v1/console/objectives",
        "/v1/console/traces",
        "/v1/console/traces/x",
    ] {
        let url = format!("{}{path}", service.url);
        assert_eq!(get(&url).send().await.status, 401, "{path}");
        let answer = get(&url).bearer(&service.token("links:read")).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["code"].as_str()),
            (403, Some("insufficient_scope"))
        );
    }
    service.stop().await;
}

#[tokio::test]
async fn a_trace_is_read_as_a_tree_with_what_was_waited_for() {
    let service = Service::start().await;
    seed(&service).await;
    let trace = service
        .get(&format!("/v1/console/traces/{}", hex(1)))
        .await
        .json();
    let spans = trace["spans"].as_array().unwrap();
    let depths: Vec<u64> = spans.iter().map(|span| span["depth"].as_u64().unwrap()).collect();
    assert_eq!(depths, [0, 1, 2, 3], "{trace}");
    assert!(spans.iter().all(|span| span["critical"] == json!(true)));
    let slowest = spans.iter().find(|span| span["slowest"] == json!(true)).unwrap();
    assert_eq!(
        (&slowest["service"], &slowest["name"]),
        (&json!("shortener"), &json!("span 4"))
    );
    assert_eq!(trace["summary"]["services"], json!(["gateway", "shortener"]));
    assert_eq!(trace["complete"], json!(true));
    service.stop().await;
}

#[tokio::test]
async fn traces_are_found_by_service_route_status_failure_and_duration() {
    let service = Service::start().await;
    seed(&service).await;
    assert_eq!(listed(&service, "").await, [hex(3), hex(2), hex(1)]);
    assert_eq!(listed(&service, "?service=shortener").await, [hex(1)]);
    assert_eq!(listed(&service, "?route=/v1/links&status=5xx").await, [hex(2)]);
    assert_eq!(listed(&service, "?status=404").await, [hex(3)]);
    assert_eq!(listed(&service, "?failed=true").await, [hex(2)]);
    assert_eq!(
        listed(&service, "?duration_min_ms=80&duration_max_ms=100").await,
        [hex(1)]
    );
    let first = service.get("/v1/console/traces?limit=2").await.json();
    let rest = listed(&service, &format!("?limit=2&before={}", first["next"])).await;
    assert_eq!(rest, [hex(1)]);
    for (bad, named) in [
        ("?status=abc", "status"),
        ("?limit=0", "limit"),
        ("?servce=x", "service"),
        ("?duration_min_ms=99999999999", "duration_min_ms"),
    ] {
        let answer = service.get(&format!("/v1/console/traces{bad}")).await;
        assert_eq!(answer.status, 422, "{bad}");
        assert!(answer.text().contains(named), "{}", answer.text());
    }
    service.stop().await;
}

#[tokio::test]
async fn the_map_has_services_engines_and_their_calls() {
    let service = Service::start().await;
    seed(&service).await;
    let map = service.get("/v1/console/map").await.json();
    let edges: Vec<(&str, &str)> = map["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| (edge["from"].as_str().unwrap(), edge["to"].as_str().unwrap()))
        .collect();
    assert_eq!(
        edges,
        [("gateway", "shortener"), ("shortener", "sqlite:links")],
        "{map}"
    );
    let gateway = &map["nodes"][0];
    assert_eq!(
        (&gateway["name"], &gateway["kind"], &gateway["source"]),
        (&json!("gateway"), &json!("service"), &json!("spans"))
    );
    assert!(
        (gateway["load"]["error_share"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9,
        "{map}"
    );
    service.stop().await;
}

#[tokio::test]
async fn a_trace_that_is_not_there_says_whether_it_ever_was() {
    let service = Service::start_with(Vec::new(), |settings| settings.memory_bytes_max = 8 << 20).await;
    let not_there = service.get(&format!("/v1/console/traces/{}", hex(9))).await;
    assert_eq!(
        (not_there.status.as_u16(), not_there.json()["code"].as_str()),
        (404, Some("not_found"))
    );
    service
        .send(&of("shop", vec![served(1, 1, 0, "/", 200, 3)]))
        .await;
    let big = |trace: u8, id: u8| {
        let mut span = served(trace, id, 0, "/", 200, 3);
        span.attributes = (0..60)
            .map(|n| word(&format!("k{n}"), &"v".repeat(1_000)))
            .collect();
        span
    };
    for trace in 2..=200 {
        service.send(&of("shop", vec![big(trace, 1)])).await;
    }
    let evicted = service.get(&format!("/v1/console/traces/{}", hex(1))).await;
    assert_eq!(
        (evicted.status.as_u16(), evicted.json()["code"].as_str()),
        (404, Some("evicted"))
    );
    assert_eq!(
        service
            .get(&format!("/v1/console/traces/{}", hex(200)))
            .await
            .status,
        200
    );
    assert!(service.metric("console_memory_bytes") <= f64::from(8_u32 << 20));
    assert!(service.metric("console_spans_evicted_total") > 0.0);
    service.stop().await;
}
