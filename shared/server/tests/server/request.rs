//! What travels with a request: its id, its deadline, its trace, its metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use clock::SystemClock;
use resilience::Deadline;
use server::{Path, RequestId, ServerSettings};
use telemetry::TraceContext;

use crate::harness::{TestRole, settings, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn router() -> Router {
    Router::new()
        .route(
            "/id",
            get(async || RequestId::current().expect("an id").as_str().to_owned()),
        )
        .route("/left", get(async || left().to_string()))
        .route(
            "/trace",
            get(async || TraceContext::current().expect("a trace").trace_id().to_string()),
        )
        .route("/links/{code}", get(async |Path(code): Path<String>| code))
}

fn left() -> u128 {
    let clock = SystemClock::shared();
    Deadline::current()
        .expect("a deadline")
        .remaining(&*clock)
        .as_millis()
}

#[tokio::test]
async fn a_request_has_the_callers_id_or_one_of_its_own() {
    let role = TestRole::start(router(), settings());
    let own = role.get("/id").await;
    assert_eq!(own.header("x-request-id"), Some(own.text()));
    assert_eq!(own.text().len(), 16);
    let sent = role
        .ask("GET /id HTTP/1.1\r\nhost: t\r\nx-request-id: abc-1\r\n\r\n")
        .await;
    assert_eq!(
        (sent.header("x-request-id"), sent.text()),
        (Some("abc-1"), "abc-1")
    );
    let odd = role
        .ask("GET /id HTTP/1.1\r\nhost: t\r\nx-request-id: a b;c\r\n\r\n")
        .await;
    assert_ne!(odd.header("x-request-id"), Some("a b;c"));
}

#[tokio::test]
async fn a_handler_sees_the_deadline_it_was_given_within_bounds() {
    let role = TestRole::start(router(), settings());
    let left = async |header: &str| -> u128 {
        role.ask(&format!("GET /left HTTP/1.1\r\nhost: t\r\n{header}\r\n"))
            .await
            .text()
            .parse()
            .unwrap()
    };
    let limits = settings();
    assert!(left("").await <= u128::from(limits.request_deadline_ms_default));
    assert!(left("orrery-deadline-ms: 700\r\n").await <= 700);
    let capped = left("orrery-deadline-ms: 999999999\r\n").await;
    assert!(capped <= u128::from(limits.request_deadline_ms_max));
    assert!(capped > u128::from(limits.request_deadline_ms_default));
}

#[tokio::test]
async fn a_request_whose_time_is_used_up_never_reaches_its_handler() {
    let reached = Arc::new(AtomicBool::new(false));
    let mark = Arc::clone(&reached);
    let handler = async move || mark.store(true, Ordering::SeqCst);
    let role = TestRole::start(Router::new().route("/", get(handler)), settings());
    let reply = role
        .ask("GET / HTTP/1.1\r\nhost: t\r\norrery-deadline-ms: 0\r\n\r\n")
        .await;
    assert_eq!(
        (reply.status, reply.problem().code.as_str()),
        (504, "deadline_exceeded")
    );
    assert!(!reached.load(Ordering::SeqCst));
}

#[tokio::test]
async fn work_past_its_deadline_is_dropped_with_a_504_problem() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let mark = Arc::clone(&dropped);
    let handler = async move || {
        let _work = Dropped(mark);
        std::future::pending::<()>().await;
    };
    let role = TestRole::start(Router::new().route("/", get(handler)), settings());
    let reply = role
        .ask("GET / HTTP/1.1\r\nhost: t\r\norrery-deadline-ms: 30\r\n\r\n")
        .await;
    assert_eq!(
        (reply.status, reply.problem().code.as_str()),
        (504, "deadline_exceeded")
    );
    assert!(reply.problem().retryable);
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_request_joins_the_trace_of_its_caller() {
    let role = TestRole::start(router(), settings());
    let reply = role
        .ask(&format!(
            "GET /trace HTTP/1.1\r\nhost: t\r\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\r\n"
        ))
        .await;
    assert_eq!(reply.text(), TRACE);
    let refused = role
        .ask(&format!(
            "GET /none HTTP/1.1\r\nhost: t\r\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\r\n"
        ))
        .await;
    assert_eq!(refused.problem().trace_id.as_deref(), Some(TRACE));
}

#[tokio::test]
async fn metrics_name_the_matched_route_and_never_the_path() {
    let role = TestRole::start(router(), settings());
    for path in ["/links/secret-code", "/links/other", "/nowhere/at/all"] {
        role.get(path).await;
    }
    role.ask("DELETE /links/secret-code HTTP/1.1\r\nhost: t\r\n\r\n")
        .await;
    let metrics = until(async || {
        let text = role.admin_get("/metrics").await.text().to_owned();
        text.contains(r#"status="405""#).then_some(text)
    })
    .await;
    let count = |series: &str| {
        let mut lines = metrics
            .lines()
            .filter(|line| line.starts_with("http_server_request_duration_seconds_count"));
        lines
            .find(|line| line.contains(series))
            .map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned())
    };
    let two = Some("2".to_owned());
    let one = Some("1".to_owned());
    assert_eq!(
        count(r#"method="GET",route="/links/{code}",status="200""#),
        two,
        "{metrics}"
    );
    assert_eq!(
        count(r#"method="GET",route="unmatched",status="404""#),
        one,
        "{metrics}"
    );
    assert_eq!(
        count(r#"method="DELETE",route="/links/{code}",status="405""#),
        one,
        "{metrics}"
    );
    assert!(!metrics.contains("secret-code"));
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_in_flight() {
    let settings = ServerSettings {
        concurrency_max: 1,
        ..settings()
    };
    let router = router().route("/hang", get(async || std::future::pending::<()>().await));
    let role = TestRole::start(router, settings);
    let hung = role.ask("GET /hang HTTP/1.1\r\nhost: t\r\n\r\n");
    assert!(
        tokio::time::timeout(Duration::from_millis(50), hung)
            .await
            .is_err()
    );
    until(async || Some(role.get("/id").await).filter(|reply| reply.status == 200)).await;
}
