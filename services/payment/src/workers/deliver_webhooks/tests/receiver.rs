//! A receiver on this machine that does as told and remembers what it saw.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it does with a request.
#[derive(Debug, Clone)]
pub(super) enum Behave {
    Answer(u16),
    Redirect(String),
    Hang,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    head: String,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> String {
        let line = self.head.lines().find_map(|line| {
            let (header, value) = line.split_once(':')?;
            header.eq_ignore_ascii_case(name).then_some(value)
        });
        line.unwrap_or_default().trim().to_owned()
    }
}

#[derive(Debug)]
struct Shared {
    behave: Mutex<Behave>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    now: AtomicUsize,
    now_max: AtomicUsize,
}

#[derive(Debug)]
pub(super) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    pub(super) async fn start(behave: Behave) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behave: Mutex::new(behave),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            now: AtomicUsize::new(0),
            now_max: AtomicUsize::new(0),
        });
        let told = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&told)));
            }
        });
        Self {
            address,
            shared,
            task,
        }
    }

    pub(super) fn behave(&self, behave: Behave) {
        *self.shared.behave.lock().unwrap() = behave;
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(super) fn connections_at_once_max(&self) -> usize {
        self.shared.now_max.load(Ordering::SeqCst)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks", self.address.port())
    }
}

async fn answer(mut stream: TcpStream, shared: Arc<Shared>) {
    shared.connections.fetch_add(1, Ordering::SeqCst);
    let now = shared.now.fetch_add(1, Ordering::SeqCst) + 1;
    shared.now_max.fetch_max(now, Ordering::SeqCst);
    let behave = shared.behave.lock().unwrap().clone();
    if let Some(seen) = request(&mut stream).await {
        let head = match behave {
            Behave::Answer(status) => format!("HTTP/1.1 {status} As told\r\ncontent-length: 0\r\n\r\n"),
            Behave::Redirect(to) => {
                format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
            }
            Behave::Hang => {
                // Until the other side gives up.
                let _gone = stream.read(&mut [0; 16]).await;
                shared.now.fetch_sub(1, Ordering::SeqCst);
                return;
            }
        };
        shared.seen.lock().unwrap().push(seen);
        let _gone = stream.write_all(head.as_bytes()).await;
    }
    shared.now.fetch_sub(1, Ordering::SeqCst);
}

/// A request with a body as long as it says.
async fn request(stream: &mut TcpStream) -> Option<Seen> {
    let mut read = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let seen = Seen {
                head: head.to_owned(),
                body: body.to_owned(),
            };
            let length: usize = seen.header("content-length").parse().unwrap_or(0);
            if body.len() >= length {
                return Some(seen);
            }
        }
        match stream.read(&mut chunk).await {
            Ok(count) if count > 0 => read.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    }
}
