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
}

fn bench(settings: ServerSettings) -> Bench {
    let gate = Arc::new(Semaphore::new(0));
    let (enter, begun) = watch::channel(false);
    let (write, written) = watch::channel(None);
    let waiting = Arc::clone(&gate);
    let handler = async move || {
        owned(async move {
            enter.send_replace(true);
            waiting.acquire().await.expect("open").forget();
            let trace = TraceContext::current().map(|trace| trace.trace_id().to_string());
            write.send_replace(trace);
        })
        .await;
        "written"
    };
    let role = TestRole::start(Router::new().route("/", post(handler)), settings);
    Bench {
        role,
        begun,
        gate,
        written,
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
    bench.gate.add_permits(1);
    assert_eq!(
        written(&mut bench).await.as_deref(),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );
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
