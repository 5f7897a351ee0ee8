//! A client that sends whatever bytes it is given.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends the bytes and reads one answer; `None` when the connection ends without one.
pub(super) async fn exchange(address: SocketAddr, request: &[u8]) -> Option<Reply> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.expect("the gateway listens");
        // It may refuse and close before it has read everything.
        let _ = stream.write_all(request).await;
        read(&mut stream).await
    };
    timeout(PATIENCE, exchange).await.expect("an answer or an end")
}

async fn read(stream: &mut TcpStream) -> Option<Reply> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let status = head.get(9..12)?.parse().ok()?;
    let mut reply = Reply {
        status,
        head,
        body: bytes[head_end..].to_vec(),
    };
    let length: usize = reply
        .header("content-length")
        .map_or(0, |value| value.parse().expect("a length"));
    while reply.body.len() < length && stream.read_buf(&mut reply.body).await.unwrap_or(0) > 0 {}
    Some(reply)
}
