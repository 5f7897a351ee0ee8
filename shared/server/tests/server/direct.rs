//! What a role answers before routing.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderMap, Method, Response, Uri};
use server::{Direct, ServerSettings, Serving};

use crate::harness::{TestRole, readiness, settings};

/// `/known` and `/panic` are answered before routing, everything else, whatever its method, by the router.
fn role(settings: ServerSettings) -> TestRole {
    let answer = |method: &Method, uri: &Uri, headers: &HeaderMap| {
        assert_ne!(uri.path(), "/panic", "the answer's secret reason");
        let known = *method == Method::GET && uri.path() == "/known";
        let peer = server::peer().is_some();
        known.then(|| {
            Response::new(Body::from(format!(
                "directly, {} headers, peer {peer}",
                headers.len()
            )))
        })
    };
    let serving = Serving {
        direct: Some(Direct::new("/{thing}", answer)),
        ..Serving::default()
    };
    let routed = get(async || "routed").post(async |body: String| body);
    TestRole::start_with(
        Router::new().route("/{thing}", routed),
        settings,
        readiness(),
        serving,
    )
}

#[tokio::test]
async fn what_can_be_answered_at_once_is_and_the_rest_is_routed() {
    let role = role(settings());
    let reply = role.get("/known").await;
    assert_eq!(
        (reply.status, reply.text()),
        (200, "directly, 1 headers, peer true")
    );
    assert!(reply.header("x-request-id").is_some(), "{reply:?}");
    assert_eq!(role.get("/other").await.text(), "routed");
    assert_eq!(role.get("/no/such").await.problem().status, 404);
    // A body is the router's to read.
    assert_eq!(role.post_json("/known", "[1]").await.text(), "[1]");
    let with_body = "GET /known HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\nhi";
    assert_eq!(role.ask(with_body).await.text(), "routed");
}

#[tokio::test]
async fn what_is_answered_at_once_is_counted_under_its_route_like_the_rest() {
    let role = role(settings());
    role.get("/known").await;
    role.get("/other").await;
    let metrics = role.admin_get("/metrics").await;
    let counted = metrics.text().lines().find(|line| {
        line.starts_with("http_server_request_duration_seconds_count") && line.contains(r#""/{thing}""#)
    });
    assert!(
        counted.is_some_and(|line| line.ends_with(" 2")),
        "{}",
        metrics.text()
    );
}

#[tokio::test]
async fn a_panic_before_routing_is_a_500_problem_and_the_next_request_is_served() {
    let role = role(settings());
    let reply = role.get("/panic").await;
    assert_eq!(reply.problem().status, 500);
    assert!(!reply.text().contains("secret"), "{}", reply.text());
    assert_eq!(role.get("/known").await.status, 200);
}

#[tokio::test]
async fn the_deadline_stands_before_what_is_answered_at_once() {
    let late = "GET /known HTTP/1.1\r\nhost: t\r\norrery-deadline-ms: 0\r\n\r\n";
    let role = role(settings());
    assert_eq!(role.ask(late).await.problem().status, 504);
}
