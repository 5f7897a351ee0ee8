use std::time::Duration;

use clock::ManualClock;
use http::Method;
use telemetry::{
    Cardinality, Counts, Durations, Finished, HttpMetrics, Operations, OtlpProtocol, RequestEnd,
    TelemetrySettings,
};
use testkit::otlp::OtlpReceiver;

use crate::openmetrics::Scrape;
use crate::{role, scraped, settings};

fn scrape(telemetry: &telemetry::Telemetry) -> Scrape {
    let (content_type, body) = telemetry.encode(None).expect("a scrape");
    assert!(
        content_type.starts_with("application/openmetrics-text; version=1.0.0"),
        "{content_type}"
    );
    Scrape::parse(&String::from_utf8(body).expect("a scrape is UTF-8"))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn same(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-9
}

#[test]
fn a_recorded_request_is_the_exemplar_of_its_bucket() {
    let receiver = OtlpReceiver::start();
    let telemetry = role("shortener", &settings(&receiver, OtlpProtocol::Grpc));
    let metrics = HttpMetrics::register(&telemetry);
    let request = telemetry.request(&Method::GET, None);
    let trace_id = request.context().trace_id().to_string();
    let end = RequestEnd {
        route: "/{code}",
        status: 302,
        error_code: None,
    };
    metrics.observe(&Method::GET, end.route, end.status, request.finish(end));

    let scrape = scrape(&telemetry);
    let count = r#"http_server_request_duration_seconds_count{method="GET",route="/{code}",status="302"}"#;
    assert!(same(scrape.value(count), 1.0));
    let exemplars = scrape.exemplars("http_server_request_duration_seconds_bucket");
    assert_eq!(exemplars, [format!("trace_id=\"{trace_id}\"")]);
}

#[test]
fn an_unrecorded_request_is_counted_without_an_exemplar() {
    let telemetry = role("shortener", &TelemetrySettings::default());
    let metrics = HttpMetrics::register(&telemetry);
    let request = telemetry.request(&Method::from_bytes(b"BREW").expect("a method"), None);
    metrics.observe(
        &Method::from_bytes(b"BREW").expect("a method"),
        "",
        404,
        request.finish(RequestEnd::default()),
    );
    let scrape = scrape(&telemetry);
    let count = r#"http_server_request_duration_seconds_count{method="_OTHER",route="none",status="404"}"#;
    assert!(same(scrape.value(count), 1.0));
    assert!(
        scrape
            .exemplars("http_server_request_duration_seconds_bucket")
            .is_empty()
    );
}

#[test]
fn requests_in_flight_are_counted_until_they_end() {
    let telemetry = role("shortener", &TelemetrySettings::default());
    let metrics = HttpMetrics::register(&telemetry);
    let in_flight = || scraped(&telemetry, "http_server_active_requests").expect("a series");
    let (one, two) = (metrics.begin(), metrics.begin());
    assert!(same(in_flight(), 2.0));
    drop(one);
    assert!(same(in_flight(), 1.0));
    drop(two);
    assert!(same(in_flight(), 0.0));
}

#[test]
fn label_sets_beyond_the_limit_are_counted_as_other() {
    let settings = TelemetrySettings {
        metric_series_max: 3,
        ..Default::default()
    };
    let telemetry = role("gateway", &settings);
    let counts = Counts::register(&telemetry, "refusals", "Refused", &["tenant"]);
    for tenant in 0..10 {
        counts.inc(&[&format!("tenant-{tenant}")]);
        counts.inc(&["tenant-0"]);
    }
    let scrape = scrape(&telemetry);
    assert!(same(scrape.value(r#"refusals_total{tenant="tenant-0"}"#), 11.0));
    assert!(same(scrape.value(r#"refusals_total{tenant="other"}"#), 7.0));
    assert_eq!(scrape.series("refusals_total"), 4);
}

#[test]
fn every_observation_is_counted_when_threads_race_for_new_series() {
    let telemetry = role("gateway", &TelemetrySettings::default());
    let durations = Durations::register(&telemetry, "work_duration", "Work", &["operation"]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..200 {
                    durations.observe(&[&format!("op-{}", number % 20)], Duration::from_millis(3), None);
                }
            });
        }
    });
    let scrape = scrape(&telemetry);
    let counted: f64 = (0..20)
        .map(|op| scrape.value(&format!("work_duration_seconds_count{{operation=\"op-{op}\"}}")))
        .sum();
    assert!(same(counted, 800.0), "{counted}");
    assert_eq!(scrape.series("work_duration_seconds_count"), 20);
}

#[test]
fn a_label_keeps_the_values_it_knows_and_takes_no_more() {
    let tenants = Cardinality::new(2);
    assert_eq!(
        [tenants.label("a"), tenants.label("b"), tenants.label("c")],
        ["a", "b", "other"]
    );
    assert_eq!([tenants.label("b"), tenants.label("a")], ["b", "a"]);
}

#[test]
fn strange_label_values_do_not_break_the_scrape() {
    let telemetry = role("gateway", &TelemetrySettings::default());
    let counts = Counts::register(&telemetry, "odd", "Odd", &["value"]);
    for value in ["a\"b", "back\\slash", "new\nline", "# {x=\"y\"} 1", "ünïcode", ""] {
        counts.inc(&[value]);
    }
    assert_eq!(scrape(&telemetry).series("odd_total"), 6);
}

#[test]
fn a_scrape_names_the_process_and_what_is_built() {
    let telemetry = role("gateway", &TelemetrySettings::default());
    let scrape = scrape(&telemetry);
    let build = format!(
        r#"orrery_build_info{{version="{}",service_name="gateway",service_instance_id="test-1"}}"#,
        env!("CARGO_PKG_VERSION")
    );
    assert!(same(scrape.value(&build), 1.0));
    if cfg!(target_os = "linux") {
        assert!(scrape.value("process_resident_memory_bytes") > 1e6);
        assert!(scrape.value("process_start_time_seconds") > 1.7e9);
        assert!(scrape.value("process_cpu_seconds_total") >= 0.0);
        assert!(scrape.value("process_open_fds") >= 3.0);
        assert!(scrape.value("process_threads") >= 1.0);
    }
}

#[test]
fn the_older_text_is_there_for_readers_that_ask_for_it_alone() {
    let receiver = OtlpReceiver::start();
    let telemetry = role("shortener", &settings(&receiver, OtlpProtocol::Http));
    let metrics = HttpMetrics::register(&telemetry);
    let recorded = Some(telemetry.request(&Method::GET, None).context());
    metrics.observe(
        &Method::GET,
        "/{code}",
        302,
        Finished {
            elapsed: Duration::from_millis(1),
            recorded,
        },
    );
    let (content_type, body) = telemetry.encode(Some("text/plain")).expect("a scrape");
    let body = String::from_utf8(body).expect("a scrape is UTF-8");
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert!(
        body.contains("# TYPE process_cpu_seconds_total counter"),
        "{body}"
    );
    assert!(
        !body.contains("trace_id") && !body.contains("# EOF") && !body.contains("# UNIT"),
        "{body}"
    );
}

#[test]
fn a_metric_that_is_registered_twice_is_one_metric() {
    let telemetry = role("gateway", &TelemetrySettings::default());
    for _ in 0..2 {
        Counts::register(&telemetry, "refusals", "Refused", &["tenant"]).inc(&["acme"]);
        let work = Durations::register(&telemetry, "work_duration", "Work", &["operation"]);
        work.observe(&["sort"], Duration::from_millis(3), None);
    }
    let scrape = scrape(&telemetry);
    assert!(same(scrape.value(r#"refusals_total{tenant="acme"}"#), 2.0));
    assert!(same(
        scrape.value(r#"work_duration_seconds_count{operation="sort"}"#),
        2.0
    ));
}

#[test]
fn an_operation_is_observed_with_its_outcome_however_it_ends() {
    let telemetry = role("shortener", &TelemetrySettings::default());
    let clock = ManualClock::at(0);
    let operations = Operations::of(&telemetry, clock.clone(), "redis", "cache");
    operations.begin("get").ok();
    operations.begin("get").failed("redis_unavailable");
    let abandoned = operations.begin("get");
    clock.advance(Duration::from_millis(3));
    drop(abandoned);

    let scrape = scrape(&telemetry);
    let count = |outcome: &str| {
        scrape.value(&format!(
            r#"db_client_operation_duration_seconds_count{{database="cache",operation="get",outcome="{outcome}"}}"#
        ))
    };
    for outcome in ["ok", "redis_unavailable", "refused"] {
        assert!(same(count(outcome), 1.0), "{outcome}");
    }
    let took =
        r#"db_client_operation_duration_seconds_sum{database="cache",operation="get",outcome="refused"}"#;
    assert!(same(scrape.value(took), 0.003));
}
