//! Two things said in CQL's binary protocol (version 4), which is too little for a driver.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const STARTUP: u8 = 0x01;
const OPTIONS: u8 = 0x05;
const SUPPORTED: u8 = 0x06;
const QUERY: u8 = 0x07;
const ERROR: u8 = 0x00;
/// The longest answer that is read over.
const ANSWER_BYTES_MAX: u32 = 256 * 1024;
/// Dropping a keyspace is agreed on by the whole cluster.
const DROP_WITHIN: Duration = Duration::from_secs(15);

/// Whether it says which options it has.
pub(super) async fn answers(stream: &mut TcpStream) -> io::Result<bool> {
    Ok(exchange(stream, OPTIONS, &[]).await? == SUPPORTED)
}

/// Drops a keyspace.
pub(super) async fn drop_keyspace(address: SocketAddr, keyspace: &str) -> io::Result<()> {
    let dropping = async {
        let mut stream = TcpStream::connect(address).await?;
        let mut options = vec![0, 1];
        for word in ["CQL_VERSION", "3.0.0"] {
            options.extend(u16::try_from(word.len()).unwrap_or(0).to_be_bytes());
            options.extend(word.as_bytes());
        }
        exchange(&mut stream, STARTUP, &options).await?;
        let statement = format!("DROP KEYSPACE IF EXISTS {keyspace}");
        let mut query = u32::try_from(statement.len()).unwrap_or(0).to_be_bytes().to_vec();
        query.extend(statement.as_bytes());
        // Consistency ONE, no flags.
        query.extend([0, 1, 0]);
        match exchange(&mut stream, QUERY, &query).await? {
            ERROR => Err(io::Error::other("the statement was refused")),
            _ => Ok(()),
        }
    };
    timeout(DROP_WITHIN, dropping)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Sends one frame, reads one, and gives its opcode.
async fn exchange(stream: &mut TcpStream, opcode: u8, body: &[u8]) -> io::Result<u8> {
    let mut frame = vec![0x04, 0, 0, 0, opcode];
    frame.extend(u32::try_from(body.len()).unwrap_or(0).to_be_bytes());
    frame.extend(body);
    stream.write_all(&frame).await?;
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    if length > ANSWER_BYTES_MAX {
        return Err(io::Error::other("an answer too long"));
    }
    let mut rest = vec![0; length as usize];
    stream.read_exact(&mut rest).await?;
    Ok(head[4])
}
