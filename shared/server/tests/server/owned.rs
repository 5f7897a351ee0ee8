//! Writes that outlive the request that began them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use server::{ServerSettings, owned};
use telemetry::TraceContext;
use tokio::sync::{Semaphore, watch};

use crate::harness::{GENEROUS, TestRole, settings};

struct Bench {
    role: TestRole,
    begun: watch::Receiver<bool>,
    gate: Arc<Semaphore>,
    written: watch::Receiver<Option<String>>,
    /// Whether the handler is no more: only then is it the write alone that goes on.
    left: watch::Receiver<bool>,
}

/// In the handler, not in its write.
struct Leaving(watch::Sender<bool>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

/// Whether the handler's write is its own task's or a part of the request.
#[derive(Clone, Copy, PartialEq)]
enum Write {
    Owned,
    Inline,
}

fn bench(settings: ServerSettings) -> Bench {
    bench_with(settings, Write::Owned)
}

fn bench_with(settings: ServerSettings, kind: Write) -> Bench {
    let gate = Arc::new(Semaphore::new(0));
    let (enter, begun) = watch::channel(false);
    let (write, written) = watch::channel(None);
    let (leave, left) = watch::channel(false);
    let waiting = Arc::clone(&gate);
    let handler = async move || {
        let _leaving = Leaving(leave);
        let work = async move {
            enter.send_replace(true);
            waiting.acquire().await.expect("open").forget();
            let trace = TraceContext::current().map(|trace| trace.trace_id().to_string());
            write.send_replace(trace);
        };
        match kind {
            Write::Owned => owned(work).await,
            Write::Inline => work.await,
        }
        "written"
    };
    let role = TestRole::start(Router::new().route("/", post(handler)), settings);
    Bench {
        role,
        begun,
        gate,
        written,
        left,
    }
}

const REQUEST: &str = "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\
    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

async fn begun(bench: &mut Bench) {
    tokio::time::timeout(GENEROUS, bench.begun.wait_for(|begun| *begun))
        .await
        .expect("begins")
        .unwrap();
}

async fn left(bench: &mut Bench) {
    tokio::time::timeout(GENEROUS, bench.left.wait_for(|left| *left))
        .await
        .expect("the handler is dropped")
        .unwrap();
}

async fn written(bench: &mut Bench) -> Option<String> {
    let written = tokio::time::timeout(GENEROUS, bench.written.wait_for(Option::is_some)).await;
    written.expect("is written").unwrap().clone()
}

#[tokio::test]
async fn a_write_survives_its_client_and_keeps_its_trace() {
    let mut bench = bench(settings());
    let request = format!("{REQUEST}\r\n");
    let asking = bench.role.ask(&request);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), asking)
            .await
            .is_err(),
        "is waiting for the write"
    );
    begun(&mut bench).await;
    left(&mut bench).await;
    bench.gate.add_permits(1);
    assert_eq!(
        written(&mut bench).await.as_deref(),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );
}

/// The control: the same scene loses a write that is not owned, so the test above can fail.
#[tokio::test]
async fn a_write_that_is_not_owned_dies_with_its_client() {
    let mut bench = bench_with(settings(), Write::Inline);
    let request = format!("{REQUEST}\r\n");
    let asking = bench.role.ask(&request);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), asking)
            .await
            .is_err()
    );
    begun(&mut bench).await;
    left(&mut bench).await;
    bench.gate.add_permits(1);
    // A round trip, so that whatever was about to be written has been.
    assert_eq!(bench.role.get("/nowhere").await.status, 404);
    assert!(bench.written.borrow().is_none(), "nobody is left to write it");
}

#[tokio::test]
async fn a_write_survives_the_deadline_of_its_request() {
    let mut bench = bench(settings());
    let reply = bench
        .role
        .ask(&format!("{REQUEST}orrery-deadline-ms: 50\r\n\r\n"))
        .await;
    assert_eq!(reply.status, 504);
    begun(&mut bench).await;
    bench.gate.add_permits(1);
    written(&mut bench).await;
}

#[tokio::test]
async fn a_drain_waits_for_a_write_whose_client_has_gone() {
    let mut bench = bench(settings());
    let reply = bench
        .role
        .ask(&format!("{REQUEST}orrery-deadline-ms: 50\r\n\r\n"))
        .await;
    assert_eq!(reply.status, 504);
    begun(&mut bench).await;
    bench.role.drain.begin();
    assert!(
        tokio::time::timeout(Duration::from_millis(200), &mut bench.role.serving)
            .await
            .is_err(),
        "still has a write to finish"
    );
    bench.gate.add_permits(1);
    tokio::time::timeout(GENEROUS, &mut bench.role.serving)
        .await
        .expect("drained")
        .unwrap()
        .unwrap();
    assert!(bench.written.borrow().is_some());
}

#[tokio::test]
async fn a_panic_in_a_write_is_a_500_problem() {
    async fn broken() -> &'static str {
        owned(async { panic!("broken") }).await
    }
    let role = TestRole::start(Router::new().route("/", post(broken)), settings());
    let reply = role.ask(&format!("{REQUEST}\r\n")).await;
    assert_eq!((reply.status, reply.problem().code.as_str()), (500, "internal"));
}
