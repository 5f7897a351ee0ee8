//! Each fault of the proxy, before a server that says everything back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fault_proxy::FaultProxy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// What must happen happens within this.
const SOON: Duration = Duration::from_secs(10);
/// What must not happen is given this long to happen all the same.
const QUIET: Duration = Duration::from_millis(200);

/// A server that says everything back and counts the bytes it heard.
async fn echo() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let mut piece = vec![0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut piece).await {
                    counter.fetch_add(length, Ordering::AcqRel);
                    if stream.write_all(&piece[..length]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, heard)
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    timeout(SOON, TcpStream::connect(proxy.address()))
        .await
        .expect("connected in time")
        .expect("connected")
}

async fn say(stream: &mut TcpStream, what: &[u8]) -> io::Result<()> {
    stream.write_all(what).await
}

async fn hear(stream: &mut TcpStream, length: usize) -> io::Result<Vec<u8>> {
    let mut answer = vec![0; length];
    timeout(SOON, stream.read_exact(&mut answer))
        .await
        .expect("an answer, or a closed connection, in time")?;
    Ok(answer)
}

async fn round_trip(stream: &mut TcpStream) {
    say(stream, b"hello").await.expect("sent");
    assert_eq!(hear(stream, 5).await.expect("answered"), b"hello");
}

/// Nothing comes, and the connection stays.
async fn silent(stream: &mut TcpStream) {
    let mut byte = [0];
    let heard = timeout(QUIET, stream.read(&mut byte)).await;
    assert!(heard.is_err(), "nothing may come: {heard:?}");
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let polled = timeout(SOON, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(polled.await.is_ok(), "{what}");
}

#[tokio::test]
async fn without_a_fault_everything_passes_and_connections_are_counted() {
    let (engine, heard) = echo().await;
    let proxy = FaultProxy::to(engine).await;
    let mut one = connect(&proxy).await;
    let mut two = connect(&proxy).await;
    round_trip(&mut one).await;
    round_trip(&mut two).await;
    let long = vec![7; 1 << 20];
    let (mut read, mut write) = one.into_split();
    let (sent, said) = tokio::join!(write.write_all(&long), async {
        let mut back = vec![0; long.len()];
        timeout(SOON, read.read_exact(&mut back)).await.map(|_| back)
    });
    sent.expect("sent");
    assert!(said.expect("all of it came back") == long);
    assert_eq!(heard.load(Ordering::Acquire), 10 + long.len());
    assert_eq!((proxy.open(), proxy.accepted()), (2, 2));
    drop((read, write));
    until("the closed connection is counted out", || proxy.open() == 1).await;
}

#[tokio::test]
async fn a_cut_closes_what_is_open_and_refuses_what_is_new_until_healed() {
    let (engine, _) = echo().await;
    let proxy = FaultProxy::to(engine).await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream).await;
    proxy.cut();
    assert!(proxy.is_cut());
    assert!(hear(&mut stream, 1).await.is_err(), "the open connection ends");
    let refused = timeout(SOON, async {
        loop {
            match TcpStream::connect(proxy.address()).await {
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => return,
                // The listener was just going.
                _ => tokio::task::yield_now().await,
            }
        }
    });
    assert!(refused.await.is_ok(), "new connections are refused");
    proxy.heal();
    let healed = timeout(SOON, async {
        loop {
            if let Ok(stream) = TcpStream::connect(proxy.address()).await {
                return stream;
            }
            tokio::task::yield_now().await;
        }
    });
    round_trip(&mut healed.await.expect("the same address answers again")).await;
}

#[tokio::test]
async fn a_stall_accepts_and_holds_everything_back_until_healed() {
    let (engine, heard) = echo().await;
    let proxy = FaultProxy::to(engine).await;
    let mut old = connect(&proxy).await;
    round_trip(&mut old).await;
    proxy.stall();
    let mut new = connect(&proxy).await;
    say(&mut old, b"old").await.expect("sent");
    say(&mut new, b"new").await.expect("sent");
    silent(&mut old).await;
    silent(&mut new).await;
    assert_eq!(heard.load(Ordering::Acquire), 5, "the engine heard nothing of it");
    proxy.heal();
    assert_eq!(hear(&mut old, 3).await.expect("passed at last"), b"old");
    assert_eq!(hear(&mut new, 3).await.expect("passed at last"), b"new");
}

#[tokio::test]
async fn a_slow_network_holds_each_piece_back() {
    let (engine, _) = echo().await;
    let proxy = FaultProxy::to(engine).await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream).await;
    // Longer than the test looks: what comes within it came too early.
    proxy.slow(Duration::from_mins(1));
    say(&mut stream, b"late").await.expect("sent");
    silent(&mut stream).await;
    proxy.slow(Duration::from_millis(1));
    assert_eq!(hear(&mut stream, 4).await.expect("it comes"), b"late");
}

#[tokio::test]
async fn a_throttled_network_passes_a_trickle() {
    let (engine, heard) = echo().await;
    let proxy = FaultProxy::to(engine).await;
    let mut stream = connect(&proxy).await;
    // A piece of 1 byte, then a second's wait.
    proxy.throttle(1);
    say(&mut stream, &[7; 1000]).await.expect("sent");
    until("the first byte passes", || heard.load(Ordering::Acquire) > 0).await;
    assert!(heard.load(Ordering::Acquire) < 1000, "not all at once");
    proxy.throttle(1 << 20);
    assert_eq!(hear(&mut stream, 1000).await.expect("the rest comes"), [7; 1000]);
}

#[tokio::test]
async fn half_open_passes_requests_and_loses_their_answers() {
    let (engine, heard) = echo().await;
    let proxy = FaultProxy::to(engine).await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream).await;
    proxy.half_open();
    say(&mut stream, b"lost").await.expect("sent");
    until("the engine hears the request", || {
        heard.load(Ordering::Acquire) == 9
    })
    .await;
    silent(&mut stream).await;
    proxy.heal();
    assert!(
        hear(&mut stream, 1).await.is_err(),
        "a connection with a hole in it ends"
    );
    round_trip(&mut connect(&proxy).await).await;
}

#[tokio::test]
async fn cut_before_ends_the_connection_and_the_engine_never_sees_the_request() {
    let (engine, heard) = echo().await;
    let proxy = FaultProxy::to(engine).await;
    let mut stream = connect(&proxy).await;
    proxy.cut_before(b"COMMIT");
    round_trip(&mut stream).await;
    say(&mut stream, b"then COMMIT;").await.expect("sent");
    assert!(hear(&mut stream, 1).await.is_err(), "cut");
    assert!(proxy.is_cut());
    assert_eq!(heard.load(Ordering::Acquire), 5);
}

#[tokio::test]
async fn cut_after_lets_the_engine_do_it_and_takes_the_answer_away() {
    let (engine, heard) = echo().await;
    let proxy = FaultProxy::to(engine).await;
    let mut stream = connect(&proxy).await;
    proxy.cut_after(b"COMMIT");
    round_trip(&mut stream).await;
    say(&mut stream, b"COMMIT").await.expect("sent");
    assert!(hear(&mut stream, 1).await.is_err(), "cut");
    assert!(proxy.is_cut());
    assert_eq!(heard.load(Ordering::Acquire), 11);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_all_the_same() {
    let (engine, _) = echo().await;
    let proxy = FaultProxy::to(engine).await;
    let stream = connect(&proxy).await;
    let (read, mut write) = stream.into_split();
    // Fill every buffer on the way, until nothing moves.
    let piece = vec![7; 1 << 16];
    while timeout(QUIET, write.write_all(&piece)).await.is_ok() {}
    proxy.cut();
    until("the blocked connection ends", || proxy.open() == 0).await;
    drop((read, write));
}

#[tokio::test]
async fn an_engine_that_is_away_closes_the_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let nobody = listener.local_addr().expect("bound");
    drop(listener);
    let proxy = FaultProxy::to(nobody).await;
    let mut stream = connect(&proxy).await;
    assert!(hear(&mut stream, 1).await.is_err());
}
