//! Whatever goes wrong, the answer is a problem.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http::StatusCode;
use problem::Problem;
use serde::{Deserialize, Serialize};
use server::{Json, Path, Query};

use crate::harness::{TestRole, settings};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Link {
    url: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: u8,
}

fn router() -> Router {
    Router::new()
        .route("/links", post(async |Json(link): Json<Link>| Json(link)))
        .route("/links/{code}", get(async |Path(code): Path<String>| code))
        .route("/numbers/{n}", get(async |Path(n): Path<u64>| n.to_string()))
        .route(
            "/list",
            get(async |Query(page): Query<Page>| page.limit.to_string()),
        )
        .route("/plain/json", post(plain_json))
        .route(
            "/plain/small",
            post(async |body: String| body).layer(DefaultBodyLimit::max(8)),
        )
        .route("/panic", get(panics))
        .route(
            "/page",
            get(async || {
                (
                    StatusCode::NOT_FOUND,
                    [("content-type", "text/html")],
                    "<p>no</p>",
                )
            }),
        )
        .route(
            "/cause",
            get(async || Problem::internal("the password is hunter2")),
        )
        .route("/bare/500", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/bare/502", get(async || StatusCode::BAD_GATEWAY))
}

#[expect(
    clippy::disallowed_types,
    reason = "the framework's own refusals are what is tested"
)]
async fn plain_json(axum::Json(link): axum::Json<Link>) -> String {
    link.url
}

async fn panics() -> String {
    panic!("the handler's secret reason")
}

fn role() -> TestRole {
    TestRole::start(router(), settings())
}

#[tokio::test]
async fn an_unknown_path_is_a_404_problem() {
    let reply = role().get("/nowhere").await;
    assert_eq!((reply.status, reply.problem().code.as_str()), (404, "not_found"));
}

#[tokio::test]
async fn a_wrong_method_is_a_405_problem_that_names_the_right_ones() {
    let role = role();
    for method in ["DELETE", "OPTIONS", "TRACE", "BREW"] {
        let reply = role
            .ask(&format!("{method} /links/a HTTP/1.1\r\nhost: t\r\n\r\n"))
            .await;
        assert_eq!(
            (reply.status, reply.problem().code.as_str()),
            (405, "method_not_allowed"),
            "{method}"
        );
        assert_eq!(reply.header("allow"), Some("GET,HEAD"));
    }
    for line in ["CONNECT example.com:443", "OPTIONS *"] {
        let reply = role.ask(&format!("{line} HTTP/1.1\r\nhost: t\r\n\r\n")).await;
        assert_eq!(
            (reply.status, reply.problem().code.as_str()),
            (405, "method_not_allowed"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_wrong_media_type_is_a_415_problem() {
    let role = role();
    for path in ["/links", "/plain/json"] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: text/xml\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        let reply = role.ask(&request).await;
        assert_eq!(
            (reply.status, reply.problem().code.as_str()),
            (415, "unsupported_media_type"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_broken_body_is_400_and_an_unfit_one_422() {
    let role = role();
    for path in ["/links", "/plain/json"] {
        let broken = role.post_json(path, "{\"url\":").await;
        assert_eq!(broken.status, 400, "{path}");
        let unfit = role.post_json(path, "{\"url\":7}").await;
        assert_eq!(
            (unfit.status, unfit.problem().code.as_str()),
            (422, "invalid_request"),
            "{path}"
        );
        broken.problem();
    }
    assert_eq!(
        role.post_json("/links", "{\"url\":").await.problem().code,
        "malformed_json"
    );
    let unfit = role
        .post_json("/links", r#"{"url":"x","tags":["a",7]}"#)
        .await
        .problem();
    assert_eq!(unfit.errors[0].pointer, "/tags/1");
}

#[tokio::test]
async fn a_good_body_comes_back() {
    let reply = role().post_json("/links", r#"{"url":"x"}"#).await;
    assert_eq!((reply.status, reply.text()), (200, r#"{"url":"x","tags":[]}"#));
    assert_eq!(reply.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_limit_that_a_route_sets_itself_is_a_413_problem() {
    let role = role();
    let reply = role
        .ask("POST /plain/small HTTP/1.1\r\nhost: t\r\ncontent-length: 9\r\n\r\n123456789")
        .await;
    assert_eq!(
        (reply.status, reply.problem().code.as_str()),
        (413, "payload_too_large")
    );
}

#[tokio::test]
async fn a_path_that_does_not_decode_is_a_400_problem() {
    let role = role();
    for path in [
        "/links/%ff",
        "/links/%c3%28",
        "/numbers/x",
        "/numbers/99999999999999999999",
    ] {
        let reply = role.get(path).await;
        assert_eq!(
            (reply.status, reply.problem().code.as_str()),
            (400, "malformed_path"),
            "{path}"
        );
    }
    assert_eq!(role.get("/links/%41").await.text(), "A");
}

#[tokio::test]
async fn a_query_that_does_not_fit_is_a_422_problem() {
    let role = role();
    for query in [
        "",
        "?limit=x",
        "?limit=300",
        "?limit=1&limit=2",
        "?limit=1&colour=red",
    ] {
        let reply = role.get(&format!("/list{query}")).await;
        assert_eq!(
            (reply.status, reply.problem().code.as_str()),
            (422, "invalid_request"),
            "{query:?}"
        );
    }
    assert_eq!(role.get("/list?limit=5").await.text(), "5");
}

#[tokio::test]
async fn a_panic_is_a_500_problem_and_the_next_request_is_served() {
    let role = role();
    let reply = role.get("/panic").await;
    assert_eq!((reply.status, reply.problem().code.as_str()), (500, "internal"));
    assert!(!reply.text().contains("secret"), "{}", reply.text());
    assert_eq!(role.get("/links/a").await.status, 200);
    assert_eq!(role.admin_get("/livez").await.status, 200);
}

#[tokio::test]
async fn what_an_operator_reads_does_not_reach_the_client() {
    let reply = role().get("/cause").await;
    assert_eq!(reply.status, 500);
    assert!(!reply.text().contains("hunter2"), "{}", reply.text());
}

#[tokio::test]
async fn a_bare_server_fault_is_a_problem_with_its_status() {
    let role = role();
    assert_eq!(role.get("/bare/500").await.problem().code, "internal");
    let reply = role.get("/bare/502").await;
    assert_eq!((reply.status, reply.problem().retryable), (502, true));
}

#[tokio::test]
async fn a_page_that_says_no_stays_a_page() {
    let reply = role().get("/page").await;
    assert_eq!((reply.status, reply.text()), (404, "<p>no</p>"));
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let role = role();
    for (path, status) in [("/links/abc", 200), ("/nowhere", 404)] {
        let reply = role
            .ask(&format!(
                "HEAD {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"
            ))
            .await;
        assert_eq!(reply.status, status);
        assert!(reply.body.is_empty(), "{reply:?}");
        assert_ne!(reply.header("content-length"), Some("0"));
    }
}

#[tokio::test]
async fn a_problem_of_a_layer_above_keeps_its_headers() {
    let router = router().layer(axum::middleware::map_response(
        async |response: axum::response::Response| ([("ratelimit-limit", "10")], response).into_response(),
    ));
    let role = TestRole::start(router, settings());
    let reply = role.get("/nowhere").await;
    assert_eq!(reply.header("ratelimit-limit"), Some("10"));
    reply.problem();
}
