use http::Method;
use telemetry::{OtlpProtocol, RequestEnd, SpanKind, Telemetry, TelemetrySettings, TraceContext};
use testkit::otlp::{OtlpReceiver, Protocol, ReceivedSpan};

use crate::{DEADLINE, role, settings};

const OK: RequestEnd<'static> = RequestEnd {
    route: "/v1/links",
    status: 201,
    error_code: None,
};

/// One request through two roles, as a gateway and a service make it.
fn request_through(gateway: &Telemetry, shortener: &Telemetry) {
    let outer = gateway.request(&Method::POST, None);
    let mut call = gateway.span("POST", SpanKind::Client, Some(outer.context()));
    call.attribute("server.port", 8092_u16)
        .attribute("http.request.resend_count", 0);
    let traceparent = call.context().expect("a sampled trace").traceparent();
    let inner = shortener.request(&Method::POST, Some(&traceparent));
    inner.context().sync_scope(|| {
        let mut statement = shortener.span("INSERT links", SpanKind::Client, None);
        statement.attribute("db.system.name", "sqlite");
        statement.fail("busy");
    });
    inner.finish(OK);
    drop(call);
    outer.finish(OK);
}

fn named<'a>(spans: &'a [ReceivedSpan], service: &str, name: &str) -> &'a ReceivedSpan {
    spans
        .iter()
        .find(|span| span.service == service && span.name == name)
        .unwrap_or_else(|| panic!("no span {name} of {service} in {spans:#?}"))
}

fn check_trace(spans: &[ReceivedSpan], protocol: Protocol) {
    assert_eq!(spans.len(), 4, "{spans:#?}");
    let outer = named(spans, "gateway", "POST /v1/links");
    let call = named(spans, "gateway", "POST");
    let inner = named(spans, "shortener", "POST /v1/links");
    let statement = named(spans, "shortener", "INSERT links");
    for span in spans {
        assert_eq!(span.protocol, protocol);
        assert_eq!(span.trace_id, outer.trace_id);
        assert_eq!(span.resource["service.namespace"], "orrery");
        assert_eq!(span.resource["service.instance.id"], "test-1");
        assert!(
            span.start_ns <= span.end_ns && span.start_ns > 1_700_000_000_000_000_000,
            "{span:?}"
        );
    }
    assert_eq!(outer.parent_span_id, "");
    assert_eq!(call.parent_span_id, outer.span_id);
    assert_eq!(inner.parent_span_id, call.span_id);
    assert_eq!(statement.parent_span_id, inner.span_id);
    assert_eq!(
        [&*outer.kind, &*call.kind, &*inner.kind],
        ["Server", "Client", "Server"]
    );
    assert_eq!(inner.attributes["http.route"], "/v1/links");
    assert_eq!(inner.attributes["http.request.method"], "POST");
    assert_eq!(inner.attributes["http.response.status_code"], "201");
    assert_eq!(call.attributes["server.port"], "8092");
    assert!(statement.is_error && statement.attributes["error.type"] == "busy");
    assert!(!inner.is_error);
}

fn two_roles_are_told_apart(otlp_protocol: OtlpProtocol, received_by: Protocol) {
    let receiver = OtlpReceiver::start();
    let settings = settings(&receiver, otlp_protocol);
    let (gateway, shortener) = (role("gateway", &settings), role("shortener", &settings));
    request_through(&gateway, &shortener);
    gateway.shutdown(DEADLINE).expect("the spans are flushed");
    shortener.shutdown(DEADLINE).expect("the spans are flushed");
    check_trace(&receiver.spans(), received_by);
}

#[test]
fn two_roles_of_a_process_send_under_their_own_names_over_grpc_and_shutdown_delivers() {
    two_roles_are_told_apart(OtlpProtocol::Grpc, Protocol::Grpc);
}

#[test]
fn two_roles_of_a_process_send_under_their_own_names_over_http_and_shutdown_delivers() {
    two_roles_are_told_apart(OtlpProtocol::Http, Protocol::Http);
}

#[tokio::test]
async fn telemetry_works_when_it_is_made_used_and_dropped_inside_a_runtime() {
    for otlp_protocol in [OtlpProtocol::Grpc, OtlpProtocol::Http] {
        let receiver = OtlpReceiver::start();
        let settings = settings(&receiver, otlp_protocol);
        let (gateway, shortener) = (role("gateway", &settings), role("shortener", &settings));
        request_through(&gateway, &shortener);
        for telemetry in [&gateway, &shortener] {
            let telemetry = telemetry.clone();
            let flushed = tokio::task::spawn_blocking(move || telemetry.shutdown(DEADLINE)).await;
            flushed.expect("the task ends").expect("the spans are flushed");
        }
        assert_eq!(receiver.spans().len(), 4);
        drop((gateway, shortener));
    }
}

#[test]
fn spans_leave_on_their_own_without_a_shutdown() {
    let receiver = OtlpReceiver::start();
    for otlp_protocol in [OtlpProtocol::Grpc, OtlpProtocol::Http] {
        let settings = TelemetrySettings {
            otlp_flush_interval_ms: 10,
            ..settings(&receiver, otlp_protocol)
        };
        let telemetry = role("issuer", &settings);
        let request = telemetry.request(&Method::GET, None);
        let trace_id = request.context().trace_id().to_string();
        request.finish(OK);
        let came = |spans: &[ReceivedSpan]| spans.iter().any(|span| span.trace_id == trace_id);
        receiver
            .wait_for(DEADLINE, came)
            .expect("the span comes by itself");
    }
}

#[test]
fn a_batch_is_linked_to_every_trace_that_caused_it() {
    let receiver = OtlpReceiver::start();
    let telemetry = role("shortener", &settings(&receiver, OtlpProtocol::Grpc));
    let causes: Vec<TraceContext> = (0..3)
        .map(|_| telemetry.request(&Method::GET, None))
        .map(|request| request.context())
        .collect();
    let mut batch = telemetry.span("process clicks", SpanKind::Consumer, Some(causes[0]));
    for cause in &causes[1..] {
        batch.link(*cause);
    }
    drop(batch);
    telemetry.shutdown(DEADLINE).expect("the spans are flushed");
    let spans = receiver.spans();
    let span = named(&spans, "shortener", "process clicks");
    let expected: Vec<_> = causes[1..]
        .iter()
        .map(|cause| (cause.trace_id().to_string(), cause.span_id().to_string()))
        .collect();
    assert_eq!(span.links, expected);
    assert_eq!(
        (&*span.kind, &*span.trace_id),
        ("Consumer", &*causes[0].trace_id().to_string())
    );
}

#[test]
fn no_secret_leaves_in_an_attribute() {
    let receiver = OtlpReceiver::start();
    let telemetry = role("gateway", &settings(&receiver, OtlpProtocol::Http));
    let mut request = telemetry.request(&Method::GET, None);
    request.attribute("app.access_token", "plain-secret-1".to_owned());
    let mut span = telemetry.span("GET", SpanKind::Client, Some(request.context()));
    span.attribute("authorization", "plain-secret-2");
    span.attribute(
        "app.target",
        "https://u:plain-secret-3@h.example/p?q=plain-secret-4".to_owned(),
    );
    span.attribute("app.header", "Bearer plain-secret-5");
    drop(span);
    request.finish(OK);
    telemetry.shutdown(DEADLINE).expect("the spans are flushed");
    let everything = receiver.everything();
    assert!(everything.contains("app.access_token") && everything.contains("https://h.example/p"));
    assert!(!everything.contains("plain-secret"), "{everything}");
}

#[test]
fn an_endpoint_that_cannot_be_spoken_to_is_refused_by_the_name_of_its_setting() {
    for (endpoint, expected) in [
        ("https://collector:4317", "no TLS"),
        ("collector:4317", "expected a URL"),
        ("", "expected a URL"),
        ("http:///v1/traces", "expected a URL"),
        ("unix:///tmp/otlp", "expected a URL"),
        ("https://user:plain-secret@collector", "no TLS"),
    ] {
        let settings = TelemetrySettings {
            otlp_endpoint: Some(endpoint.to_owned()),
            ..Default::default()
        };
        let error = Telemetry::new("gateway", "test-1", &settings, clock::SystemClock::shared())
            .expect_err("such an endpoint is refused");
        let text = error.to_string();
        assert_eq!(error.code(), "telemetry_endpoint", "{endpoint:?}");
        assert!(
            text.contains("telemetry.otlp_endpoint") && text.contains(expected),
            "{text}"
        );
        assert!(!text.contains("plain-secret"), "{text}");
    }
}

#[test]
fn numbers_out_of_range_are_refused_by_the_name_of_their_setting() {
    let cases = [
        (
            "sample_ratio",
            TelemetrySettings {
                sample_ratio: 1.5,
                ..Default::default()
            },
        ),
        (
            "sample_ratio",
            TelemetrySettings {
                sample_ratio: f64::NAN,
                ..Default::default()
            },
        ),
        (
            "otlp_timeout_ms",
            TelemetrySettings {
                otlp_timeout_ms: 0,
                ..Default::default()
            },
        ),
        (
            "otlp_batch_spans_max",
            TelemetrySettings {
                otlp_batch_spans_max: 9_000,
                ..Default::default()
            },
        ),
    ];
    for (setting, settings) in cases {
        let error = Telemetry::new("gateway", "test-1", &settings, clock::SystemClock::shared())
            .expect_err("such a number is refused");
        assert!(error.to_string().contains(setting), "{error}");
    }
}
