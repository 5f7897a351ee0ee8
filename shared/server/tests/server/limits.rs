//! Too much, too slow, too many.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use server::{Json, LargeBodies, ServerSettings, Serving};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use crate::harness::{TestRole, ask, connect, ended, read_reply, readiness, settings, until};

fn echo() -> Router {
    Router::new()
        .route("/echo", post(async |body: String| body))
        .route(
            "/json",
            post(async |Json(body): Json<serde_json::Value>| Json(body)),
        )
        .route("/ok", get(async || "ok"))
}

fn small() -> ServerSettings {
    ServerSettings {
        body_bytes_max: 1_000,
        ..settings()
    }
}

#[tokio::test]
async fn a_body_is_bounded_by_its_declared_length() {
    let role = TestRole::start(echo(), small());
    for (length, status) in [(1_000, 200), (1_001, 413), (900_000, 413)] {
        let body = "x".repeat(length);
        let reply = role
            .ask(&format!(
                "POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n{body}"
            ))
            .await;
        assert_eq!(reply.status, status, "{length}");
        if status == 413 {
            assert_eq!(reply.problem().code, "payload_too_large");
            assert_eq!(reply.header("connection"), Some("close"));
        }
    }
}

#[tokio::test]
async fn a_path_that_takes_large_bodies_has_a_bound_of_its_own_and_the_others_keep_theirs() {
    let large = LargeBodies {
        paths: &["/json"],
        bytes_max: 3_000,
    };
    let serving = Serving {
        large,
        ..Serving::default()
    };
    let role = TestRole::start_with(echo(), small(), readiness(), serving);
    for (path, length, status) in [
        ("/json", 3_000, 200),
        ("/json", 3_001, 413),
        ("/echo", 1_001, 413),
    ] {
        let body = format!("{{{}}}", " ".repeat(length - 2));
        let declared = format!(
            "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let chunked = format!(
            "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
             {length:x}\r\n{body}\r\n0\r\n\r\n"
        );
        for request in [declared, chunked] {
            let reply = role.ask(&request).await;
            assert_eq!(reply.status, status, "{path} {length}");
            if path == "/json" && status == 413 {
                assert!(reply.text().contains("3000"), "{}", reply.text());
            }
        }
    }
}

#[tokio::test]
async fn a_chunked_body_is_bounded_by_what_arrives() {
    let role = TestRole::start(echo(), small());
    for (path, chunks, status) in [("/echo", 10, 200), ("/echo", 11, 413), ("/json", 100, 413)] {
        let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
            chunk.repeat(chunks)
        );
        assert_eq!(role.ask(&request).await.status, status, "{path} {chunks}");
    }
}

#[tokio::test]
async fn a_body_that_is_badly_framed_is_400_whoever_reads_it() {
    let role = TestRole::start(echo(), settings());
    for path in ["/echo", "/json"] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{{}}"
        );
        let reply = role.ask(&request).await;
        assert_eq!(
            (reply.status, reply.problem().code.as_str()),
            (400, "incomplete_body"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_refused_without_its_body() {
    let role = TestRole::start(echo(), small());
    let request = "POST /echo HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n";
    let reply = role.ask(request).await;
    assert_eq!(
        (reply.status, reply.problem().code.as_str()),
        (413, "payload_too_large")
    );
}

#[tokio::test]
async fn a_slow_body_is_a_408_problem() {
    let role = TestRole::start(echo(), settings());
    for path in ["/echo", "/json"] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n123"
        );
        let reply = role.ask(&request).await;
        assert_eq!(
            (reply.status, reply.problem().code.as_str()),
            (408, "request_timeout"),
            "{path}"
        );
        assert!(reply.problem().retryable);
    }
}

#[tokio::test]
async fn a_slow_head_has_its_connection_closed() {
    let role = TestRole::start(echo(), settings());
    let mut silent = connect(role.api).await;
    let mut trickling = connect(role.api).await;
    trickling
        .write_all(b"GET /ok HTTP/1.1\r\nhost: t\r\n")
        .await
        .unwrap();
    let trickle = async {
        // A byte now and then must not buy more time.
        while trickling.write_all(b"x-a: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::harness::GENEROUS, trickle)
        .await
        .expect("is cut off");
    assert!(ended(&mut silent).await);
    assert_eq!(role.get("/ok").await.status, 200);
}

#[tokio::test]
async fn a_request_that_takes_longer_than_the_header_timeout_is_not_cut() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let handler = async move || {
        waiting.acquire().await.unwrap().forget();
        "done"
    };
    let role = TestRole::start(echo().route("/wait", get(handler)), settings());
    let mut stream = connect(role.api).await;
    stream
        .write_all(b"GET /wait HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    // A connection that says nothing, opened after it, is closed; so the time has passed.
    assert!(ended(&mut connect(role.api).await).await);
    gate.add_permits(1);
    assert_eq!(
        read_reply(&mut stream, true).await.expect("an answer").text(),
        "done"
    );
}

#[tokio::test]
async fn a_flood_of_headers_is_431() {
    let role = TestRole::start(echo(), settings());
    let many = "x-a: b\r\n".repeat(200);
    let long = format!("x-a: {}\r\n", "b".repeat(100_000));
    for flood in [many, long] {
        let reply = role
            .ask(&format!("GET /ok HTTP/1.1\r\nhost: t\r\n{flood}\r\n"))
            .await;
        assert_eq!(reply.status, 431);
    }
    assert_eq!(role.get("/ok").await.status, 200);
}

#[tokio::test]
async fn what_is_no_http_is_400_and_the_server_lives() {
    let role = TestRole::start(echo(), settings());
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"GET / HTTP/1.1\r\nhost t\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n12",
        b"POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: -1\r\n\r\n",
    ] {
        assert_eq!(
            ask(role.api, garbage).await.status,
            400,
            "{}",
            garbage.escape_ascii()
        );
    }
    assert_eq!(role.get("/ok").await.status, 200);
}

#[tokio::test]
async fn more_requests_at_once_than_allowed_are_503_with_retry_after() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let handler = async move || {
        waiting.acquire().await.unwrap().forget();
        "done"
    };
    let settings = ServerSettings {
        concurrency_max: 2,
        ..settings()
    };
    let role = Arc::new(TestRole::start(echo().route("/wait", get(handler)), settings));
    let held: Vec<_> = (0..2)
        .map(|_| {
            let role = Arc::clone(&role);
            tokio::spawn(async move { role.get("/wait").await.status })
        })
        .collect();
    let reply = until(async || Some(role.get("/ok").await).filter(|reply| reply.status == 503)).await;
    assert_eq!(reply.problem().code, "unavailable");
    assert_eq!(reply.header("retry-after"), Some("1"));
    gate.add_permits(2);
    for held in held {
        assert_eq!(held.await.unwrap(), 200);
    }
    assert_eq!(role.get("/ok").await.status, 200);
}

#[tokio::test]
async fn further_connections_wait_until_one_is_free() {
    let settings = ServerSettings {
        connections_max: 1,
        ..settings()
    };
    let role = TestRole::start(echo(), settings);
    let mut first = connect(role.api).await;
    first
        .write_all(b"GET /ok HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(read_reply(&mut first, true).await.expect("an answer").status, 200);
    let mut second = connect(role.api).await;
    second
        .write_all(b"GET /ok HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    drop(first);
    assert_eq!(
        read_reply(&mut second, true).await.expect("an answer").status,
        200
    );
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_name() {
    let role = TestRole::start(
        echo(),
        ServerSettings {
            concurrency_max: 0,
            ..settings()
        },
    );
    let error = role.serving.await.unwrap().expect_err("refused");
    assert_eq!(error.to_string(), "concurrency_max must be at least 1");
}
