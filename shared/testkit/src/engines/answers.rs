//! Whether an engine answers in its own protocol: a port that listens says nothing yet.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Kind;

/// The longest answer looked at.
const ANSWER_MAX: u64 = 8 * 1024;

/// What an engine said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It works.
    Ready,
    /// It is there and not ready yet.
    NotYet,
}

/// Asks once; the caller sets the deadline.
///
/// # Errors
/// When nothing listens there, or the connection is lost.
pub async fn ask(kind: Kind, address: SocketAddr) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let ready = match kind {
        Kind::Postgres => postgres(&mut stream).await?,
        Kind::Redis => {
            stream.write_all(b"PING\r\n").await?;
            first(&mut stream, 5).await?.as_slice() == b"+PONG"
        }
        Kind::Nats => {
            let line = until(&mut stream, b'\n').await?;
            line.starts_with("INFO ") && line.contains(r#""jetstream":true"#)
        }
        Kind::Cql => {
            // STARTUP of protocol 4 with CQL_VERSION 3.0.0; READY (2) or AUTHENTICATE (3) is the answer.
            let frame = b"\x04\0\0\0\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0";
            stream.write_all(frame).await?;
            matches!(first(&mut stream, 9).await?[..], [0x84, _, _, _, 2 | 3, ..])
        }
    };
    Ok(if ready { Answer::Ready } else { Answer::NotYet })
}

/// Starts a session as `orrery`: only a server that takes it answers `R` (authentication), one that starts up says `E`.
async fn postgres(stream: &mut TcpStream) -> io::Result<bool> {
    // Its length, protocol 3.0, and the parameters.
    stream
        .write_all(b"\0\0\0\x25\0\x03\0\0user\0orrery\0database\0orrery\0\0")
        .await?;
    let ready = first(stream, 1).await? == b"R";
    // Terminate: else its log speaks of a lost client.
    stream.write_all(b"X\0\0\0\x04").await?;
    Ok(ready)
}

async fn first(stream: &mut TcpStream, bytes: usize) -> io::Result<Vec<u8>> {
    let mut answer = vec![0; bytes];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

async fn until(stream: &mut TcpStream, end: u8) -> io::Result<String> {
    let mut answer = Vec::new();
    let mut stream = stream.take(ANSWER_MAX);
    while answer.last() != Some(&end) {
        let Ok(byte) = stream.read_u8().await else { break };
        answer.push(byte);
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
