//! What crosses the gateway, and what does not.

use std::net::SocketAddr;

use axum::response::IntoResponse;

use crate::client::{Reply, ask, get};
use crate::front::{Front, Plan};
use crate::upstreams;

async fn told(front: &Front, lines: &[&str]) -> serde_json::Value {
    let bearer = front.bearer("acme");
    let reply = ask(front.addr, &[lines, &[&bearer]].concat(), b"").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn header<'t>(told: &'t serde_json::Value, name: &str) -> Option<&'t str> {
    let values = told["headers"][name].as_array()?;
    assert_eq!(values.len(), 1, "{name} came more than once: {values:?}");
    values[0].as_str()
}

#[tokio::test]
async fn a_request_arrives_with_method_target_body_and_end_to_end_headers() {
    let front = Front::before(upstreams::echo().await).await;
    let bearer = front.bearer("acme");
    let lines = [
        "POST /v1/links?x=%20y&x=2 HTTP/1.1",
        &bearer,
        "Content-Type: application/json",
        "Idempotency-Key: k-1",
        "Accept-Language: de",
        "Content-Length: 7",
    ];
    let reply = ask(front.addr, &lines, b"{\"a\":1}").await;
    let told = reply.json();
    assert_eq!(
        (told["method"].as_str(), told["target"].as_str()),
        (Some("POST"), Some("/v1/links?x=%20y&x=2"))
    );
    assert_eq!(told["body"], "{\"a\":1}");
    assert_eq!(header(&told, "content-type"), Some("application/json"));
    assert_eq!(header(&told, "idempotency-key"), Some("k-1"));
    assert_eq!(header(&told, "accept-language"), Some("de"));
    assert_eq!(
        header(&told, "authorization"),
        bearer.strip_prefix("Authorization: ")
    );
}

#[tokio::test]
async fn hop_by_hop_headers_stay_behind_in_both_directions() {
    let front = Front::before(upstreams::echo().await).await;
    let told = told(
        &front,
        &[
            "GET /v1/links HTTP/1.1",
            "Connection: close, X_Hop",
            "X_Hop: 1",
            "Keep-Alive: timeout=5",
            "TE: trailers",
            "Trailer: X-Sum",
            "Upgrade: websocket",
            "Proxy-Authorization: Basic eA==",
            "Proxy-Connection: keep-alive",
            "Expect: 100-continue",
        ],
    )
    .await;
    for gone in [
        "connection",
        "x_hop",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "proxy-authorization",
        "expect",
    ] {
        assert_eq!(header(&told, gone), None, "{gone}");
    }

    let answer = upstreams::answering(|| {
        let headers = [
            ("connection", "x-mine, keep-alive"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("x-theirs", "2"),
        ];
        (headers, "ok").into_response()
    });
    let front = Front::before(answer.await).await;
    let reply = get(front.addr, "/code").await;
    assert_eq!(
        (reply.header("x-theirs"), reply.text().as_str()),
        (Some("2"), "ok")
    );
    for gone in ["x-mine", "keep-alive", "proxy-authenticate"] {
        assert_eq!(reply.header(gone), None, "{gone}");
    }
}

#[tokio::test]
async fn where_the_client_is_is_what_we_saw_and_not_what_it_claims() {
    let front = Front::before(upstreams::echo().await).await;
    let told = told(
        &front,
        &[
            "GET /v1/links HTTP/1.1",
            "Host: go.example:8080",
            "X-Forwarded-For: 6.6.6.6",
            "X-Forwarded-Host: evil",
            "X-Forwarded-Proto: https",
            "X-Forwarded-User: root",
            "X-Real-IP: 6.6.6.6",
            "Forwarded: for=6.6.6.6",
        ],
    )
    .await;
    assert_eq!(header(&told, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(header(&told, "x-forwarded-host"), Some("go.example:8080"));
    assert_eq!(header(&told, "x-forwarded-proto"), Some("http"));
    assert_eq!(
        header(&told, "forwarded"),
        Some("for=127.0.0.1;proto=http;host=\"go.example:8080\"")
    );
    assert_eq!(
        header(&told, "host"),
        Some("go.example:8080"),
        "the issuer looks at the name that was asked for"
    );
    assert_eq!(
        (header(&told, "x-real-ip"), header(&told, "x-forwarded-user")),
        (None, None)
    );
    assert_eq!(header(&told, "via"), Some("1.1 orrery-gateway"));
}

#[tokio::test]
async fn the_request_id_and_the_trace_go_along_and_come_back() {
    let front = Front::before(upstreams::echo().await).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let bearer = front.bearer("acme");
    let lines = [
        "GET /v1/links HTTP/1.1",
        &bearer,
        "X-Request-Id: my-id-1",
        &format!("traceparent: {trace}"),
    ];
    let reply = ask(front.addr, &lines, b"").await;
    let told = reply.json();
    assert_eq!(reply.header("x-request-id"), Some("my-id-1"));
    assert_eq!(header(&told, "x-request-id"), Some("my-id-1"));
    let passed = header(&told, "traceparent").expect("a trace");
    assert!(
        passed.starts_with("00-0af7651916cd43dd8448eb211c80319c-"),
        "{passed}"
    );

    let reply = ask(
        front.addr,
        &["GET /v1/links HTTP/1.1", &bearer, "X-Request-Id: not an id"],
        b"",
    )
    .await;
    let made = reply.header("x-request-id").expect("an id").to_owned();
    assert_ne!(made, "not an id");
    assert_eq!(
        header(&reply.json(), "x-request-id"),
        Some(made.as_str()),
        "both sides know it by one name"
    );
}

async fn deadline_seen(front: &Front, sent: &[&str]) -> u64 {
    let told = told(front, &[&["GET /v1/links HTTP/1.1"], sent].concat()).await;
    header(&told, "orrery-deadline-ms")
        .expect("always there")
        .parse()
        .expect("milliseconds")
}

#[tokio::test]
async fn the_deadline_is_capped_and_passed_on() {
    let mut plan = Plan::with(upstreams::echo().await).await;
    plan.server.request_deadline_ms_default = 4_000;
    plan.server.request_deadline_ms_max = 9_000;
    let front = plan.start();
    // The clock stands still, so what is passed on is exactly what was left.
    assert_eq!(deadline_seen(&front, &[]).await, 4_000);
    assert_eq!(deadline_seen(&front, &["orrery-deadline-ms: 1500"]).await, 1_500);
    assert_eq!(
        deadline_seen(&front, &["orrery-deadline-ms: 99999"]).await,
        9_000,
        "no client gets more than the most"
    );
    assert_eq!(deadline_seen(&front, &["orrery-deadline-ms: soon"]).await, 4_000);
    let bearer = front.bearer("acme");
    let late = ask(
        front.addr,
        &["GET /v1/links HTTP/1.1", &bearer, "orrery-deadline-ms: 0"],
        b"",
    )
    .await;
    assert_eq!((late.status, late.code().as_str()), (504, "deadline_exceeded"));
}

#[tokio::test]
async fn head_keeps_the_length_of_what_it_stands_for() {
    let answer = upstreams::answering(|| ([("content-length", "4096")], "").into_response());
    let front = Front::before(answer.await).await;
    let reply = ask(front.addr, &["HEAD /code HTTP/1.1"], b"").await;
    assert_eq!(
        (reply.status, reply.header("content-length")),
        (200, Some("4096"))
    );
}

#[tokio::test]
async fn a_redirect_comes_back_as_it_is_and_is_not_followed() {
    let answer = upstreams::answering(|| {
        (
            http::StatusCode::FOUND,
            [("location", "http://elsewhere.example/")],
        )
            .into_response()
    });
    let front = Front::before(answer.await).await;
    let reply = get(front.addr, "/rust").await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (302, Some("http://elsewhere.example/"))
    );
    assert_eq!(reply.header("ratelimit"), None, "a redirect has no tenant");
}

async fn code_of(front: &Front, request_line: &str) -> (u16, String) {
    let reply = ask(front.addr, &[request_line], b"").await;
    (reply.status, reply.code())
}

#[tokio::test]
async fn only_what_stands_in_the_table_is_routed_and_admin_paths_never_are() {
    let (upstream, asked) = upstreams::counting_echo().await;
    let front = Front::before(upstream).await;
    let unknown = [
        "/metrics",
        "/readyz",
        "/livez",
        "/%6detrics",
        "/READYZ",
        "/v1",
        "/v1/",
        "/v2/links",
        "/v1/linksx",
        "/v1/other/x",
        "/ui",
        "/ui/",
        "/ui/other",
        "/ui/shortenerx",
        "/a/b",
        "//metrics",
        "/a%2fb",
        "/a%20b",
        "/.",
    ];
    for path in unknown {
        assert_eq!(
            code_of(&front, &format!("GET {path} HTTP/1.1")).await,
            (404, "not_found".to_owned()),
            "{path}"
        );
    }
    let ambiguous = [
        "/v1/links/../../metrics",
        "/v1/links/%2e%2e/metrics",
        "/v1/links/%2fmetrics",
        "/v1/links//x",
        "/oauth2/..%5cx",
        "/.well-known/%00",
    ];
    for path in ambiguous {
        let refused = code_of(&front, &format!("GET {path} HTTP/1.1")).await;
        assert_eq!(refused, (400, "malformed_path".to_owned()), "{path}");
    }
    assert_eq!(
        asked.load(std::sync::atomic::Ordering::SeqCst),
        0,
        "nothing of it reached the upstream"
    );
}

#[tokio::test]
async fn methods_that_a_route_does_not_have_are_405_with_allow() {
    let front = Front::before(upstreams::echo().await).await;
    let put = ask(front.addr, &["PUT /code HTTP/1.1", "Content-Length: 0"], b"").await;
    assert_eq!(
        (put.status, put.code().as_str(), put.header("allow")),
        (405, "method_not_allowed", Some("GET, HEAD, POST"))
    );
    let trace = ask(front.addr, &["TRACE /v1/links HTTP/1.1"], b"").await;
    assert_eq!((trace.status, trace.code().as_str()), (405, "method_not_allowed"));
    let start = ask(front.addr, &["DELETE / HTTP/1.1"], b"").await;
    assert_eq!((start.status, start.code().as_str()), (405, "method_not_allowed"));
}

#[tokio::test]
async fn a_code_is_passed_on_decoded_once() {
    let front = Front::before(upstreams::echo().await).await;
    let target = |reply: Reply| reply.json()["target"].as_str().expect("a target").to_owned();
    assert_eq!(target(get(front.addr, "/%72ust?utm=%41").await), "/rust?utm=%41");
    assert_eq!(target(get(front.addr, "/0aB-_.~").await), "/0aB-_.~");
}

async fn issuer_told(front: SocketAddr, path: &str) -> String {
    get(front, path).await.json()["target"]
        .as_str()
        .expect("told by the issuer")
        .to_owned()
}

#[tokio::test]
async fn the_issuers_paths_are_open_and_lead_to_the_issuer() {
    let front = Front::before(upstreams::down().await).await;
    for path in [
        "/oauth2/authorize?x=1",
        "/.well-known/openid-configuration",
        "/ui/issuer/assets/style.css",
    ] {
        assert_eq!(issuer_told(front.addr, path).await, path);
    }
}

#[tokio::test]
async fn a_request_that_came_through_us_before_is_refused() {
    let mut plan = Plan::with(upstreams::down().await).await;
    plan.settings.public_url = "http://127.0.0.1:1".to_owned();
    let inner = plan.start();
    let front = Front::before(inner.addr).await;
    let reply = get(front.addr, "/code").await;
    assert_eq!((reply.status, reply.code().as_str()), (508, "loop_detected"));
}
