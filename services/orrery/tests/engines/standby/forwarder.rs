//! An address that moves: what stands behind it can be another server from one moment to the next.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Passes connections on to wherever it points. Dropping it closes all.
pub(super) struct Forwarder {
    address: SocketAddr,
    target: watch::Sender<SocketAddr>,
    passing: JoinHandle<()>,
}

impl Forwarder {
    pub(super) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (target, seen) = watch::channel(target);
        Self {
            address,
            target,
            passing: tokio::spawn(pass(listener, seen)),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Points elsewhere, and cuts off whoever is connected to where it pointed.
    pub(super) fn switch(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

async fn pass(listener: TcpListener, mut target: watch::Receiver<SocketAddr>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((mut here, _)) = accepted else { continue };
                let to = *target.borrow();
                connections.spawn(async move {
                    if let Ok(mut there) = TcpStream::connect(to).await {
                        // Either side may hang up whenever it likes.
                        let _ = copy_bidirectional(&mut here, &mut there).await;
                    }
                });
            }
            changed = target.changed() => match changed {
                Ok(()) => connections.abort_all(),
                Err(_) => return,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
