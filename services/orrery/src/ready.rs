//! Waiting until the roles say of themselves that they are ready, by the same `/readyz` that an operator asks.

use std::net::SocketAddr;
use std::time::Duration;

use clock::SharedClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Between two questions; a start is a matter of tens of milliseconds.
const ASK_EVERY: Duration = Duration::from_millis(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Returns once every address answers ready, or with the addresses that did not within `patience`.
pub(crate) async fn wait(
    admin: &[SocketAddr],
    patience: Duration,
    clock: &SharedClock,
) -> Result<(), Vec<SocketAddr>> {
    let until = clock.monotonic() + patience;
    let mut waiting = admin.to_vec();
    loop {
        let mut still = Vec::new();
        for address in waiting {
            if !is_ready(address).await {
                still.push(address);
            }
        }
        if still.is_empty() {
            return Ok(());
        }
        if clock.monotonic() > until {
            return Err(still);
        }
        waiting = still;
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    tokio::time::timeout(ANSWER_WITHIN, ask(address))
        .await
        .is_ok_and(|answer| answer.unwrap_or(false))
}

async fn ask(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status_line = [0_u8; 12];
    stream.read_exact(&mut status_line).await?;
    Ok(&status_line == b"HTTP/1.1 200")
}
