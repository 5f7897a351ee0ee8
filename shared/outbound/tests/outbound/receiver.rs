//! A receiver that misbehaves as told, and a resolver that answers as told.

use std::collections::VecDeque;
use std::io::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use outbound::Resolve;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// Answers one list after the other; the last one for ever.
#[derive(Debug)]
pub(crate) struct Answers {
    lists: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Answers {
    pub(crate) fn always(list: &[&str]) -> Arc<Self> {
        Self::one_by_one(&[list])
    }

    pub(crate) fn one_by_one(lists: &[&[&str]]) -> Arc<Self> {
        let read = |list: &&[&str]| list.iter().filter_map(|text| text.parse().ok()).collect();
        Arc::new(Self {
            lists: Mutex::new(lists.iter().map(read).collect()),
            asked: AtomicUsize::new(0),
        })
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Resolve for Answers {
    async fn resolve(&self, _host: &str) -> Result<Vec<IpAddr>, Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut lists = self.lists.lock().unwrap();
        if lists.len() > 1 {
            return Ok(lists.pop_front().unwrap());
        }
        Ok(lists.front().cloned().unwrap_or_default())
    }
}

/// Counts who asks, and never answers.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    asked: AtomicUsize,
}

impl Silence {
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Resolve for Silence {
    async fn resolve(&self, _host: &str) -> Result<Vec<IpAddr>, Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

/// Listens on this machine, and does with each connection what it was told.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Receiver {
    pub(crate) async fn start<F>(behave: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(behave(stream));
            }
        });
        Self {
            address,
            connections,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}/hook?a=b", self.address.port())
    }
}

/// Reads a request to the end of its body, given how that ends.
pub(crate) async fn request(stream: &mut (impl tokio::io::AsyncRead + Unpin), end: &str) -> String {
    let mut read = Vec::new();
    let mut chunk = [0; 1_024];
    while !String::from_utf8_lossy(&read).ends_with(end) {
        match stream.read(&mut chunk).await {
            Ok(count) if count > 0 => read.extend_from_slice(&chunk[..count]),
            _ => break,
        }
    }
    String::from_utf8(read).unwrap()
}
