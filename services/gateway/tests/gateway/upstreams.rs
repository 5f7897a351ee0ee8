//! Upstreams: good ones by axum, bad ones by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use identity::{Jwks, SigningKey};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves a router on a port of its own.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    addr
}

/// Publishes this key and is ready; anything else it echoes.
pub(crate) async fn issuer(key: &SigningKey) -> SocketAddr {
    let keys = serde_json::to_string(&Jwks::of([key])).expect("a key set");
    let keys = get(move || async { ([(CONTENT_TYPE, "application/json")], keys) });
    serve(
        Router::new()
            .route("/.well-known/jwks.json", keys)
            .route("/readyz", get("ready"))
            .fallback(tell),
    )
    .await
}

/// Answers with what it was asked, as JSON.
pub(crate) async fn echo() -> SocketAddr {
    serve(Router::new().fallback(tell)).await
}

/// As `echo`, and counts requests.
pub(crate) async fn counting_echo() -> (SocketAddr, Arc<AtomicUsize>) {
    async fn count(State(count): State<Arc<AtomicUsize>>, request: Request) -> Response {
        count.fetch_add(1, Ordering::SeqCst);
        tell(request).await
    }
    let asked = Arc::new(AtomicUsize::new(0));
    (
        serve(Router::new().fallback(count).with_state(asked.clone())).await,
        asked,
    )
}

async fn tell(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let mut headers = serde_json::Map::new();
    for (name, value) in &parts.headers {
        let seen = headers.entry(name.as_str()).or_insert_with(|| json!([]));
        seen.as_array_mut()
            .expect("a list")
            .push(json!(String::from_utf8_lossy(value.as_bytes())));
    }
    let told = json!({
        "method": parts.method.as_str(),
        "target": parts.uri.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    ([(CONTENT_TYPE, "application/json")], told.to_string()).into_response()
}

/// Answers each request with what `answer` makes of it.
pub(crate) async fn answering(answer: fn() -> Response) -> SocketAddr {
    serve(Router::new().fallback(move || async move { answer() })).await
}

/// Sends every body back as it comes.
pub(crate) async fn mirror() -> SocketAddr {
    serve(Router::new().fallback(|body: Body| async { body })).await
}

/// An address where nobody listens.
pub(crate) async fn down() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound")
}

/// Reads the head of each request, writes `bytes`, and hangs up, or stays silent.
pub(crate) async fn scripted(bytes: &'static [u8], hang_up: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move { play(stream, bytes, hang_up, &counted).await });
        }
    });
    (addr, asked)
}

/// Answers the first connection with `bytes`, then is gone.
pub(crate) async fn scripted_once(bytes: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    tokio::spawn(async move {
        if let Ok((stream, _)) = listener.accept().await {
            drop(listener);
            play(stream, &bytes, true, &counted).await;
        }
    });
    (addr, asked)
}

async fn play(mut stream: TcpStream, bytes: &[u8], hang_up: bool, asked: &AtomicUsize) {
    let mut seen = Vec::new();
    while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => seen.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    asked.fetch_add(1, Ordering::SeqCst);
    let _ = stream.write_all(bytes).await;
    if !hang_up {
        // Until the other side gives up.
        let _ = stream.read(&mut [0; 1]).await;
    }
}

/// Waits until `done`, within reason.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::client::PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"));
}
