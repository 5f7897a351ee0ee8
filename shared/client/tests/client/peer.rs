//! A peer on a free port, and a client to call it with.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use client::{Client, ClientSettings};
use clock::SystemClock;
use http::{Request, Response, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use telemetry::{Telemetry, TelemetrySettings};
use tokio::net::TcpListener;

/// Longer than anything here may take.
pub(crate) const GENEROUS: Duration = Duration::from_secs(20);

pub(crate) type Body = BoxBody<Bytes, hyper::Error>;

pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Peer {
    /// Answers each request with what `answer` makes of it.
    pub(crate) async fn start<F, Fut>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self {
            addr: listener.local_addr().unwrap(),
            connections: Arc::default(),
        };
        let connections = Arc::clone(&peer.connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let answer = answer.clone();
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        peer
    }

    pub(crate) fn uri(&self, path: &str) -> Uri {
        format!("http://{}{path}", self.addr).parse().unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri(path);
        request
    }
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Peer {
        addr: listener.local_addr().unwrap(),
        connections: Arc::default(),
    }
}

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

pub(crate) fn telemetry() -> Telemetry {
    Telemetry::new(
        "test",
        "test-1",
        &TelemetrySettings::default(),
        SystemClock::shared(),
    )
    .unwrap()
}

pub(crate) fn client() -> Client {
    client_with(ClientSettings::default())
}

pub(crate) fn client_with(settings: ClientSettings) -> Client {
    Client::new(telemetry(), SystemClock::shared(), settings)
}
