use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Link;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status};

use super::*;

const NOW_MS: u64 = 1_795_305_600_000;

fn said(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn word(key: &str, value: &str) -> KeyValue {
    said(key, Value::StringValue(value.to_owned()))
}

fn span() -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "GET".to_owned(),
        kind: SpanKind::Server.into(),
        start_time_unix_nano: (NOW_MS - 5) * 1_000_000,
        end_time_unix_nano: NOW_MS * 1_000_000,
        ..Span::default()
    }
}

fn decoded(span: Span) -> Result<NewSpan, Unfit> {
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![word("service.name", "shop")],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    spans(request, NOW_MS).remove(0)
}

#[test]
fn a_span_is_read_by_the_conventions() {
    let mut sent = span();
    sent.attributes = vec![
        word("http.request.method", "GET"),
        word("http.route", "/v1/links/{code}"),
        said("http.response.status_code", Value::IntValue(404)),
    ];
    let read = decoded(sent).unwrap();
    assert_eq!(read.route.as_deref(), Some("GET /v1/links/{code}"));
    assert_eq!(
        (read.service.as_str(), read.status, read.duration_us),
        ("shop", Some(404), 5_000)
    );
    assert!(
        !read.failed,
        "what a client did wrong is no failure of the service"
    );
}

#[test]
fn ids_of_the_wrong_length_or_zero_are_refused() {
    for (trace, id) in [
        (vec![], vec![2; 8]),
        (vec![0; 16], vec![2; 8]),
        (vec![1; 16], vec![0; 8]),
        (vec![1; 17], vec![2; 8]),
    ] {
        let mut sent = span();
        (sent.trace_id, sent.span_id) = (trace, id);
        assert_eq!(decoded(sent), Err(Unfit::Ids));
    }
    let mut sent = span();
    sent.parent_span_id = vec![9; 3];
    assert_eq!(
        decoded(sent).unwrap().parent,
        0,
        "a parent that is none leaves a root"
    );
}

#[test]
fn a_clock_that_is_a_day_off_is_refused_and_one_that_runs_backwards_is_not_believed() {
    for end in [0, 1, u64::MAX, (NOW_MS - 25 * 3_600_000) * 1_000_000] {
        let mut sent = span();
        (sent.start_time_unix_nano, sent.end_time_unix_nano) = (0, end);
        assert_eq!(decoded(sent), Err(Unfit::Time), "{end}");
    }
    let mut backwards = span();
    backwards.end_time_unix_nano -= 20_000_000;
    assert_eq!(decoded(backwards).unwrap().duration_us, 0);
    let mut endless = span();
    endless.start_time_unix_nano = 1;
    assert_eq!(decoded(endless).unwrap().duration_us, DURATION_MAX_US);
}

#[test]
fn texts_lists_and_nesting_without_end_are_cut() {
    let mut sent = span();
    sent.name = "ä".repeat(10_000);
    sent.attributes = (0..1_000)
        .map(|n| word(&format!("k{n}"), &"v".repeat(5_000)))
        .collect();
    sent.links = vec![
        Link {
            trace_id: vec![3; 16],
            span_id: vec![4; 8],
            ..Link::default()
        };
        1_000
    ];
    let read = decoded(sent).unwrap();
    assert!(read.name.len() <= NAME_BYTES_MAX && read.name.ends_with('…'));
    assert_eq!(
        (read.attributes.len(), read.links.len()),
        (ATTRIBUTES_MAX, LINKS_MAX)
    );
    assert!(
        read.attributes
            .iter()
            .all(|(_, value)| value.len() <= VALUE_BYTES_MAX)
    );
    let nested = (0..80).fold(Value::BoolValue(true), |inner, _| {
        let values = vec![AnyValue { value: Some(inner) }; 2];
        Value::ArrayValue(ArrayValue {
            values: values[..1].to_vec(),
        })
    });
    let list = Value::KvlistValue(KeyValueList {
        values: vec![said("deep", nested), said("bytes", Value::BytesValue(vec![0; 9]))],
    });
    let mut sent = span();
    sent.attributes = vec![said("all", list)];
    assert_eq!(
        decoded(sent).unwrap().attributes[0].1,
        "{deep: [[[…]]], bytes: 9 bytes}"
    );
}

#[test]
fn a_failure_says_what_the_span_says_of_it() {
    let mut sent = span();
    sent.status = Some(Status {
        code: StatusCode::Error.into(),
        message: "no disk".to_owned(),
    });
    let read = decoded(sent.clone()).unwrap();
    assert_eq!((read.failed, read.error.as_deref()), (true, Some("no disk")));
    sent.status = Some(Status {
        code: StatusCode::Error.into(),
        message: String::new(),
    });
    sent.attributes = vec![word("error.type", "storage_full")];
    assert_eq!(decoded(sent).unwrap().error.as_deref(), Some("storage_full"));
}

#[test]
fn the_other_end_of_a_call_is_an_engine_a_stream_or_an_address() {
    let end = |kind: SpanKind, attributes: Vec<KeyValue>| {
        let mut sent = span();
        (sent.kind, sent.attributes) = (kind.into(), attributes);
        let end = decoded(sent).unwrap().other_end;
        end.map(|end| (end.kind, end.id, end.way))
    };
    let engine = vec![
        word("db.system.name", "redis"),
        word("db.namespace", "cache"),
        word("server.address", "h"),
    ];
    assert_eq!(
        end(SpanKind::Client, engine),
        Some((NodeKind::Engine, "redis:cache".into(), Way::To))
    );
    let stream = vec![
        word("messaging.system", "nats"),
        word("messaging.destination.name", "visits"),
    ];
    assert_eq!(
        end(SpanKind::Consumer, stream.clone()),
        Some((NodeKind::Queue, "nats:visits".into(), Way::From))
    );
    assert_eq!(
        end(SpanKind::Producer, stream),
        Some((NodeKind::Queue, "nats:visits".into(), Way::To))
    );
    let address = vec![
        word("server.address", "127.0.0.1"),
        said("server.port", Value::IntValue(80)),
    ];
    assert_eq!(
        end(SpanKind::Client, address.clone()),
        Some((NodeKind::Peer, "peer:127.0.0.1:80".into(), Way::To))
    );
    assert_eq!(end(SpanKind::Server, address), None);
}
