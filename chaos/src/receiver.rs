//! A merchant's receiver of webhooks, which may turn hostile: it hangs, fails, answers without end, and leads elsewhere.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// More of a request is not read.
const REQUEST_BYTES_MAX: usize = 256 * 1024;
const READ_WITHIN: Duration = Duration::from_secs(5);
/// A hostile receiver says nothing for so long.
const HANGS_FOR: Duration = Duration::from_mins(1);
/// A hostile answer ends after this at the latest.
const ENDLESS_BYTES: usize = 64 * 1024 * 1024;

/// What came of it so far.
#[derive(Debug, Default)]
struct Counts {
    kind: AtomicU64,
    hostile: AtomicU64,
    misled: AtomicU64,
    is_hostile: AtomicBool,
}

/// What a drill learns of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Received {
    /// Requests that it took.
    pub(crate) kind: u64,
    /// Requests that it treated badly.
    pub(crate) hostile: u64,
    /// Connections to where it led its callers.
    pub(crate) misled: u64,
}

/// One receiver, and the place that it leads to. Dropping it closes everything.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    counts: Arc<Counts>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let trap = elsewhere.local_addr()?;
        let counts: Arc<Counts> = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(receive(listener, trap, counts.clone()));
        tasks.spawn(wait_for_misled(elsewhere, counts.clone()));
        Ok(Self {
            address,
            counts,
            _tasks: tasks,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn turn_hostile(&self, hostile: bool) {
        self.counts.is_hostile.store(hostile, Ordering::Release);
    }

    pub(crate) fn received(&self) -> Received {
        Received {
            kind: self.counts.kind.load(Ordering::Acquire),
            hostile: self.counts.hostile.load(Ordering::Acquire),
            misled: self.counts.misled.load(Ordering::Acquire),
        }
    }
}

async fn wait_for_misled(listener: TcpListener, counts: Arc<Counts>) {
    while let Ok((stream, _)) = listener.accept().await {
        counts.misled.fetch_add(1, Ordering::AcqRel);
        drop(stream);
    }
}

async fn receive(listener: TcpListener, trap: SocketAddr, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let counts = counts.clone();
        connections.spawn(async move {
            // What a caller hangs up on is no matter of the receiver's.
            let _ = Box::pin(serve(stream, trap, &counts)).await;
        });
    }
}

/// One request a connection: callers must live with that too.
async fn serve(mut stream: TcpStream, trap: SocketAddr, counts: &Counts) -> io::Result<()> {
    match timeout(READ_WITHIN, read_request(&mut stream)).await {
        Ok(read) => read?,
        Err(_) => return Ok(()),
    }
    if !counts.is_hostile.load(Ordering::Acquire) {
        counts.kind.fetch_add(1, Ordering::AcqRel);
        return stream
            .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
            .await;
    }
    match counts.hostile.fetch_add(1, Ordering::AcqRel) % 5 {
        0 => {
            tokio::time::sleep(HANGS_FOR).await;
            Ok(())
        }
        1 => {
            let away = format!(
                "HTTP/1.1 307 Elsewhere\r\nlocation: http://{trap}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(away.as_bytes()).await
        }
        2 => {
            let failed = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(failed).await
        }
        3 => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
                .await?;
            let piece = [b'x'; 16 * 1024];
            for _ in 0..ENDLESS_BYTES / piece.len() {
                stream.write_all(&piece).await?;
            }
            Ok(())
        }
        // Not HTTP.
        _ => stream.write_all(b"SSH-2.0-no\r\n").await,
    }
}

/// The head, and as much of a body as it announces.
async fn read_request(stream: &mut TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    let mut piece = [0; 8 * 1024];
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok()).flatten()
            });
            if body.len() >= length.unwrap_or(0) {
                return Ok(());
            }
        }
        let read = stream.read(&mut piece).await?;
        if read == 0 || request.len() > REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend(&piece[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(receiver: &Receiver) -> String {
        let mut stream = TcpStream::connect(receiver.address()).await.unwrap();
        stream
            .write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
            .await
            .unwrap();
        let mut head = vec![0; 256];
        let read = timeout(Duration::from_millis(300), stream.read(&mut head)).await;
        let length = read.map_or(0, |read| read.unwrap_or(0));
        String::from_utf8_lossy(&head[..length]).into_owned()
    }

    #[tokio::test]
    async fn a_receiver_is_kind_until_it_turns_hostile_and_counts_who_follows_it() {
        let receiver = Receiver::listen().await.unwrap();
        assert!(asked(&receiver).await.starts_with("HTTP/1.1 204"));
        receiver.turn_hostile(true);
        assert_eq!(asked(&receiver).await, "", "it hangs");
        let away = asked(&receiver).await;
        assert!(asked(&receiver).await.contains(" 500 "));
        assert!(asked(&receiver).await.contains(" 200 "));
        assert!(asked(&receiver).await.starts_with("SSH"));
        let trap = away
            .split("location: http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        assert_eq!(receiver.received().misled, 0);
        TcpStream::connect(trap.unwrap()).await.unwrap();
        let expected = Received {
            kind: 1,
            hostile: 5,
            misled: 1,
        };
        for _ in 0..200 {
            if receiver.received() == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}", receiver.received());
    }
}
