//! A merchant's receiver: takes every webhook, and remembers under which ids it was told of which payment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// By payment, the values of `webhook-id`.
type Told = BTreeMap<String, BTreeSet<String>>;

/// It ends when it is dropped.
pub(super) struct Merchant {
    address: SocketAddr,
    told: Arc<Mutex<Told>>,
    receiving: JoinHandle<()>,
}

impl Merchant {
    pub(super) async fn listen() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let told: Arc<Mutex<Told>> = Arc::default();
        Self {
            address,
            told: told.clone(),
            receiving: tokio::spawn(receive(listener, told)),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    pub(super) fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Merchant {
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

async fn receive(listener: TcpListener, told: Arc<Mutex<Told>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, told.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One webhook a connection. Whoever is killed half-way through one has told nothing.
async fn serve(mut stream: TcpStream, told: Arc<Mutex<Told>>) {
    let mut request = Vec::new();
    let mut piece = [0; 4 * 1024];
    let webhook = loop {
        if let Some(webhook) = parse(&String::from_utf8_lossy(&request)) {
            break webhook;
        }
        match stream.read(&mut piece).await {
            Ok(read) if read > 0 => request.extend(&piece[..read]),
            _ => return,
        }
    };
    let (id, payment) = webhook;
    told.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(payment)
        .or_default()
        .insert(id);
    // Who hangs up before the answer sends it again.
    let _ = stream
        .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        .await;
}

/// Its id and payment, once it is there whole.
fn parse(request: &str) -> Option<(String, String)> {
    let (head, body) = request.split_once("\r\n\r\n")?;
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length: usize = header("content-length")?.parse().ok()?;
    if body.len() < length {
        return None;
    }
    let body: Value = serde_json::from_str(body).expect("a webhook is JSON");
    assert_eq!(body["type"], "payment.captured", "{body}");
    let payment = body["data"]["payment_id"].as_str().expect("a payment's id");
    Some((header("webhook-id").expect("it has an id"), payment.to_owned()))
}
