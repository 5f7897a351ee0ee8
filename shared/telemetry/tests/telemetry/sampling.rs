use std::sync::Arc;
use std::time::Duration;

use clock::ManualClock;
use http::Method;
use proptest::prelude::*;
use telemetry::{OtlpProtocol, RequestEnd, SpanKind, Telemetry, TelemetrySettings, TraceContext};
use testkit::otlp::{OtlpReceiver, ReceivedSpan};

use crate::{DEADLINE, role, settings};

const OK: RequestEnd<'static> = RequestEnd {
    route: "/{code}",
    status: 302,
    error_code: None,
};

struct Unsampled {
    receiver: OtlpReceiver,
    clock: Arc<ManualClock>,
    telemetry: Telemetry,
}

impl Unsampled {
    fn start() -> Self {
        let receiver = OtlpReceiver::start();
        let clock = ManualClock::at(1_795_305_600_000);
        let settings = TelemetrySettings {
            sample_ratio: 0.0,
            ..settings(&receiver, OtlpProtocol::Grpc)
        };
        let telemetry =
            Telemetry::new("shortener", "test-1", &settings, clock.clone()).expect("valid settings");
        Self {
            receiver,
            clock,
            telemetry,
        }
    }

    /// What a request with this end left behind.
    fn spans_after(&self, took: Duration, end: RequestEnd<'_>) -> (TraceContext, Vec<ReceivedSpan>) {
        let request = self.telemetry.request(&Method::GET, None);
        let context = request.context();
        let below = self.telemetry.span("read", SpanKind::Client, Some(context));
        assert!(!below.is_recording());
        assert_eq!(
            below.context(),
            Some(context),
            "what is not recorded hands on the ids above it"
        );
        drop(below);
        self.clock.advance(took);
        request.finish(end);
        self.telemetry.shutdown(DEADLINE).expect("the spans are flushed");
        (context, self.receiver.spans())
    }
}

fn the_only_root(context: TraceContext, spans: &[ReceivedSpan]) -> &ReceivedSpan {
    let [span] = spans else {
        panic!("one span, not {spans:#?}")
    };
    assert_eq!(span.trace_id, context.trace_id().to_string());
    assert_eq!(span.span_id, context.span_id().to_string());
    assert_eq!((&*span.kind, &*span.parent_span_id), ("Server", ""));
    span
}

#[test]
fn an_unsampled_request_that_went_well_leaves_no_span() {
    let (context, spans) = Unsampled::start().spans_after(Duration::from_millis(499), OK);
    assert!(!context.sampled() && spans.is_empty(), "{spans:#?}");
}

#[test]
fn an_unsampled_request_that_failed_is_found_by_the_trace_id_of_its_answer() {
    let failed = RequestEnd {
        route: "/v1/links",
        status: 503,
        error_code: Some("store_unavailable"),
    };
    let (context, spans) = Unsampled::start().spans_after(Duration::from_millis(7), failed);
    let span = the_only_root(context, &spans);
    assert!(span.is_error);
    assert_eq!(span.status_message, "store_unavailable");
    assert_eq!(span.attributes["error.type"], "store_unavailable");
    assert_eq!(span.name, "GET /v1/links");
    assert_eq!(span.end_ns, 1_795_305_600_007_000_000);
    assert_eq!(
        span.end_ns - span.start_ns,
        7_000_000,
        "its start is told from its end"
    );
}

#[test]
fn an_unsampled_request_that_was_refused_is_found_and_is_no_fault_of_the_server() {
    let refused = RequestEnd {
        route: "",
        status: 404,
        error_code: Some("not_found"),
    };
    let (context, spans) = Unsampled::start().spans_after(Duration::ZERO, refused);
    let span = the_only_root(context, &spans);
    assert!(!span.is_error);
    assert_eq!(span.attributes["error.type"], "not_found");
    assert_eq!(span.name, "GET");
    assert!(!span.attributes.contains_key("http.route"));
}

#[test]
fn an_unsampled_request_slower_than_its_objective_is_found() {
    let (context, spans) = Unsampled::start().spans_after(Duration::from_millis(500), OK);
    assert!(!the_only_root(context, &spans).is_error);
}

#[test]
fn a_sampled_parent_is_honoured_whatever_the_ratio() {
    let unsampled = Unsampled::start();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = unsampled.telemetry.request(&Method::GET, Some(parent));
    assert!(request.context().sampled());
    request.finish(OK);
    unsampled
        .telemetry
        .shutdown(DEADLINE)
        .expect("the spans are flushed");
    let spans = unsampled.receiver.spans();
    assert_eq!(spans[0].trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(spans[0].parent_span_id, "00f067aa0ba902b7");
}

#[test]
fn a_malformed_parent_starts_a_new_trace() {
    let receiver = OtlpReceiver::start();
    let telemetry = role("gateway", &settings(&receiver, OtlpProtocol::Grpc));
    for malformed in [
        "",
        "00-0-0-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        telemetry.request(&Method::GET, Some(malformed)).finish(OK);
    }
    telemetry.shutdown(DEADLINE).expect("the spans are flushed");
    let spans = receiver.spans();
    assert_eq!(spans.len(), 3);
    assert!(spans.iter().all(|span| span.parent_span_id.is_empty()));
    assert_ne!(spans[0].trace_id, spans[1].trace_id);
}

#[test]
fn a_request_whose_client_went_away_still_closes_its_trace() {
    let receiver = OtlpReceiver::start();
    let telemetry = role("gateway", &settings(&receiver, OtlpProtocol::Http));
    let request = telemetry.request(&Method::GET, None);
    let context = request.context();
    drop(request);
    telemetry.shutdown(DEADLINE).expect("the spans are flushed");
    let spans = receiver.spans();
    let span = the_only_root(context, &spans);
    assert_eq!(span.attributes["error.type"], "client_disconnected");
    assert!(!span.attributes.contains_key("http.response.status_code"));
}

#[test]
fn without_an_endpoint_nothing_is_recorded_and_the_decision_of_the_caller_is_handed_on() {
    let telemetry = role("gateway", &TelemetrySettings::default());
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (parent, sampled) in [(None, false), (Some(parent), true)] {
        let request = telemetry.request(&Method::GET, parent);
        assert_eq!(request.context().sampled(), sampled);
        let span = telemetry.span("read", SpanKind::Client, Some(request.context()));
        assert!(!span.is_recording());
        assert_eq!(span.context(), Some(request.context()));
        assert_eq!(request.finish(RequestEnd { status: 500, ..OK }).recorded, None);
    }
    assert!(telemetry.span("read", SpanKind::Client, None).context().is_none());
}

#[test]
fn half_of_the_traces_is_about_half_of_the_traces() {
    let receiver = OtlpReceiver::start();
    let settings = TelemetrySettings {
        sample_ratio: 0.5,
        ..settings(&receiver, OtlpProtocol::Grpc)
    };
    let telemetry = role("gateway", &settings);
    let request = || telemetry.request(&Method::GET, None).context().sampled();
    let sampled = (0..4_000).filter(|_| request()).count();
    // Twelve standard deviations to either side.
    assert!((1_600..2_400).contains(&sampled), "{sampled}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn every_role_decides_alike_about_a_trace(ratio in 0.0..=1.0_f64, ids in prop::collection::vec(1_u128.., 64)) {
        // Nothing is sent: the endpoint only has to be there for a decision to be made.
        let settings = TelemetrySettings {
            sample_ratio: ratio,
            otlp_endpoint: Some("http://127.0.0.1:9".to_owned()),
            otlp_protocol: OtlpProtocol::Http,
            ..Default::default()
        };
        let (one, other) = (role("gateway", &settings), role("shortener", &settings));
        for id in ids {
            let parent = format!("00-{id:032x}-00f067aa0ba902b7-00");
            let decides = |telemetry: &Telemetry| {
                let request = telemetry.request(&Method::GET, Some(&parent));
                let sampled = request.context().sampled();
                request.finish(RequestEnd::default());
                sampled
            };
            prop_assert_eq!(decides(&one), decides(&other));
        }
        let _ = (one.shutdown(Duration::from_millis(1)), other.shutdown(Duration::from_millis(1)));
    }
}
