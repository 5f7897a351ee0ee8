//! One exchange: what travels, what streams, what fails and as what.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use client::{Client, ClientError, ClientSettings};
use clock::SystemClock;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use resilience::{BudgetSettings, DEADLINE_HEADER, Deadline, Effect, RetryBudget, RetryPolicy, retry};
use telemetry::TraceContext;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use crate::peer::{GENEROUS, Peer, client, client_with, full, nobody, telemetry};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn within(ms: u64) -> Deadline {
    Deadline::after(&*SystemClock::shared(), Duration::from_millis(ms))
}

async fn echo_header(name: &'static str) -> Peer {
    Peer::start(move |request: Request<_>| async move {
        let value = request.headers().get(name).map(|value| value.as_bytes().to_vec());
        Response::new(full(value.unwrap_or_default()))
    })
    .await
}

async fn text(client: &Client, peer: &Peer) -> String {
    let response = client.send(peer.get("/")).await.unwrap();
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_refused_connection_is_unavailable_and_certainly_not_sent() {
    let peer = nobody().await;
    let error = client().send(peer.get("/")).await.unwrap_err();
    assert!(matches!(error, ClientError::Unavailable { .. }), "{error:?}");
    assert!(error.retryable());
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn the_deadline_travels_and_has_shrunk() {
    let peer = echo_header("orrery-deadline-ms").await;
    let client = client();
    let left: u64 = within(5_000).scope(text(&client, &peer)).await.parse().unwrap();
    assert!(left < 5_000, "{left}");
    let default: u64 = text(&client, &peer).await.parse().unwrap();
    assert!(default <= ClientSettings::default().request_timeout_ms);
}

#[tokio::test]
async fn a_deadline_sent_by_hand_is_replaced_by_the_real_one() {
    let peer = echo_header("orrery-deadline-ms").await;
    let mut request = peer.get("/");
    request.headers_mut().insert(DEADLINE_HEADER, 99_999_999.into());
    let response = within(5_000).scope(client().send(request)).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&body).unwrap().parse::<u64>().unwrap() <= 5_000);
}

#[tokio::test]
async fn the_trace_travels() {
    let peer = echo_header("traceparent").await;
    let context = TraceContext::parse(TRACEPARENT).unwrap();
    let sent = context.scope(text(&client(), &peer)).await;
    assert!(sent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{sent}");
}

#[tokio::test]
async fn a_peer_that_stalls_is_a_timeout() {
    let peer = Peer::start(|_| std::future::pending()).await;
    let error = within(50).scope(client().send(peer.get("/"))).await.unwrap_err();
    assert_eq!(error, ClientError::Timeout);
    assert!(error.retryable(), "the peer may have done the work");
}

#[tokio::test]
async fn a_used_up_deadline_sends_nothing() {
    let peer = Peer::start(|_| async { Response::new(full("")) }).await;
    let error = within(0).scope(client().send(peer.get("/"))).await.unwrap_err();
    assert_eq!(error, ClientError::Timeout);
    assert_eq!(peer.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_that_stalls_half_way_is_a_timeout_of_its_body() {
    let peer = Peer::start(|_| async {
        let (sender, receiver) = mpsc::channel(1);
        sender
            .send(Ok(Frame::data(Bytes::from_static(b"half"))))
            .await
            .unwrap();
        // Kept, so that the stream never ends.
        std::mem::forget(sender);
        Response::new(BodyExt::boxed(StreamBody::new(Receiving(receiver))))
    })
    .await;
    let mut body = within(100)
        .scope(client().send(peer.get("/")))
        .await
        .unwrap()
        .into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    assert_eq!(body.frame().await.unwrap().unwrap_err(), ClientError::Timeout);
}

struct Receiving<T>(mpsc::Receiver<T>);

impl<T> futures::Stream for Receiving<T> {
    type Item = T;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<T>> {
        self.0.poll_recv(cx)
    }
}

#[tokio::test]
async fn both_bodies_are_streamed() {
    let peer = Peer::start(|request: Request<_>| async { Response::new(request.into_body().boxed()) }).await;
    let (sender, receiver) = mpsc::channel(1);
    let mut request = Request::new(StreamBody::new(Receiving(receiver)));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = peer.uri("/");
    let send = |text: &'static str| {
        sender.send(Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(
            text.as_bytes(),
        ))))
    };
    send("one").await.unwrap();
    let exchange = async {
        let mut body = client().send(request).await.unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
        // The second chunk does not exist before the first has come back.
        send("two").await.unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "two");
    };
    tokio::time::timeout(GENEROUS, exchange).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_breaks_is_broken_and_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
    });
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = format!("http://{addr}/").parse().unwrap();
    let error = client().send(request).await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn more_exchanges_than_allowed_are_saturated_and_not_sent() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let peer = Peer::start(move |_| {
        let waiting = Arc::clone(&waiting);
        async move {
            waiting.acquire().await.unwrap().forget();
            Response::new(full("done"))
        }
    })
    .await;
    let client = client_with(ClientSettings {
        requests_max: 1,
        ..ClientSettings::default()
    });
    let first = tokio::spawn({
        let (client, request) = (client.clone(), peer.get("/"));
        async move { client.send(request).await.map(|response| response.status()) }
    });
    tokio::time::timeout(GENEROUS, async {
        while peer.connections.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let error = client.send(peer.get("/")).await.unwrap_err();
    assert_eq!(error, ClientError::Saturated);
    gate.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let peer = Peer::start(|_| async { Response::new(full("ok")) }).await;
    let client = client();
    for _ in 0..5 {
        assert_eq!(text(&client, &peer).await, "ok");
    }
    assert_eq!(peer.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn only_plain_http_uris_with_a_host_are_called() {
    for uri in ["/relative", "https://127.0.0.1/", "ftp://127.0.0.1/", "*"] {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = uri.parse().unwrap();
        assert_eq!(
            client().send(request).await.unwrap_err(),
            ClientError::Address,
            "{uri}"
        );
    }
}

#[tokio::test]
async fn a_retry_finds_a_peer_that_has_come_back() {
    let failed = Arc::new(AtomicBool::new(false));
    let peer = Peer::start(move |_| {
        let first = !failed.swap(true, Ordering::SeqCst);
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            Response::new(full("ok"))
        }
    })
    .await;
    let clock = SystemClock::shared();
    let budget = RetryBudget::new(BudgetSettings::default(), clock.clone());
    let client = client_with(ClientSettings {
        request_timeout_ms: 200,
        ..ClientSettings::default()
    });
    let policy = RetryPolicy::default();
    let call = |_attempt| client.send(peer.get("/"));
    let response = retry(&policy, &budget, &*clock, None, Effect::Idempotent, call)
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn metrics_name_peer_and_outcome_and_never_the_path() {
    let telemetry = telemetry();
    let client = Client::new(
        telemetry.clone(),
        SystemClock::shared(),
        ClientSettings::default(),
    );
    let peer = Peer::start(|_| async { Response::new(full("ok")) }).await;
    client.send(peer.get("/secret-path?secret-query")).await.unwrap();
    client.send(nobody().await.get("/")).await.unwrap_err();
    let metrics = String::from_utf8(telemetry.encode(None).unwrap().1).unwrap();
    let server = format!("server=\"{}\"", peer.addr);
    assert!(
        metrics.contains(&server) && metrics.contains(r#"outcome="200""#),
        "{metrics}"
    );
    assert!(metrics.contains(r#"outcome="upstream_unavailable""#), "{metrics}");
    assert!(!metrics.contains("secret"));
}
