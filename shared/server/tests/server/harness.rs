//! A role on free ports, and a client that speaks bytes.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use clock::SystemClock;
use problem::Document;
use server::{Drain, Readiness, Role, ServeError, ServerSettings, Serving};
use telemetry::{Telemetry, TelemetrySettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Longer than anything here may take; a condition that is not reached by then fails the test.
pub(crate) const GENEROUS: Duration = Duration::from_secs(20);

pub(crate) struct TestRole {
    pub(crate) api: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) drain: Drain,
    pub(crate) serving: JoinHandle<Result<(), ServeError>>,
}

/// Short waits, so that the slow ones are not slow; nothing asserts how long they were.
pub(crate) fn settings() -> ServerSettings {
    ServerSettings {
        header_read_timeout_ms: 300,
        body_read_timeout_ms: 200,
        drain_notice_ms: 50,
        drain_deadline_ms: 10_000,
        ..ServerSettings::default()
    }
}

pub(crate) fn readiness() -> Readiness {
    Readiness::new(SystemClock::shared())
}

impl TestRole {
    pub(crate) fn start(router: Router, settings: ServerSettings) -> Self {
        Self::with_readiness(router, settings, readiness())
    }

    pub(crate) fn with_readiness(router: Router, settings: ServerSettings, readiness: Readiness) -> Self {
        Self::start_with(router, settings, readiness, Serving::default())
    }

    pub(crate) fn start_with(
        router: Router,
        settings: ServerSettings,
        readiness: Readiness,
        serving: Serving,
    ) -> Self {
        let clock = SystemClock::shared();
        let telemetry =
            Telemetry::new("test", "test-1", &TelemetrySettings::default(), clock.clone()).unwrap();
        let role = Role {
            name: "test",
            clock,
            telemetry,
            settings,
            api: TcpListener::bind("127.0.0.1:0").unwrap(),
            admin: TcpListener::bind("127.0.0.1:0").unwrap(),
            drain: Drain::new(),
        };
        Self {
            api: role.api_addr().unwrap(),
            admin: role.admin_addr().unwrap(),
            drain: role.drain.clone(),
            serving: tokio::spawn(role.serve_with(router, readiness, serving)),
        }
    }

    /// Sends one request on a connection of its own and reads the answer.
    pub(crate) async fn ask(&self, request: &str) -> Reply {
        ask(self.api, request.as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: t\r\n\r\n")).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &str) -> Reply {
        let length = body.len();
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    pub(crate) async fn admin_get(&self, path: &str) -> Reply {
        ask(
            self.admin,
            format!("GET {path} HTTP/1.1\r\nhost: t\r\n\r\n").as_bytes(),
        )
        .await
    }

    /// Waits until `/readyz` has this status, and gives that answer.
    pub(crate) async fn until_readyz(&self, status: u16) -> Reply {
        until(async || {
            let reply = self.admin_get("/readyz").await;
            (reply.status == status).then_some(reply)
        })
        .await
    }
}

/// Polls until there is a value; panics when that takes too long.
pub(crate) async fn until<T>(mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let poll = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(GENEROUS, poll)
        .await
        .expect("the condition was never reached")
}

pub(crate) async fn connect(to: SocketAddr) -> TcpStream {
    TcpStream::connect(to).await.expect("connects")
}

pub(crate) async fn ask(to: SocketAddr, request: &[u8]) -> Reply {
    let mut stream = connect(to).await;
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(request).await;
    read_reply(&mut stream, !request.starts_with(b"HEAD"))
        .await
        .expect("an answer")
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn problem(&self) -> Document {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let document: Document = serde_json::from_slice(&self.body).expect("a problem");
        assert_eq!(document.status, self.status);
        assert_eq!(document.request_id.as_deref(), self.header("x-request-id"));
        assert!(document.trace_id.is_some(), "{document:?}");
        document
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// Reads one answer; `None` when the connection ends without one.
pub(crate) async fn read_reply(stream: &mut TcpStream, has_body: bool) -> Option<Reply> {
    tokio::time::timeout(GENEROUS, read(stream, has_body))
        .await
        .expect("an answer or an end")
}

async fn read(stream: &mut TcpStream, has_body: bool) -> Option<Reply> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).expect("an ASCII head");
    let status = head[9..12].parse().expect("a status");
    let mut reply = Reply {
        status,
        head,
        body: bytes[head_end..].to_vec(),
    };
    let length: usize = reply
        .header("content-length")
        .map_or(0, |value| value.parse().expect("a length"));
    while has_body && reply.body.len() < length {
        if stream.read_buf(&mut reply.body).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(reply)
}

/// Whether the other side has closed, read from a stream that should hold nothing any more.
pub(crate) async fn ended(stream: &mut TcpStream) -> bool {
    let mut byte = [0; 1];
    let read = tokio::time::timeout(GENEROUS, stream.read(&mut byte)).await;
    matches!(read.expect("an end"), Ok(0) | Err(_))
}
