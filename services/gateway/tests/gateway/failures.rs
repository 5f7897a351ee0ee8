//! Upstreams that are down, slow, wrong or cut off.

use std::sync::atomic::Ordering;

use axum::response::IntoResponse;
use resilience::BudgetSettings;

use crate::client::{ask, get};
use crate::front::{Front, Plan};
use crate::upstreams;

#[tokio::test]
async fn a_down_upstream_is_a_503_problem_with_retry_after() {
    let front = Front::before(upstreams::down().await).await;
    let bearer = front.bearer("acme");
    for line in [
        "GET /code HTTP/1.1",
        "GET /v1/links HTTP/1.1",
        "POST /v1/links HTTP/1.1",
        "HEAD /code HTTP/1.1",
    ] {
        let reply = ask(front.addr, &[line, &bearer, "Content-Length: 0"], b"").await;
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (503, Some("1")),
            "{line}"
        );
        if !line.starts_with("HEAD") {
            assert_eq!(reply.code(), "upstream_unavailable");
            assert_eq!(reply.json()["retryable"], true);
            assert!(
                !reply.text().contains("127.0.0.1"),
                "addresses are the operator's: {}",
                reply.text()
            );
        }
    }
    let metrics = get(front.admin, "/metrics").await.text();
    assert!(
        metrics.contains("gateway_refused_total{upstream=\"shortener\",code=\"upstream_unavailable\"} 4"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_person_who_opens_a_page_of_a_role_that_is_down_gets_a_page_with_a_way_to_the_trace() {
    let front = Front::before(upstreams::down().await).await;
    let session = front.session("acme");
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let trace = format!("traceparent: 00-{trace_id}-00f067aa0ba902b7-01");
    let html = "Accept: text/html,application/xhtml+xml";
    let page = ask(
        front.addr,
        &["GET /ui/shortener HTTP/1.1", html, &session, &trace],
        b"",
    )
    .await;
    assert_eq!((page.status, page.header("retry-after")), (503, Some("1")));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(
        page.text().contains("the shortener cannot be reached"),
        "{}",
        page.text()
    );
    let link = format!("href=\"/ui/console/traces/{trace_id}\"");
    assert!(page.text().contains(&link), "{}", page.text());
    let program = ask(front.addr, &["GET /ui/shortener HTTP/1.1", &session, &trace], b"").await;
    assert_eq!(program.code(), "upstream_unavailable");
    let metrics = get(front.admin, "/metrics").await.text();
    assert!(
        metrics.contains("gateway_refused_total{upstream=\"shortener\",code=\"upstream_unavailable\"} 2")
    );
}

#[tokio::test]
async fn an_upstream_that_comes_back_is_used_again() {
    let addr = upstreams::down().await;
    let front = Front::before(addr).await;
    assert_eq!(get(front.addr, "/code").await.status, 503);
    let listener = tokio::net::TcpListener::bind(addr)
        .await
        .expect("its port is free");
    let router = axum::Router::new().fallback(|| async { "back" });
    tokio::spawn(async move { axum::serve(listener, router).await });
    assert_eq!(get(front.addr, "/code").await.text(), "back");
}

#[tokio::test]
async fn a_silent_upstream_is_a_504_problem_at_the_deadline() {
    let (addr, asked) = upstreams::scripted(b"", false).await;
    let front = Front::before(addr).await;
    let reply = ask(
        front.addr,
        &["GET /code HTTP/1.1", "orrery-deadline-ms: 100"],
        b"",
    )
    .await;
    assert_eq!((reply.status, reply.code().as_str()), (504, "deadline_exceeded"));
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "what may be under way is not sent again"
    );
}

#[tokio::test]
async fn an_upstream_that_hangs_up_without_an_answer_is_a_503_and_is_asked_once() {
    let (addr, asked) = upstreams::scripted(b"", true).await;
    let front = Front::before(addr).await;
    let lines = [
        "POST /v1/links HTTP/1.1",
        &front.bearer("acme"),
        "Content-Length: 2",
    ];
    let reply = ask(front.addr, &lines, b"{}").await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "upstream_broken"));
    assert!(
        reply.json()["detail"]
            .as_str()
            .expect("a detail")
            .contains("Idempotency-Key")
    );
    assert_eq!(
        (reply.header("retry-after"), asked.load(Ordering::SeqCst)),
        (Some("1"), 1)
    );
}

#[tokio::test]
async fn an_upstream_that_talks_nonsense_is_a_503() {
    for nonsense in [
        &b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..],
        b"HTTP/1.1 2x0 what\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
    ] {
        let (addr, asked) = upstreams::scripted(nonsense, true).await;
        let front = Front::before(addr).await;
        let reply = get(front.addr, "/code").await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "upstream_broken"));
        assert_eq!(
            asked.load(Ordering::SeqCst),
            1,
            "it was reached: not even a read is sent again"
        );
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_cut_and_not_passed_off_as_whole() {
    let by_length = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this";
    let by_chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n";
    for script in [&by_length[..], by_chunks] {
        let (addr, _) = upstreams::scripted(script, true).await;
        let front = Front::before(addr).await;
        let reply = get(front.addr, "/code").await;
        assert_eq!((reply.status, reply.whole), (200, false), "{reply:?}");
    }
}

#[tokio::test]
async fn an_answer_that_stalls_half_way_is_cut_at_the_deadline() {
    let (addr, _) =
        upstreams::scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", false).await;
    let front = Front::before(addr).await;
    let reply = ask(
        front.addr,
        &["GET /code HTTP/1.1", "orrery-deadline-ms: 200"],
        b"",
    )
    .await;
    assert_eq!(
        (reply.status, reply.text().as_str(), reply.whole),
        (200, "only this", false)
    );
}

#[tokio::test]
async fn an_upstreams_own_problem_is_passed_on_as_it_is() {
    let answer = upstreams::answering(|| problem::Problem::gone("it has expired").into_response());
    let front = Front::before(answer.await).await;
    let reply = get(front.addr, "/code").await;
    assert_eq!((reply.status, reply.code().as_str()), (410, "gone"));
    assert_eq!(reply.json()["detail"], "it has expired");
}

#[tokio::test]
async fn an_upstreams_refusal_without_a_problem_is_passed_on_as_bare_as_it_is() {
    let answer = upstreams::answering(|| http::StatusCode::BAD_REQUEST.into_response());
    let front = Front::before(answer.await).await;
    let reply = get(front.addr, "/code").await;
    assert_eq!(
        (reply.status, reply.header("content-type"), reply.text().as_str()),
        (400, None, "")
    );
}

/// How often a request for `line` tried to connect to a shortener that is down.
async fn attempts(line: &str, budget: BudgetSettings) -> usize {
    let addr = upstreams::down().await;
    let mut plan = Plan::with(addr).await;
    plan.settings.retry_budget = budget;
    plan.settings.retry.attempts_max = 3;
    plan.settings.retry.base_ms = 1;
    let front = plan.start();
    let lines = [line, &front.bearer("acme"), "Content-Length: 0"];
    assert_eq!(ask(front.addr, &lines, b"").await.status, 503);
    let metrics = get(front.admin, "/metrics").await.text();
    let series = format!("server=\"{addr}\",outcome=\"upstream_unavailable\"");
    let counts = metrics
        .lines()
        .filter(|l| l.starts_with("http_client_request_duration_seconds_count") && l.contains(&series));
    counts
        .map(|l| {
            l.rsplit(' ')
                .next()
                .and_then(|count| count.parse::<usize>().ok())
                .expect("a count")
        })
        .sum()
}

#[tokio::test]
async fn only_a_read_that_could_not_connect_is_tried_again_and_only_within_the_budget() {
    let ample = BudgetSettings {
        per_second_min: 10,
        ..BudgetSettings::default()
    };
    let none = BudgetSettings {
        per_second_min: 0,
        percent_of_requests: 0,
        ..BudgetSettings::default()
    };
    assert_eq!(attempts("GET /code HTTP/1.1", ample.clone()).await, 3);
    assert_eq!(attempts("HEAD /code HTTP/1.1", ample.clone()).await, 3);
    assert_eq!(attempts("GET /code HTTP/1.1", none).await, 1);
    for write in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(
            attempts(&format!("{write} /v1/links HTTP/1.1"), ample.clone()).await,
            1,
            "{write}"
        );
    }
}

#[tokio::test]
async fn too_many_calls_in_flight_are_503_and_say_so() {
    let (addr, asked) = upstreams::scripted(b"", false).await;
    let mut plan = Plan::with(addr).await;
    plan.settings.client.requests_max = 1;
    let front = plan.start();
    let waiting = tokio::spawn({
        let to = front.addr;
        async move { get(to, "/first").await }
    });
    upstreams::until("the first request arrived", || asked.load(Ordering::SeqCst) == 1).await;
    let reply = get(front.addr, "/second").await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "upstream_saturated"));
    assert_eq!(reply.header("retry-after"), Some("1"));
    waiting.abort();
}
