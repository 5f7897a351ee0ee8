//! Bodies stream: both ways at once, in bounded memory, at the pace of the slower side.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::State;
use futures::StreamExt as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{PATIENCE, ask, read_reply};
use crate::front::{Front, Plan};
use crate::upstreams;

const TEN_MB: usize = 10 * 1024 * 1024;

/// Bytes that differ wherever one looks, so that nothing can be lost or swapped unseen.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|i| u8::try_from((i ^ (i >> 8) ^ (i >> 16)) & 0xff).expect("masked"))
        .collect()
}

#[tokio::test]
async fn ten_megabytes_go_up_and_come_down_at_the_same_time() {
    let front = Front::before(upstreams::mirror().await).await;
    let sent = pattern(TEN_MB);
    for framing in ["length", "chunks"] {
        let stream = TcpStream::connect(front.addr).await.expect("connected");
        let (mut reader, mut writer) = stream.into_split();
        let (bearer, body) = (front.bearer("acme"), sent.clone());
        let writing = tokio::spawn(async move {
            let head = format!("POST /v1/links HTTP/1.1\r\nHost: x\r\n{bearer}\r\nConnection: close\r\n");
            writer.write_all(head.as_bytes()).await.expect("written");
            if framing == "length" {
                let length = format!("Content-Length: {}\r\n\r\n", body.len());
                writer.write_all(length.as_bytes()).await.expect("written");
                writer.write_all(&body).await.expect("written");
                return writer;
            }
            writer
                .write_all(b"Transfer-Encoding: chunked\r\n\r\n")
                .await
                .expect("written");
            for chunk in body.chunks(50_000) {
                writer
                    .write_all(format!("{:x}\r\n", chunk.len()).as_bytes())
                    .await
                    .expect("written");
                writer.write_all(chunk).await.expect("written");
                writer.write_all(b"\r\n").await.expect("written");
            }
            writer.write_all(b"0\r\n\r\n").await.expect("written");
            // Dropped, it would say goodbye, and the server would take our word for it.
            writer
        });
        let reply = timeout(PATIENCE, read_reply(&mut reader)).await.expect("in time");
        drop(writing.await.expect("all was written"));
        assert_eq!(
            (reply.status, reply.whole, reply.body.len()),
            (200, true, TEN_MB),
            "{framing}"
        );
        assert!(reply.body == sent, "what came back is what was sent");
    }
}

/// Waits until the count has stood still for a while, and gives it.
async fn comes_to_rest(count: &AtomicUsize) -> usize {
    let rest = async {
        let mut last = (0, 0);
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = count.load(Ordering::SeqCst);
            last = if now == last.0 && now > 0 {
                (now, last.1 + 1)
            } else {
                (now, 0)
            };
            if last.1 == 20 {
                return now;
            }
        }
    };
    timeout(PATIENCE, rest).await.expect("it comes to rest")
}

/// What the sockets' own buffers on the way may take in; loopback grants several megabytes each.
const BUFFERS_MAX: usize = 40 * 1024 * 1024;
const MUCH: usize = 400 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_upstream_back() {
    async fn pour(State(made): State<Arc<AtomicUsize>>) -> Body {
        let chunk = Bytes::from(vec![7_u8; CHUNK]);
        let chunks = futures::stream::iter(0..MUCH / CHUNK).map(move |_| {
            made.fetch_add(CHUNK, Ordering::SeqCst);
            Ok::<_, std::convert::Infallible>(chunk.clone())
        });
        Body::from_stream(chunks)
    }
    let made = Arc::new(AtomicUsize::new(0));
    let upstream = upstreams::serve(Router::new().fallback(pour).with_state(made.clone())).await;
    let front = Front::before(upstream).await;
    let mut stream = TcpStream::connect(front.addr).await.expect("connected");
    stream
        .write_all(b"GET /code HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("written");
    stream.read_exact(&mut [0; 12]).await.expect("the head has begun");
    let made = comes_to_rest(&made).await;
    assert!(
        made < BUFFERS_MAX,
        "{made} bytes were taken in for a client that reads nothing"
    );
}

#[tokio::test]
async fn an_upstream_that_does_not_read_holds_the_client_back() {
    async fn never_read(body: Body) -> &'static str {
        let _held = body;
        std::future::pending().await
    }
    let upstream = upstreams::serve(Router::new().fallback(never_read)).await;
    let mut plan = Plan::with(upstream).await;
    plan.settings.body_bytes_max = MUCH;
    plan.server.body_read_timeout_ms = 60_000;
    let front = plan.start();
    let mut stream = TcpStream::connect(front.addr).await.expect("connected");
    let bearer = front.bearer("acme");
    let head = format!("POST /v1/links HTTP/1.1\r\nHost: x\r\n{bearer}\r\nContent-Length: {MUCH}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("written");
    let taken = Arc::new(AtomicUsize::new(0));
    let counting = taken.clone();
    let writing = tokio::spawn(async move {
        let chunk = vec![7_u8; CHUNK];
        while stream.write_all(&chunk).await.is_ok() {
            counting.fetch_add(CHUNK, Ordering::SeqCst);
        }
    });
    let taken = comes_to_rest(&taken).await;
    writing.abort();
    assert!(
        taken < BUFFERS_MAX,
        "{taken} bytes were taken in for an upstream that reads nothing"
    );
}

#[tokio::test]
async fn a_first_piece_arrives_before_the_second_is_made() {
    let (send, receive) = tokio::sync::mpsc::channel::<Bytes>(1);
    let receive = Arc::new(tokio::sync::Mutex::new(receive));
    let upstream = Router::new().fallback(move || {
        let receive = receive.clone();
        async move {
            let pieces = futures::stream::unfold(receive, |receive| async move {
                let piece = receive.lock().await.recv().await?;
                Some((Ok::<_, std::convert::Infallible>(piece), receive))
            });
            Body::from_stream(pieces)
        }
    });
    let front = Front::before(upstreams::serve(upstream).await).await;
    let mut stream = TcpStream::connect(front.addr).await.expect("connected");
    stream
        .write_all(b"GET /code HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .expect("written");
    let mut seen = String::new();
    for piece in ["first", "second"] {
        send.send(Bytes::from_static(piece.as_bytes()))
            .await
            .expect("the upstream waits for it");
        let arrive = async {
            while !seen.contains(piece) {
                let mut buffer = [0; 1024];
                let count = stream.read(&mut buffer).await.expect("still open");
                assert!(count > 0, "it ended early: {seen}");
                seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        };
        timeout(PATIENCE, arrive)
            .await
            .expect("each piece arrives by itself");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_whether_it_says_so_or_not() {
    let mut plan = Plan::with(upstreams::echo().await).await;
    plan.settings.body_bytes_max = 1_000;
    let front = plan.start();
    let bearer = front.bearer("acme");
    let declared = ask(
        front.addr,
        &["POST /v1/links HTTP/1.1", &bearer, "Content-Length: 1001"],
        &[b'x'; 1001],
    )
    .await;
    assert_eq!(
        (declared.status, declared.code().as_str()),
        (413, "payload_too_large")
    );
    let chunked = [b"3e9\r\n".as_slice(), &[b'x'; 1001], b"\r\n0\r\n\r\n"].concat();
    let lines = ["POST /v1/links HTTP/1.1", &bearer, "Transfer-Encoding: chunked"];
    let chunked = ask(front.addr, &lines, &chunked).await;
    assert_eq!(
        (chunked.status, chunked.code().as_str()),
        (413, "payload_too_large")
    );
    let fits = ask(
        front.addr,
        &["POST /v1/links HTTP/1.1", &bearer, "Content-Length: 1000"],
        &[b'x'; 1000],
    )
    .await;
    assert_eq!(fits.status, 200);
}

#[tokio::test]
async fn a_client_that_goes_away_half_way_takes_its_request_with_it() {
    let ended = Arc::new(AtomicUsize::new(0));
    let counting = ended.clone();
    let upstream = Router::new().fallback(move |body: Body| {
        let counting = counting.clone();
        async move {
            assert!(!body.is_end_stream());
            let all = axum::body::to_bytes(body, 1 << 20).await;
            counting.fetch_add(if all.is_err() { 1 } else { 100 }, Ordering::SeqCst);
        }
    });
    let front = Front::before(upstreams::serve(upstream).await).await;
    let mut stream = TcpStream::connect(front.addr).await.expect("connected");
    let bearer = front.bearer("acme");
    let half = format!("POST /v1/links HTTP/1.1\r\nHost: x\r\n{bearer}\r\nContent-Length: 100\r\n\r\nhalf");
    stream.write_all(half.as_bytes()).await.expect("written");
    drop(stream);
    upstreams::until("the upstream saw the body break off", || {
        ended.load(Ordering::SeqCst) > 0
    })
    .await;
    assert_eq!(
        ended.load(Ordering::SeqCst),
        1,
        "a part is never passed off as the whole"
    );
}
