//! One trace, followed from the gateway to the click worker by what a collector receives. Every span has to be there,
//! below the right one, under the conventions' names, and nothing in it may be a secret or a user's URL.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use testkit::http::{get, post};
use testkit::otlp::{OtlpReceiver, ReceivedSpan};
use testkit::platform::{Options, Platform};

use crate::platform::binary;

/// Far beyond what anything here takes: only a failure waits this long.
const PATIENCE: Duration = Duration::from_secs(20);
/// The span of the client that starts the trace, outside the platform.
const CLIENT_SPAN: &str = "00f067aa0ba902b7";
pub(crate) const PRIVATE_URL: &str =
    "https://plain-host.example/plain-path/page?plain-query=plain-value#plain-fragment";
/// Parts of secrets and of the link's URL. The words are not to be found anywhere else.
pub(crate) const PRIVATE_WORDS: [&str; 5] = [
    "plain-host",
    "plain-path",
    "plain-query",
    "plain-value",
    "plain-fragment",
];
/// Nothing is sampled, and nothing counts as slow: a busy machine must not make a request worth a span.
const SAMPLE_NOTHING: [(&str, &str); 2] = [
    ("ORRERY_TELEMETRY_SAMPLE_RATIO", "0"),
    ("ORRERY_TELEMETRY_SLOW_REQUEST_MS", "600000"),
];
/// The namespaces of the semantic conventions that spans here may use.
const NAMESPACES: [&str; 7] = [
    "http.",
    "url.",
    "server.",
    "network.",
    "db.",
    "messaging.",
    "error.",
];

struct Traced {
    receiver: OtlpReceiver,
    platform: Platform,
    token: String,
}

impl Traced {
    async fn start(protocol: &str, more: &[(&str, &str)]) -> Self {
        let receiver = OtlpReceiver::start();
        let endpoint = if protocol == "grpc" {
            receiver.grpc_endpoint()
        } else {
            receiver.http_endpoint()
        };
        let mut options = Options::default()
            .env("ORRERY_TELEMETRY_OTLP_ENDPOINT", &endpoint)
            .env("ORRERY_TELEMETRY_OTLP_PROTOCOL", protocol)
            .env("ORRERY_TELEMETRY_OTLP_FLUSH_INTERVAL_MS", "50")
            // More is logged than anybody should run with, so that more could leak.
            .env("ORRERY_TELEMETRY_LOG_LEVEL", "debug");
        for (name, value) in more {
            options = options.env(name, value);
        }
        let platform = Platform::start(binary(), options).await;
        let token = platform
            .token("acme", "ann", &["links:read", "links:write"])
            .await;
        Self {
            receiver,
            platform,
            token,
        }
    }

    async fn make_link(&self, trace_id: &str, url: &str) -> String {
        let made = post(
            format!("{}/v1/links", self.platform.url()),
            &json!({ "url": url }),
        )
        .bearer(&self.token)
        .header("idempotency-key", "plain-idempotency")
        .header("traceparent", &traceparent(trace_id))
        .send()
        .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        made.json()["code"].as_str().expect("a code").to_owned()
    }

    fn trace(&self, trace_id: &str, complete: impl Fn(&[ReceivedSpan]) -> bool) -> Vec<ReceivedSpan> {
        trace(&self.receiver, trace_id, complete)
    }

    /// Ends the process, so that all is flushed, and looks through everything it has sent and written.
    async fn assert_nothing_private_was_told(&mut self) {
        assert!(
            self.platform.terminate().await.success(),
            "{}",
            self.platform.tail()
        );
        let signature = self.token.rsplit('.').next().expect("a JWT has a signature");
        let spans = self.receiver.everything();
        let logs = self.platform.output();
        // Both are searched where there is something to find.
        assert!(
            spans.contains("http.route") && logs.contains("\"service\":\"shortener\""),
            "{logs}"
        );
        for private in PRIVATE_WORDS
            .iter()
            .copied()
            .chain([&*self.token, signature, "plain-idempotency"])
        {
            assert!(!spans.contains(private), "a span tells {private}");
            let line = logs.lines().find(|line| line.contains(private));
            assert_eq!(line, None, "a log line tells {private}");
        }
    }
}

/// The spans of a trace, once they satisfy a condition.
pub(crate) fn trace(
    receiver: &OtlpReceiver,
    trace_id: &str,
    complete: impl Fn(&[ReceivedSpan]) -> bool,
) -> Vec<ReceivedSpan> {
    let of_trace = |spans: &[ReceivedSpan]| -> Vec<ReceivedSpan> {
        let spans = spans.iter().filter(|span| span.trace_id == trace_id);
        spans.cloned().collect()
    };
    match receiver.wait_for(PATIENCE, |spans| complete(&of_trace(spans))) {
        Ok(spans) => of_trace(&spans),
        Err(spans) => panic!("the trace is not complete: {:#?}", of_trace(&spans)),
    }
}

pub(crate) fn traceparent(trace_id: &str) -> String {
    format!("00-{trace_id}-{CLIENT_SPAN}-01")
}

pub(crate) fn the_one<'a>(
    spans: &'a [ReceivedSpan],
    service: &str,
    kind: &str,
    part: &str,
) -> &'a ReceivedSpan {
    let found: Vec<_> = spans
        .iter()
        .filter(|span| span.service == service && span.kind == kind && span.name.contains(part))
        .collect();
    let [span] = found[..] else {
        panic!("one {kind} span {part:?} of {service}, not {found:#?} in {spans:#?}")
    };
    span
}

pub(crate) fn has(spans: &[ReceivedSpan], service: &str, kind: &str) -> bool {
    spans
        .iter()
        .any(|span| span.service == service && span.kind == kind)
}

/// Whether a span stands below another, at any depth.
pub(crate) fn below(spans: &[ReceivedSpan], span: &ReceivedSpan, above: &ReceivedSpan) -> bool {
    if span.parent_span_id == above.span_id {
        return true;
    }
    spans
        .iter()
        .find(|parent| parent.span_id == span.parent_span_id)
        .is_some_and(|parent| below(spans, parent, above))
}

pub(crate) fn assert_conventions(spans: &[ReceivedSpan]) {
    for span in spans {
        assert!(
            ["gateway", "issuer", "shortener"].contains(&&*span.service),
            "{span:#?}"
        );
        assert!(!span.name.contains("//") && !span.name.contains('?'), "{span:#?}");
        for name in span.attributes.keys() {
            assert!(
                NAMESPACES.iter().any(|space| name.starts_with(space)),
                "{name} in {span:#?}"
            );
            assert!(
                !["url.full", "url.path", "url.query"].contains(&&**name),
                "{name} in {span:#?}"
            );
        }
        assert!(span.start_ns <= span.end_ns, "{span:#?}");
    }
}

/// Client, gateway, call, shortener: the part that a write and a redirect have in common. Gives the shortener's span.
pub(crate) fn assert_way_in<'a>(
    spans: &'a [ReceivedSpan],
    method: &str,
    route: &str,
    status: u16,
) -> &'a ReceivedSpan {
    let gateway = the_one(spans, "gateway", "Server", method);
    let call = the_one(spans, "gateway", "Client", method);
    let shortener = the_one(spans, "shortener", "Server", method);
    assert_eq!(gateway.parent_span_id, CLIENT_SPAN);
    assert_eq!(call.parent_span_id, gateway.span_id);
    assert_eq!(shortener.parent_span_id, call.span_id);
    for server in [gateway, shortener] {
        assert_eq!(server.attributes["http.route"], route, "{server:#?}");
        assert_eq!(server.name, format!("{method} {route}"));
        assert_eq!(server.attributes["http.response.status_code"], status.to_string());
        assert_eq!(server.attributes["http.request.method"], method);
    }
    assert_eq!(call.attributes["server.address"], "127.0.0.1");
    assert!(!gateway.is_error && !call.is_error && !shortener.is_error);
    shortener
}

#[tokio::test]
async fn a_write_is_one_trace_from_the_gateway_to_the_statement() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut traced = Traced::start("grpc", &[]).await;
    traced.make_link(TRACE, PRIVATE_URL).await;
    let spans = traced.trace(TRACE, |spans| {
        has(spans, "gateway", "Server")
            && has(spans, "shortener", "Server")
            && has(spans, "shortener", "Client")
    });
    assert_conventions(&spans);
    let shortener = assert_way_in(&spans, "POST", "/v1/links", 201);
    let statements: Vec<_> = spans
        .iter()
        .filter(|span| span.service == "shortener" && span.kind == "Client")
        .collect();
    for statement in statements {
        assert!(below(&spans, statement, shortener), "{statement:#?}");
        assert_eq!(statement.attributes["db.system.name"], "sqlite");
        assert_eq!(statement.attributes["db.operation.name"], statement.name);
    }
    the_one(&spans, "shortener", "Client", "create_link");
    traced.assert_nothing_private_was_told().await;
}

#[tokio::test]
async fn a_redirect_is_one_trace_from_the_gateway_over_the_stream_to_the_click_worker() {
    const TRACE: &str = "af7651916cd43dd8448eb211c80319c1";
    let mut traced = Traced::start("http", &[]).await;
    let code = traced
        .make_link("11111111111111111111111111111111", PRIVATE_URL)
        .await;
    let followed = get(format!("{}/{code}", traced.platform.url()))
        .header("traceparent", &traceparent(TRACE))
        .send()
        .await;
    assert_eq!(followed.status, StatusCode::FOUND, "{}", followed.text());
    assert_eq!(followed.header("location"), PRIVATE_URL);

    let spans = traced.trace(TRACE, |spans| {
        has(spans, "gateway", "Server")
            && has(spans, "shortener", "Producer")
            && has(spans, "shortener", "Consumer")
    });
    assert_conventions(&spans);
    let shortener = assert_way_in(&spans, "GET", "/{code}", 302);
    let producer = the_one(&spans, "shortener", "Producer", "");
    let consumer = the_one(&spans, "shortener", "Consumer", "");
    assert_eq!(producer.parent_span_id, shortener.span_id);
    assert_eq!(consumer.parent_span_id, producer.span_id);
    for messaging in [producer, consumer] {
        assert_eq!(messaging.attributes["messaging.destination.name"], "visits");
        assert!(
            messaging.attributes.contains_key("messaging.system"),
            "{messaging:#?}"
        );
        assert!(
            messaging.attributes.contains_key("messaging.operation.type"),
            "{messaging:#?}"
        );
    }
    let counted = the_one(&spans, "shortener", "Client", "put_statistics");
    assert_eq!(counted.parent_span_id, consumer.span_id);
    let scrape = get(format!("{}/metrics", traced.platform.admin_url(2)))
        .send()
        .await
        .text();
    let exemplar = format!("# {{trace_id=\"{TRACE}\"}}");
    let is_it = |line: &str| line.contains(r#"route="/{code}",status="302""#) && line.contains(&exemplar);
    assert!(
        scrape.lines().any(is_it),
        "the redirect is no exemplar of its bucket:\n{scrape}"
    );
    traced.assert_nothing_private_was_told().await;
}

#[tokio::test]
async fn the_trace_id_in_an_error_answer_opens_something_even_when_nothing_is_sampled() {
    let mut traced = Traced::start("grpc", &SAMPLE_NOTHING).await;
    let well = get(format!("{}/", traced.platform.url())).send().await;
    assert_eq!(well.status, StatusCode::OK, "{}", well.text());
    let refused = post(
        format!("{}/v1/links", traced.platform.url()),
        &json!({ "url": PRIVATE_URL }),
    )
    .send()
    .await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", refused.text());
    let problem = refused.json();
    let trace_id = problem["trace_id"].as_str().expect("a problem names its trace");

    let spans = traced.trace(trace_id, |spans| !spans.is_empty());
    let root = the_one(&spans, "gateway", "Server", "POST");
    assert_eq!(root.parent_span_id, "");
    assert_eq!(root.attributes["http.response.status_code"], "401");
    assert_eq!(
        root.attributes["error.type"],
        problem["code"].as_str().expect("a code")
    );
    traced.assert_nothing_private_was_told().await;
    let went_well = |span: &ReceivedSpan| {
        span.attributes
            .get("http.response.status_code")
            .is_some_and(|s| s == "200")
    };
    assert!(
        !traced.receiver.spans().iter().any(went_well),
        "what went well was not sampled"
    );
}
