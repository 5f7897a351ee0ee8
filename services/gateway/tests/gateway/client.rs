//! A client that sends exactly the bytes it is told, and reads one answer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing here may take longer; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its proper end: to its length, or to its last chunk.
    pub(crate) whole: bool,
}

impl Reply {
    /// The first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).into_iter().next()
    }

    /// Every header of that name.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `code` of a problem document.
    pub(crate) fn code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        self.json()["code"].as_str().expect("a code").to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// Sends `lines` (the request line and headers) and `body` on a connection of its own.
pub(crate) async fn ask(to: SocketAddr, lines: &[&str], body: &[u8]) -> Reply {
    let has = |name: &str| {
        lines
            .iter()
            .any(|line| line.to_ascii_lowercase().starts_with(name))
    };
    let host = if has("host:") {
        String::new()
    } else {
        format!("Host: {to}\r\n")
    };
    let close = if has("connection:") {
        ""
    } else {
        "Connection: close\r\n"
    };
    let head = format!("{}\r\n{host}{close}\r\n", lines.join("\r\n"));
    raw(to, &[head.as_bytes(), body].concat()).await
}

/// `GET path`.
pub(crate) async fn get(to: SocketAddr, path: &str) -> Reply {
    ask(to, &[&format!("GET {path} HTTP/1.1")], b"").await
}

/// Sends these bytes and reads one answer.
pub(crate) async fn raw(to: SocketAddr, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(to).await.expect("the gateway listens");
    let (mut reader, mut writer) = stream.split();
    // An early answer may close the connection while we still write: the answer is what counts.
    let write = async {
        let _ = writer.write_all(bytes).await;
        std::future::pending::<Reply>().await
    };
    let read = async { read_reply(&mut reader).await };
    let both = async {
        tokio::select! {
            reply = read => reply,
            reply = write => reply,
        }
    };
    timeout(PATIENCE, both).await.expect("an answer in time")
}

/// Reads an answer up to its end, or up to where the connection was cut.
pub(crate) async fn read_reply(reader: &mut (impl AsyncReadExt + Unpin)) -> Reply {
    let mut seen = Vec::new();
    let head_end = loop {
        if let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        assert!(
            read_some(reader, &mut seen).await,
            "cut before the head ended: {}",
            String::from_utf8_lossy(&seen)
        );
    };
    let head = String::from_utf8(seen[..head_end].to_vec()).expect("an ASCII head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .expect("a status");
    let mut reply = Reply {
        status,
        head,
        body: Vec::new(),
        whole: false,
    };
    let mut rest = seen.split_off(head_end + 4);
    if reply.header("transfer-encoding") == Some("chunked") {
        (reply.body, reply.whole) = read_chunks(reader, rest).await;
        return reply;
    }
    let length = reply
        .header("content-length")
        .and_then(|length| length.parse::<usize>().ok());
    let length = if matches!(status, 204 | 304) {
        Some(0)
    } else {
        length
    };
    while length.is_none_or(|length| rest.len() < length) && read_some(reader, &mut rest).await {}
    reply.whole = length.is_some_and(|length| rest.len() == length);
    reply.body = rest;
    reply
}

async fn read_chunks(reader: &mut (impl AsyncReadExt + Unpin), mut rest: Vec<u8>) -> (Vec<u8>, bool) {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(end) = rest[at..].windows(2).position(|w| w == b"\r\n") else {
            if !read_some(reader, &mut rest).await {
                return (body, false);
            }
            continue;
        };
        let size = std::str::from_utf8(&rest[at..at + end]).expect("a chunk size");
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        let data = at + end + 2;
        while rest.len() < data + size + 2 {
            if !read_some(reader, &mut rest).await {
                body.extend_from_slice(&rest[data.min(rest.len())..]);
                return (body, false);
            }
        }
        body.extend_from_slice(&rest[data..data + size]);
        at = data + size + 2;
        if size == 0 {
            return (body, true);
        }
        if at > 1 << 20 {
            rest.drain(..at);
            at = 0;
        }
    }
}

async fn read_some(reader: &mut (impl AsyncReadExt + Unpin), into: &mut Vec<u8>) -> bool {
    let mut buffer = vec![0; 64 * 1024];
    let count = reader.read(&mut buffer).await.unwrap_or(0);
    into.extend_from_slice(&buffer[..count]);
    count > 0
}
