//! One request, followed through the processes and into the engines by what a collector receives.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::json;
use testkit::http::{get, post};
use testkit::otlp::{OtlpReceiver, ReceivedSpan};

use super::fleet::{EngineUrls, Fleet};
use crate::shortener::trace::{
    PRIVATE_URL, PRIVATE_WORDS, assert_conventions, assert_way_in, below, has, the_one, trace, traceparent,
};

const WRITE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const REDIRECT: &str = "af7651916cd43dd8448eb211c80319c1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_one_trace_through_the_processes_and_into_each_engine() {
    let Some(engines) = EngineUrls::shared("a_request_is_one_trace_through_the_processes") else {
        return;
    };
    let _turn = crate::turn::shared().await;
    let receiver = OtlpReceiver::start();
    let mut fleet = watched(&engines, &receiver).await;
    let token = fleet.token("acme").await;
    let made = post(
        format!("{}/v1/links", fleet.gateways[0].url()),
        &json!({ "url": PRIVATE_URL }),
    )
    .bearer(&token)
    .header("idempotency-key", "plain-idempotency")
    .header("traceparent", &traceparent(WRITE))
    .send()
    .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let made = made.json();
    let code = made["code"].as_str().expect("a code");
    // At the other gateway, whose shortener has never heard of the link.
    let followed = get(format!("{}/{code}", fleet.gateways[1].url()))
        .header("traceparent", &traceparent(REDIRECT))
        .send()
        .await;
    assert_eq!(followed.status, StatusCode::FOUND, "{}", followed.text());
    assert_eq!(followed.header("location"), PRIVATE_URL);

    let write = trace(&receiver, WRITE, |spans| {
        has(spans, "gateway", "Server") && has(spans, "shortener", "Server")
    });
    assert_conventions(&write);
    let shortener = assert_way_in(&write, "POST", "/v1/links", 201);
    let gateway = the_one(&write, "gateway", "Server", "POST");
    assert_eq!(
        in_engines(&write, shortener),
        engines_named(&["cassandra", "redis"])
    );
    assert_eq!(
        in_engines(&write, gateway),
        engines_named(&["cassandra", "redis"])
    );
    assert_below(&write, "gateway", "take_token", gateway);
    assert_below(&write, "shortener", "claim_code", shortener);
    assert_below(&write, "shortener", "cache_begin_write", shortener);

    let redirect = trace(&receiver, REDIRECT, |spans| {
        has(spans, "gateway", "Server")
            && has(spans, "shortener", "Producer")
            && has(spans, "shortener", "Consumer")
    });
    assert_conventions(&redirect);
    let shortener = assert_way_in(&redirect, "GET", "/{code}", 302);
    assert_below(&redirect, "shortener", "cache_look", shortener);
    assert_below(&redirect, "shortener", "resolve_link", shortener);
    let producer = the_one(&redirect, "shortener", "Producer", "");
    let consumer = the_one(&redirect, "shortener", "Consumer", "");
    assert_eq!(producer.parent_span_id, shortener.span_id);
    assert_eq!(consumer.parent_span_id, producer.span_id);
    assert!(in_engines(&redirect, producer).contains("nats"), "{redirect:#?}");
    assert_below(&redirect, "shortener", "put_statistics_head", consumer);

    assert_nothing_private_was_told(&mut fleet, &receiver, &token).await;
}

/// A fleet that tells the receiver everything, and logs more than anybody should run with, so that more could leak.
async fn watched(engines: &EngineUrls, receiver: &OtlpReceiver) -> Fleet {
    let endpoint = receiver.grpc_endpoint();
    let telemetry = [
        ("ORRERY_TELEMETRY_OTLP_ENDPOINT", endpoint.as_str()),
        ("ORRERY_TELEMETRY_OTLP_PROTOCOL", "grpc"),
        ("ORRERY_TELEMETRY_OTLP_FLUSH_INTERVAL_MS", "50"),
        ("ORRERY_TELEMETRY_LOG_LEVEL", "debug"),
    ];
    Fleet::start_with(engines, &telemetry).await
}

/// Ends all processes, so that all is flushed, and looks through everything they have sent and written.
async fn assert_nothing_private_was_told(fleet: &mut Fleet, receiver: &OtlpReceiver, token: &str) {
    let mut written = String::new();
    let Fleet {
        issuer,
        shorteners,
        gateways,
        ..
    } = fleet;
    for process in std::iter::once(issuer).chain(shorteners).chain(gateways) {
        assert!(process.terminate().await.success(), "{}", process.tail());
        written += &process.output();
    }
    let told = receiver.everything();
    assert!(told.contains("http.route") && written.contains("\"service\":\"shortener\""));
    let secrets = [token, "plain-idempotency"];
    for private in PRIVATE_WORDS.into_iter().chain(secrets) {
        assert!(!told.contains(private), "a span tells {private}");
        let line = written.lines().find(|line| line.contains(private));
        assert_eq!(line, None, "a log line tells {private}");
    }
}

/// The engines that were asked on behalf of a span, and of those below it.
fn in_engines(spans: &[ReceivedSpan], above: &ReceivedSpan) -> BTreeSet<String> {
    let asked = spans.iter().filter(|span| below(spans, span, above));
    asked
        .filter_map(|span| span.attributes.get("db.system.name").cloned())
        .collect()
}

fn engines_named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn assert_below(spans: &[ReceivedSpan], service: &str, statement: &str, above: &ReceivedSpan) {
    let asked = the_one(spans, service, "Client", statement);
    assert!(below(spans, asked, above), "{asked:#?} in {spans:#?}");
    assert_eq!(asked.attributes["db.operation.name"], asked.name);
}
