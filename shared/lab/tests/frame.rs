//! The frame on a real socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use lab::{Bench, Figure, Lab, LabError, Report, Service};
use load::{Arrivals, Plan};
use telemetry::{Telemetry, TelemetrySettings};

fn bench() -> Bench {
    let clock = clock::SystemClock::shared();
    let telemetry = Telemetry::new("lab-test", "1", &TelemetrySettings::default(), clock.clone()).unwrap();
    Bench::new(1, clock, telemetry).unwrap()
}

struct Nothing {
    hangs: bool,
}

#[async_trait]
impl Lab for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn about(&self) -> &'static str {
        "nothing at all"
    }

    fn pattern(&self) -> &'static str {
        "none"
    }

    async fn run(&self, bench: &Bench) -> Result<Report, LabError> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let mut report = Report::new(self, bench, &[("reads", ""), ("p99", "ms")]);
        report.setting.push("nothing was offered".to_owned());
        report.arm("without", vec![12_345.0, 1.5]);
        report.arm("with", vec![1.0, 0.25]);
        let arms = vec![
            ("without".to_owned(), vec![9, 3]),
            ("with".to_owned(), vec![1, 0]),
        ];
        report.figure = Figure::over_time("Reads", "reads", 100, arms);
        report.sentence = String::from("One is less than many.");
        Ok(report)
    }
}

#[tokio::test]
async fn a_report_is_a_table_with_a_sentence_a_chart_and_json() {
    let bench = bench();
    let report = lab::run(&Nothing { hangs: false }, &bench, lab::DEADLINE)
        .await
        .unwrap();
    assert_eq!(report.value("with", "p99"), Some(0.25));
    assert_eq!(report.value("with", "p50"), None);
    let text = report.to_string();
    let expected = "\
nothing: none (seed 1)
  nothing was offered

  arm       reads  p99, ms
  without  12,345     1.50
  with          1     0.25

One is less than many.";
    assert_eq!(text, expected);

    let folder = bench.scratch().join("out/deep");
    let [svg, json] = report.write_into(&folder).unwrap();
    let drawn = std::fs::read_to_string(svg).unwrap();
    assert!(drawn.contains("<svg") && drawn.contains("without"), "{drawn}");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(json["arms"][0]["values"][0], 12_345.0);
    assert_eq!(json["seed"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_lab_that_is_not_over_in_time_has_no_report() {
    let late = lab::run(&Nothing { hangs: true }, &bench(), lab::DEADLINE).await;
    let late = late.unwrap_err();
    assert_eq!(
        (late.code(), late.retryable()),
        ("lab_deadline_exceeded", true),
        "{late}"
    );
}

#[tokio::test]
async fn a_service_is_offered_its_load_and_a_failure_is_counted_as_such() {
    let bench = bench();
    let service = Service::start(&bench, async {
        let fails = get(|| async { StatusCode::SERVICE_UNAVAILABLE });
        Ok(Router::new()
            .route("/ok", get(|| async { "ok" }))
            .route("/fails", fails))
    })
    .await
    .unwrap();
    let plan = Plan {
        arrivals: Arrivals::Constant { per_second: 500.0 },
        count_max: 40,
        ..Plan::default()
    };
    let path = |arrival: load::Arrival| {
        if arrival.index.is_multiple_of(4) {
            "/fails"
        } else {
            "/ok"
        }
        .to_owned()
    };
    let summary = service
        .offer(&bench, plan, Duration::from_secs(5), path)
        .await
        .unwrap();
    assert_eq!((summary.succeeded, summary.failed), (30, 10), "{summary}");
    assert!(Report::offered("an arm", &summary).is_ok());
    let short = load::Summary {
        due: 100,
        dropped: 6,
        ..summary
    };
    assert!(matches!(
        Report::offered("an arm", &short),
        Err(LabError::NotOffered { dropped: 6, .. })
    ));
}

/// Says that it was dropped.
struct Told(Arc<AtomicBool>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_killed_service_stops_where_it_waits_and_answers_nobody() {
    let bench = bench();
    let gone = Arc::new(AtomicBool::new(false));
    let told = Told(Arc::clone(&gone));
    let service = Service::start(&bench, async move {
        tokio::spawn(async move {
            let _told = told;
            std::future::pending::<()>().await;
        });
        Ok(Router::new().route("/", get(std::future::pending::<StatusCode>)))
    })
    .await
    .unwrap();
    let client = service.client(Duration::from_secs(20)).unwrap();
    let asking = tokio::spawn(async move { client.get("/").await });
    // The request need not have arrived for this to hold; what it was told is lost either way.
    tokio::task::yield_now().await;
    service.kill();
    let answer = asking.await.unwrap();
    assert!(answer.is_err(), "{answer:?}");
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while !gone.load(Ordering::SeqCst) {
        assert!(tokio::time::Instant::now() < until, "its tasks still run");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
