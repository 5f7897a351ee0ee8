//! Whoever reaches the port may send anything. None of it ends the console, none of it makes it hold more than it may.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use testkit::http::call;

use crate::harness::{Service, hex, of, served, span, word};

const PROTOBUF: &str = "application/x-protobuf";

async fn lives(service: &Service) {
    service
        .send(&of("shop", vec![served(250, 1, 0, "/", 200, 3)]))
        .await;
    assert_eq!(
        service
            .get(&format!("/v1/console/traces/{}", hex(250)))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn what_is_no_trace_request_is_a_problem_that_says_so() {
    let service = Service::start().await;
    let whole = of("shop", vec![served(1, 1, 0, "/", 200, 3)]).encode_to_vec();
    for (kind, body) in [
        (PROTOBUF, b"\xff\xff\xff\xff".to_vec()),
        (PROTOBUF, whole[..whole.len() - 3].to_vec()),
        ("application/json", b"{".to_vec()),
        ("application/json", b"[1]".to_vec()),
        ("application/json", b"{\"resourceSpans\": 7}".to_vec()),
        (
            "application/json",
            [b"{\"resourceSpans\":".repeat(300), b"1".to_vec()].concat(),
        ),
    ] {
        let answer = service.post("/v1/traces", kind, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["code"].as_str()),
            (400, Some("malformed_otlp")),
            "{kind}"
        );
    }
    let answer = service.post("/v1/traces", "text/plain", whole.clone()).await;
    assert_eq!(answer.status, 415);
    for (packing, status) in [("gzip", 400), ("br", 415)] {
        let answer = call(Method::POST, format!("{}/v1/traces", service.url))
            .header("content-type", PROTOBUF)
            .header("content-encoding", packing)
            .bytes(whole.clone());
        assert_eq!(answer.send().await.status, status, "{packing}");
    }
    lives(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn what_is_too_large_packed_unpacked_or_decoded_is_413() {
    let service = Service::start().await;
    let large = service.post("/v1/traces", PROTOBUF, vec![0; 5 << 20]).await;
    assert_eq!(large.status, 413);
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = call(Method::POST, format!("{}/v1/traces", service.url))
        .header("content-type", PROTOBUF)
        .header("content-encoding", "gzip")
        .bytes(bomb.finish().unwrap());
    assert_eq!(bomb.send().await.status, 413);
    // Two bytes each on the wire, some three hundred in memory.
    let empty = of("shop", vec![Span::default(); 1_000_000]);
    let sent = service.post("/v1/traces", PROTOBUF, empty.encode_to_vec()).await;
    assert_eq!(
        (sent.status.as_u16(), sent.json()["code"].as_str()),
        (413, Some("payload_too_large"))
    );
    let braces = format!("{{\"resourceSpans\":[{}]}}", vec!["{}"; 300_000].join(","));
    assert_eq!(
        service
            .post("/v1/traces", "application/json", braces)
            .await
            .status,
        413
    );
    lives(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn over_grpc_the_same_is_refused_with_a_status() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let chosen = address.clone();
    let service = Service::start_with(Vec::new(), |settings| settings.grpc_address = chosen).await;
    let url = format!("http://{address}");
    let mut client = TraceServiceClient::connect(url.clone()).await.unwrap();
    let empty = of("shop", vec![Span::default(); 1_000_000]);
    let refused = client.export(empty).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::OutOfRange, "{refused}");
    let mut big = served(1, 1, 0, "/", 200, 3);
    big.attributes = vec![word("text", &"x".repeat(5 << 20))];
    let refused = client.export(of("shop", vec![big])).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::OutOfRange, "{refused}");
    let not_http2 = call(Method::POST, url).bytes("x").try_send().await;
    assert!(not_http2.is_err() || not_http2.is_ok_and(|answer| answer.status != 200));
    lives(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn parents_in_a_circle_and_spans_above_themselves_are_shown_once_each() {
    let service = Service::start().await;
    let spans = [(1, 2), (2, 3), (3, 1), (4, 4), (5, 99)];
    let spans = spans.map(|(id, parent)| span(1, id, parent, SpanKind::Internal, 5));
    service.send(&of("shop", spans.to_vec())).await;
    let trace = service
        .get(&format!("/v1/console/traces/{}", hex(1)))
        .await
        .json();
    assert_eq!(trace["spans"].as_array().unwrap().len(), 5);
    assert_eq!(trace["complete"], serde_json::json!(false));
    service.stop().await;
}

#[tokio::test]
async fn one_trace_without_end_is_cut_and_told() {
    let service = Service::start_with(Vec::new(), |settings| settings.spans_max = 50).await;
    let spans: Vec<Span> = (1..=200).map(|id| served(1, id, 0, "/", 200, 3)).collect();
    let said = service.send(&of("shop", spans)).await.partial_success.unwrap();
    assert_eq!(said.rejected_spans, 150);
    assert!(said.error_message.contains("spans_max"), "{}", said.error_message);
    let trace = service
        .get(&format!("/v1/console/traces/{}", hex(1)))
        .await
        .json();
    assert_eq!(
        (
            trace["spans"].as_array().unwrap().len(),
            trace["spans_refused"].as_u64()
        ),
        (50, Some(150))
    );
    service.stop().await;
}

#[tokio::test]
async fn services_and_routes_without_end_stay_within_the_bound() {
    let service = Service::start_with(Vec::new(), |settings| settings.memory_bytes_max = 8 << 20).await;
    for round in 0..40_u32 {
        let mut request = ExportTraceServiceRequest::default();
        for at in 0..100_u8 {
            let mut one = served(at + 1, 1, 0, &format!("/{round}/{at}"), 200, 3);
            one.span_id = [[at; 4], round.to_be_bytes()].concat();
            request
                .resource_spans
                .extend(of(&format!("service {round} {at}"), vec![one]).resource_spans);
        }
        service.send(&request).await;
    }
    assert!(service.metric("console_memory_bytes") <= f64::from(8_u32 << 20));
    let map = service.get("/v1/console/map").await.json();
    assert!(
        map["nodes"].as_array().unwrap().len() <= 65,
        "the rest is `other`"
    );
    service.stop().await;
}
