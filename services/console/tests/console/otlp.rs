//! OTLP as programs send it: over HTTP and gRPC, as protobuf and JSON, packed and not.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;
use telemetry::{OtlpProtocol, TelemetrySettings};
use testkit::http::call;
use testkit::otlp::OtlpReceiver;
use tonic::codec::CompressionEncoding;

use crate::harness::{NOW_MS, Service, hex, of, served};

/// A console that takes gRPC on a port that was free a moment ago.
async fn with_grpc() -> (Service, String) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let chosen = address.clone();
    let service = Service::start_with(Vec::new(), |settings| settings.grpc_address = chosen).await;
    (service, format!("http://{address}"))
}

async fn is_there(service: &Service, trace: u8) -> bool {
    service
        .get(&format!("/v1/console/traces/{}", hex(trace)))
        .await
        .status
        == 200
}

#[tokio::test]
async fn protobuf_over_http_is_taken_packed_or_not() {
    let service = Service::start().await;
    let said = service
        .send(&of("shop", vec![served(1, 1, 0, "/", 200, 3)]))
        .await;
    assert!(said.partial_success.is_none());
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed
        .write_all(&of("shop", vec![served(2, 1, 0, "/", 200, 3)]).encode_to_vec())
        .unwrap();
    let answer = call(Method::POST, format!("{}/v1/traces", service.url))
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "gzip")
        .bytes(packed.finish().unwrap())
        .send()
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, "application/x-protobuf")
    );
    assert!(is_there(&service, 1).await && is_there(&service, 2).await);
    service.stop().await;
}

#[tokio::test]
async fn json_over_http_is_taken_and_answered_in_kind() {
    let service = Service::start().await;
    let nanos = |ms: u64| (ms * 1_000_000).to_string();
    // As the specification's own example has it: hexadecimal ids, numbers of 64 bits as texts.
    let body = json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeSpans": [{"scope": {"name": "x", "version": "1", "attributes": []}, "spans": [{
            "traceId": "5B8EFFF798038103D269B633813FC60C",
            "spanId": "EEE19B7EC3C1B174",
            "parentSpanId": "EEE19B7EC3C1B173",
            "name": "I'm a server span",
            "startTimeUnixNano": nanos(NOW_MS - 7),
            "endTimeUnixNano": nanos(NOW_MS),
            "kind": 2,
            "attributes": [{"key": "my.span.attr", "value": {"stringValue": "some value"}}, {"key": "n", "value": {"intValue": "7"}}],
            "status": {}
        }]}]
    }]});
    let answer = service
        .post("/v1/traces", "application/json", body.to_string())
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, "application/json"),
        "{}",
        answer.text()
    );
    let trace = service
        .get("/v1/console/traces/5b8efff798038103d269b633813fc60c")
        .await
        .json();
    let span = &trace["spans"][0];
    assert_eq!(
        (&span["name"], &span["duration_us"]),
        (&json!("I'm a server span"), &json!(7_000)),
        "{trace}"
    );
    assert_eq!(
        span["attributes"],
        json!([{"name": "my.span.attr", "value": "some value"}, {"name": "n", "value": "7"}])
    );
    service.stop().await;
}

#[tokio::test]
async fn grpc_is_taken_packed_or_not() {
    let (service, address) = with_grpc().await;
    let mut client = TraceServiceClient::connect(address.clone()).await.unwrap();
    let said = client
        .export(of("shop", vec![served(1, 1, 0, "/", 200, 3)]))
        .await
        .unwrap();
    assert!(said.into_inner().partial_success.is_none());
    let mut client = TraceServiceClient::connect(address).await.unwrap();
    client = client.send_compressed(CompressionEncoding::Gzip);
    let mixed = vec![served(2, 1, 0, "/", 200, 3), Span::default()];
    let said = client
        .export(of("shop", mixed))
        .await
        .unwrap()
        .into_inner()
        .partial_success
        .unwrap();
    assert_eq!(said.rejected_spans, 1);
    assert!(is_there(&service, 1).await && is_there(&service, 2).await);
    service.stop().await;
}

#[tokio::test]
async fn metrics_and_logs_are_told_that_they_are_not_kept_and_that_nothing_is_wrong() {
    let (service, address) = with_grpc().await;
    for path in ["/v1/metrics", "/v1/logs"] {
        let answer = service
            .post(path, "application/json", "{\"resourceMetrics\":[]}")
            .await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("traces only"), "{}", answer.text());
    }
    let mut metrics = MetricsServiceClient::connect(address.clone()).await.unwrap();
    let said = metrics
        .export(ExportMetricsServiceRequest::default())
        .await
        .unwrap()
        .into_inner();
    let said = said.partial_success.unwrap();
    assert!(said.rejected_data_points == 0 && said.error_message.contains("traces only"));
    let mut logs = LogsServiceClient::connect(address).await.unwrap();
    let said = logs
        .export(ExportLogsServiceRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(
        said.partial_success
            .unwrap()
            .error_message
            .contains("traces only")
    );
    service.stop().await;
}

#[tokio::test]
async fn what_is_refused_is_counted_and_told_and_the_rest_is_kept() {
    let service = Service::start().await;
    let mut late = served(1, 2, 1, "/", 200, 3);
    late.end_time_unix_nano = 5;
    late.start_time_unix_nano = 5;
    let sent = of("shop", vec![served(1, 1, 0, "/", 200, 3), Span::default(), late]);
    let said = service.send(&sent).await.partial_success.unwrap();
    assert_eq!(said.rejected_spans, 2);
    assert!(said.error_message.contains("a day"), "{}", said.error_message);
    // Sent again, as after a lost answer: nothing is refused, and nothing is there twice.
    let said = service
        .send(&of("shop", vec![served(1, 1, 0, "/", 200, 3)]))
        .await;
    assert!(said.partial_success.is_none());
    let trace = service
        .get(&format!("/v1/console/traces/{}", hex(1)))
        .await
        .json();
    assert_eq!(trace["spans"].as_array().unwrap().len(), 1);
    let count = |reason: &str| service.metric(&format!("console_spans_refused_total{{reason=\"{reason}\"}}"));
    let counts = (count("ids"), count("time"), count("duplicate"));
    assert_eq!(counts, (1.0, 1.0, 1.0));
    let (received, kept) = (
        service.metric("console_spans_received_total"),
        service.metric("console_spans_kept_total"),
    );
    assert_eq!((received, kept), (4.0, 1.0));
    service.stop().await;
}

#[tokio::test]
async fn a_grpc_port_that_is_taken_is_told_by_the_setting_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = Service::refused(|settings| settings.grpc_address.clone_from(&address)).await;
    assert_eq!(error.code(), "grpc_port_unavailable");
    assert!(
        error.to_string().contains("console.grpc_address") && error.to_string().contains(&address),
        "{error}"
    );
}

#[tokio::test]
async fn a_request_that_brings_spans_makes_none_whatever_becomes_of_it() {
    let receiver = OtlpReceiver::start();
    let telling = TelemetrySettings {
        otlp_endpoint: Some(receiver.http_endpoint()),
        otlp_protocol: OtlpProtocol::Http,
        otlp_flush_interval_ms: 20,
        ..TelemetrySettings::default()
    };
    let service = Service::start_telling(Vec::new(), |_| (), &telling).await;
    service
        .send(&of("shop", vec![served(1, 1, 0, "/", 200, 3)]))
        .await;
    assert_eq!(
        service
            .post("/v1/traces", "application/x-protobuf", "x")
            .await
            .status,
        400
    );
    assert_eq!(service.post("/v1/logs", "text/plain", "x").await.status, 415);
    assert!(is_there(&service, 1).await);
    let read = "GET /v1/console/traces/{trace_id}";
    let telemetry = service.telemetry.clone();
    let spans = tokio::task::spawn_blocking(move || {
        telemetry.shutdown(Duration::from_secs(5)).unwrap();
        receiver.wait_for(Duration::from_secs(5), |spans| {
            spans.iter().any(|span| span.name == read)
        })
    });
    let spans = spans.await.unwrap().unwrap();
    let names: Vec<&str> = spans
        .iter()
        .filter(|span| span.kind == "Server")
        .map(|span| &*span.name)
        .collect();
    assert_eq!(names, [read], "the reading is recorded, the bringing is not");
    service.stop().await;
}
