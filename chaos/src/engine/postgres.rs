//! Asks a PostgreSQL server whether it takes sessions, in its own protocol (version 3): a startup packet, and what comes of it.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PROTOCOL: u32 = 3 << 16;
const READY_FOR_QUERY: u8 = b'Z';
const ERROR: u8 = b'E';
const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];
/// The longest message that is read over.
const MESSAGE_BYTES_MAX: u32 = 64 * 1024;

/// Whether a session can be opened. One that is starting up or recovering says an error.
pub(super) async fn answers(stream: &mut TcpStream) -> io::Result<bool> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    body.extend(b"user\0orrery\0database\0orrery\0\0");
    let length = u32::try_from(body.len() + 4).unwrap_or(0);
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&body).await?;
    loop {
        let kind = stream.read_u8().await?;
        let length = stream.read_u32().await?.saturating_sub(4);
        if length > MESSAGE_BYTES_MAX {
            return Err(io::Error::other("an answer too long"));
        }
        let mut rest = vec![0; length as usize];
        stream.read_exact(&mut rest).await?;
        match kind {
            READY_FOR_QUERY => {
                stream.write_all(&TERMINATE).await?;
                return Ok(true);
            }
            ERROR => return Ok(false),
            _ => {}
        }
    }
}
