//! The scraper: objectives and charts from what roles show, whatever becomes of the roles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get as route;
use serde_json::{Value, json};
use slo::ServiceObjectives;

use crate::harness::{Service, upstream};

const OBJECTIVES: &str = include_str!("../../src/console/objectives.yaml");

/// A role whose counters grow by 90 good and 10 bad requests a scrape.
async fn target(scrapes: Arc<AtomicU32>) -> String {
    let metrics = route(move || {
        let scrapes = Arc::clone(&scrapes);
        async move {
            let times = scrapes.fetch_add(1, Ordering::SeqCst);
            let line = |status: u16, count: u32| {
                let labels = format!("method=\"GET\",route=\"/{{item}}\",status=\"{status}\"");
                let name = "http_server_request_duration_seconds";
                format!("{name}_count{{{labels}}} {count}\n{name}_bucket{{{labels},le=\"+Inf\"}} {count}\n")
            };
            line(200, 90 * times) + &line(503, 10 * times)
        }
    });
    format!(
        "shop=http://{}/metrics",
        upstream(Router::new().route("/metrics", metrics)).await
    )
}

fn objectives() -> Vec<ServiceObjectives> {
    vec![ServiceObjectives::parse(OBJECTIVES).unwrap()]
}

/// By its name: which of them stands first depends on how they burn.
fn objective<'a>(all: &'a Value, name: &str) -> &'a Value {
    let all = all["objectives"].as_array().expect("a list");
    all.iter().find(|one| one["name"] == name).expect("it is there")
}

#[tokio::test]
async fn scraped_roles_make_objectives_red_and_charts_whole() {
    let scrapes = Arc::new(AtomicU32::new(0));
    let target = target(Arc::clone(&scrapes)).await;
    let service = Service::start_with(objectives(), |settings| {
        settings.targets = vec![target];
        settings.slo_scale = 60;
    })
    .await;
    let red = async || {
        service.clock.advance(Duration::from_secs(1));
        let objectives = service.get("/v1/console/objectives").await.json();
        objective(&objectives, "shop-available")["state"] == json!("page")
    };
    service.until("the objective is red", red).await;
    let objectives = service.get("/v1/console/objectives").await.json();
    let first = objective(&objectives, "shop-available");
    assert_eq!(first["window_divisor"], json!(60), "{first}");
    let burn = first["windows"][0]["long_burn"].as_f64().unwrap();
    assert!(
        (9.0..=11.0).contains(&burn),
        "a tenth fails and a hundredth may: {burn}"
    );
    let map = service.get("/v1/console/map").await.json();
    assert_eq!(
        (&map["nodes"][0]["source"], &map["nodes"][0]["name"]),
        (&json!("metrics"), &json!("shop"))
    );
    assert!(
        (map["nodes"][0]["load"]["error_share"].as_f64().unwrap() - 0.1).abs() < 1e-6,
        "{map}"
    );
    service.stop().await;
}

#[tokio::test]
async fn a_role_that_cannot_be_scraped_is_counted_and_disturbs_no_other() {
    let scrapes = Arc::new(AtomicU32::new(0));
    let good = target(Arc::clone(&scrapes)).await;
    let failing = route(|| async { http::StatusCode::INTERNAL_SERVER_ERROR });
    let failing = upstream(Router::new().route("/metrics", failing)).await;
    let nonsense = upstream(Router::new().route("/metrics", route(|| async { vec![0xff_u8, 0xfe] }))).await;
    let endless = route(|| async { "x".repeat(5 << 20) });
    let endless = upstream(Router::new().route("/metrics", endless)).await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone_at = gone.local_addr().unwrap();
    drop(gone);
    let service = Service::start_with(objectives(), |settings| {
        settings.targets = vec![
            format!("failing=http://{failing}/metrics"),
            format!("nonsense=http://{nonsense}/metrics"),
            format!("endless=http://{endless}/metrics"),
            format!("gone=http://{gone_at}/metrics"),
            good,
        ];
    })
    .await;
    service
        .until("three good scrapes", async || scrapes.load(Ordering::SeqCst) >= 3)
        .await;
    let count = |job: &str, outcome: &str| {
        service.metric(&format!(
            "console_scrapes_total{{job=\"{job}\",outcome=\"{outcome}\"}}"
        ))
    };
    for (job, outcome) in [
        ("failing", "upstream_refused"),
        ("nonsense", "upstream_answer_unreadable"),
        ("endless", "upstream_answer_too_large"),
        ("gone", "upstream_unavailable"),
        ("shop", "ok"),
    ] {
        assert!(count(job, outcome) > 0.0, "{job}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_role_that_does_not_answer_holds_the_others_up_for_no_longer_than_a_scrape_may_take() {
    let silent = route(std::future::pending::<&'static str>);
    let silent = upstream(Router::new().route("/metrics", silent)).await;
    let scrapes = Arc::new(AtomicU32::new(0));
    let good = target(Arc::clone(&scrapes)).await;
    let service = Service::start_with(objectives(), |settings| {
        settings.targets = vec![format!("silent=http://{silent}/metrics"), good];
    })
    .await;
    service
        .until("two rounds", async || scrapes.load(Ordering::SeqCst) >= 2)
        .await;
    let late = "console_scrapes_total{job=\"silent\",outcome=\"deadline_exceeded\"}";
    assert!(service.metric(late) > 0.0);
    service.stop().await;
}
