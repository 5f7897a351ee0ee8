//! The order of a drain.

use std::io::ErrorKind;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use server::ServerSettings;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::harness::{GENEROUS, TestRole, connect, ended, read_reply, settings, until};

fn gated(gate: &Arc<Semaphore>, entered: &Arc<Semaphore>) -> Router {
    let (gate, entered) = (Arc::clone(gate), Arc::clone(entered));
    let handler = async move || {
        entered.add_permits(1);
        gate.acquire().await.expect("open").forget();
        "done"
    };
    Router::new()
        .route("/wait", get(handler))
        .route("/ok", get(async || "ok"))
}

async fn refused(role: &TestRole) -> Option<()> {
    match TcpStream::connect(role.api).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Some(()),
        _ => None,
    }
}

#[tokio::test]
async fn readyz_turns_503_while_requests_are_still_served() {
    let (gate, entered) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    // So long a notice that the listener cannot have closed when the test looks.
    let role = TestRole::start(
        gated(&gate, &entered),
        ServerSettings {
            drain_notice_ms: 60_000,
            ..settings()
        },
    );
    role.until_readyz(200).await;
    role.drain.begin();
    let reply = role.until_readyz(503).await;
    assert!(reply.text().contains("draining"), "{}", reply.text());
    assert_eq!(role.get("/ok").await.status, 200);
    assert_eq!(role.admin_get("/livez").await.status, 200);
}

/// Whoever sends its next request just when a connection is closed cannot know whether it was taken.
#[tokio::test]
async fn while_a_role_leaves_each_answer_says_that_its_connection_ends_with_it() {
    let role = TestRole::start(
        Router::new().route("/ok", get(async || "ok")),
        ServerSettings {
            drain_notice_ms: 60_000,
            ..settings()
        },
    );
    let ok = b"GET /ok HTTP/1.1\r\nhost: t\r\n\r\n";
    let mut before = connect(role.api).await;
    before.write_all(ok).await.unwrap();
    let reply = read_reply(&mut before, true).await.expect("an answer");
    assert_eq!(reply.header("connection"), None);
    role.drain.begin();
    let last = until(async || {
        before.write_all(ok).await.unwrap();
        let reply = read_reply(&mut before, true).await.expect("an answer");
        (reply.header("connection") == Some("close")).then_some(reply)
    });
    assert_eq!(last.await.status, 200);
    assert!(ended(&mut before).await);
}

#[tokio::test]
async fn a_request_in_flight_ends_after_the_listener_has_closed() {
    let (gate, entered) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let role = TestRole::start(gated(&gate, &entered), settings());
    let mut idle = connect(role.api).await;
    idle.write_all(b"GET /ok HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    read_reply(&mut idle, true).await.expect("an answer");
    let mut stream = connect(role.api).await;
    stream
        .write_all(b"GET /wait HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    entered.acquire().await.unwrap().forget();
    role.drain.begin();
    until(async || refused(&role).await).await;
    assert!(ended(&mut idle).await, "an idle connection is closed");
    assert!(!role.serving.is_finished(), "a request is still in flight");
    assert_eq!(
        role.admin_get("/readyz").await.status,
        503,
        "the admin port answers until the end"
    );
    gate.add_permits(1);
    let reply = read_reply(&mut stream, true).await.expect("an answer");
    assert_eq!(reply.text(), "done");
    assert!(ended(&mut stream).await);
    tokio::time::timeout(GENEROUS, role.serving)
        .await
        .expect("drained")
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_request_past_the_drain_deadline_is_cut() {
    let (gate, entered) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let role = TestRole::start(
        gated(&gate, &entered),
        ServerSettings {
            drain_deadline_ms: 50,
            ..settings()
        },
    );
    let mut stream = connect(role.api).await;
    stream
        .write_all(b"GET /wait HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    entered.acquire().await.unwrap().forget();
    role.drain.begin();
    assert!(
        read_reply(&mut stream, true).await.is_none(),
        "cut without an answer"
    );
    tokio::time::timeout(GENEROUS, role.serving)
        .await
        .expect("drained")
        .unwrap()
        .unwrap();
}
