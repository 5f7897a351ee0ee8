//! Long answers: the reader may be slow, or we may.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http_body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use crate::harness::{GENEROUS, TestRole, connect, ended, settings};

/// Sends without end, as fast as it is read, once `open` says so; tells when it is dropped.
struct Endless {
    open: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_open: bool,
    dropped: Arc<watch::Sender<bool>>,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.is_open {
            std::task::ready!(self.open.as_mut().poll(cx));
            self.is_open = true;
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.dropped.send_replace(true);
    }
}

struct Bench {
    role: TestRole,
    open: watch::Sender<bool>,
    dropped: watch::Receiver<bool>,
}

fn bench() -> Bench {
    let (open, opened) = watch::channel(false);
    let (drop_it, dropped) = watch::channel(false);
    let drop_it = Arc::new(drop_it);
    let handler = async move || {
        let mut opened = opened.clone();
        let open = Box::pin(async move {
            opened.wait_for(|open| *open).await.ok();
        });
        Body::new(Endless {
            open,
            is_open: false,
            dropped: Arc::clone(&drop_it),
        })
    };
    let role = TestRole::start(Router::new().route("/", get(handler)), settings());
    Bench { role, open, dropped }
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut() {
    let mut bench = bench();
    bench.open.send_replace(true);
    let mut stream = connect(bench.role.api).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    let dropped = tokio::time::timeout(GENEROUS, bench.dropped.wait_for(|dropped| *dropped)).await;
    dropped.expect("is cut").unwrap();
}

#[tokio::test]
async fn a_client_that_waits_for_us_is_not_cut() {
    let bench = bench();
    let mut stream = connect(bench.role.api).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    // Connections that say nothing, opened after it, are closed one after the other: so its time has passed twice.
    for _ in 0..2 {
        assert!(ended(&mut connect(bench.role.api).await).await);
    }
    bench.open.send_replace(true);
    let mut read = vec![0; 100_000];
    let all = tokio::time::timeout(GENEROUS, stream.read_exact(&mut read)).await;
    all.expect("is still served").unwrap();
    assert!(!*bench.dropped.borrow());
}
