//! A collector that is away, or that hangs, costs spans and nothing else.

use std::net::TcpListener;
use std::time::Duration;

use http::Method;
use telemetry::{OtlpProtocol, RequestEnd, Telemetry, TelemetrySettings};

use crate::{DEADLINE, role, scraped};

const OK: RequestEnd<'static> = RequestEnd {
    route: "/{code}",
    status: 302,
    error_code: None,
};
const QUEUE_SPANS_MAX: usize = 64;

fn towards(endpoint: String, otlp_protocol: OtlpProtocol) -> TelemetrySettings {
    TelemetrySettings {
        otlp_endpoint: Some(endpoint),
        otlp_protocol,
        otlp_timeout_ms: 200,
        otlp_queue_spans_max: QUEUE_SPANS_MAX,
        otlp_batch_spans_max: 16,
        // Only a full batch or the shutdown starts an export.
        otlp_flush_interval_ms: 60_000,
        ..Default::default()
    }
}

fn spans(telemetry: &Telemetry, result: &str) -> f64 {
    scraped(
        telemetry,
        &format!("telemetry_spans_total{{result=\"{result}\"}}"),
    )
    .expect("a series")
}

/// A port where nobody listens.
fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

#[test]
fn spans_towards_a_collector_that_is_down_are_given_up_and_counted() {
    for otlp_protocol in [OtlpProtocol::Grpc, OtlpProtocol::Http] {
        let telemetry = role("gateway", &towards(closed_port(), otlp_protocol));
        telemetry.request(&Method::GET, None).finish(OK);
        let error = telemetry.shutdown(DEADLINE).expect_err("the span is lost");
        assert_eq!(error.code(), "telemetry_flush");
        assert!(
            (spans(&telemetry, "failed") - 1.0).abs() < f64::EPSILON,
            "{otlp_protocol:?}"
        );
    }
}

#[test]
fn a_collector_that_hangs_blocks_no_request_and_the_queue_stays_bounded() {
    for otlp_protocol in [OtlpProtocol::Grpc, OtlpProtocol::Http] {
        let hangs = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", hangs.local_addr().expect("an address"));
        let telemetry = role(
            "gateway",
            &TelemetrySettings {
                otlp_timeout_ms: 60_000,
                ..towards(endpoint, otlp_protocol)
            },
        );
        // The batch thread holds at most one batch, the queue the rest; all beyond must have been dropped at once, or
        // this loop would wait for the export to time out.
        for _ in 0..QUEUE_SPANS_MAX * 4 {
            telemetry.request(&Method::GET, None).finish(OK);
        }
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let dropped_min = (QUEUE_SPANS_MAX * 4 - QUEUE_SPANS_MAX - 16) as f64;
        assert!(spans(&telemetry, "dropped") >= dropped_min, "{otlp_protocol:?}");
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let waiting_max = QUEUE_SPANS_MAX as f64;
        assert!(scraped(&telemetry, "telemetry_spans_waiting").expect("a series") <= waiting_max);
        let error = telemetry
            .shutdown(Duration::from_millis(50))
            .expect_err("the collector does not answer");
        assert_eq!(error.code(), "telemetry_flush");
        drop(hangs);
    }
}

#[test]
fn refusals_of_unsampled_requests_leave_half_of_the_queue_to_what_matters() {
    let hangs = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", hangs.local_addr().expect("an address"));
    let settings = TelemetrySettings {
        sample_ratio: 0.0,
        otlp_batch_spans_max: QUEUE_SPANS_MAX,
        ..towards(endpoint, OtlpProtocol::Grpc)
    };
    let telemetry = role("gateway", &settings);
    for _ in 0..QUEUE_SPANS_MAX * 2 {
        let refused = RequestEnd {
            route: "/{code}",
            status: 404,
            error_code: Some("not_found"),
        };
        telemetry.request(&Method::GET, None).finish(refused);
    }
    let failed = RequestEnd {
        route: "/{code}",
        status: 500,
        error_code: Some("internal"),
    };
    let finished = telemetry.request(&Method::GET, None).finish(failed);
    assert!(
        finished.recorded.is_some(),
        "a server error finds room behind a flood of refusals"
    );
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let waiting = (QUEUE_SPANS_MAX / 2 + 1) as f64;
    let measured = scraped(&telemetry, "telemetry_spans_waiting").expect("a series");
    assert!((measured - waiting).abs() < f64::EPSILON, "{measured}");
    telemetry
        .shutdown(Duration::from_millis(1))
        .expect_err("the collector does not answer");
}

#[test]
fn after_the_shutdown_spans_are_dropped_and_counted() {
    let receiver = testkit::otlp::OtlpReceiver::start();
    let telemetry = role("gateway", &towards(receiver.grpc_endpoint(), OtlpProtocol::Grpc));
    telemetry.shutdown(DEADLINE).expect("nothing to flush");
    assert_eq!(telemetry.request(&Method::GET, None).finish(OK).recorded, None);
    assert!((spans(&telemetry, "dropped") - 1.0).abs() < f64::EPSILON);
    telemetry
        .shutdown(DEADLINE)
        .expect("a second shutdown has nothing to do");
}
