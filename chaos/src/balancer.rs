//! What a Service of Kubernetes does before the copies of a role: new connections go to those that say they are ready.
//!
//! As there, a connection that is open stays where it is, a copy that refuses one is not covered for, and what a copy says of itself takes a
//! moment to reach everybody.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::http;

/// How often each copy is asked.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How long it takes until what a copy says has reached everybody who opens connections. Together with the asking well inside the notice
/// that a draining role gives: one that gives none is sent connections for so long that are refused.
const PASSED_ON_AFTER: Duration = Duration::from_millis(100);
const ASK_TIMEOUT: Duration = Duration::from_millis(500);

/// One copy.
#[derive(Debug)]
struct Upstream {
    address: SocketAddr,
    admin_port: u16,
    ready: AtomicBool,
}

/// Listens on one address for all copies. Dropping it closes everything.
#[derive(Debug)]
pub(crate) struct Balancer {
    address: SocketAddr,
    upstreams: Arc<RwLock<Vec<Arc<Upstream>>>>,
    _tasks: JoinSet<()>,
}

impl Balancer {
    /// Listens; nothing is passed before [`Self::stand_before`].
    pub(crate) async fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let upstreams = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&upstreams)));
        tasks.spawn(watch(Arc::clone(&upstreams)));
        Ok(Self {
            address,
            upstreams,
            _tasks: tasks,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says where the copies are: API and admin port of each.
    pub(crate) fn stand_before(&self, copies: &[(u16, u16)]) {
        let upstream = |(api, admin_port): &(u16, u16)| {
            Arc::new(Upstream {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, *api)),
                admin_port: *admin_port,
                ready: AtomicBool::new(false),
            })
        };
        *self.upstreams.write().unwrap_or_else(PoisonError::into_inner) =
            copies.iter().map(upstream).collect();
    }

    /// How many copies take new connections now.
    pub(crate) fn ready(&self) -> usize {
        ready(&self.upstreams).len()
    }
}

fn all(upstreams: &RwLock<Vec<Arc<Upstream>>>) -> Vec<Arc<Upstream>> {
    upstreams.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn ready(upstreams: &RwLock<Vec<Arc<Upstream>>>) -> Vec<Arc<Upstream>> {
    let mut found = all(upstreams);
    found.retain(|upstream| upstream.ready.load(Ordering::Acquire));
    found
}

async fn watch(upstreams: Arc<RwLock<Vec<Arc<Upstream>>>>) {
    // Each takes as long as the others, so what is said later arrives later.
    let mut under_way = JoinSet::new();
    loop {
        while under_way.try_join_next().is_some() {}
        for upstream in all(&upstreams) {
            let answer = http::get(upstream.admin_port, "/readyz", ASK_TIMEOUT).await;
            let is_ready = matches!(answer, Ok((200, _)));
            under_way.spawn(async move {
                tokio::time::sleep(PASSED_ON_AFTER).await;
                upstream.ready.store(is_ready, Ordering::Release);
            });
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn accept(listener: TcpListener, upstreams: Arc<RwLock<Vec<Arc<Upstream>>>>) {
    let turn = AtomicUsize::new(0);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else {
            // Out of descriptors, or the client has gone already.
            tokio::task::yield_now().await;
            continue;
        };
        let ready = ready(&upstreams);
        // Nobody is ready: the connection is closed, as a Service without endpoints refuses it.
        if !ready.is_empty() {
            let upstream = ready[turn.fetch_add(1, Ordering::Relaxed) % ready.len()].address;
            connections.spawn(pass(client, upstream));
        }
    }
}

async fn pass(mut client: TcpStream, upstream: SocketAddr) {
    if let Ok(mut upstream) = TcpStream::connect(upstream).await {
        let _ = client.set_nodelay(true);
        let _ = upstream.set_nodelay(true);
        // Either side may end it; what is lost in between is what clients would lose too.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// A role that says one letter on its API, and on its admin port whether it is ready.
    async fn copy(letter: u8, ready: Arc<AtomicBool>) -> (u16, u16) {
        let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ports = (
            api.local_addr().unwrap().port(),
            admin.local_addr().unwrap().port(),
        );
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = api.accept().await {
                let _ = stream.write_all(&[letter]).await;
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = admin.accept().await {
                let status = if ready.load(Ordering::Acquire) { 200 } else { 503 };
                let mut request = [0; 512];
                let _ = stream.read(&mut request).await;
                let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        ports
    }

    async fn heard(balancer: &Balancer) -> Option<u8> {
        let mut stream = TcpStream::connect(balancer.address()).await.unwrap();
        let mut letter = [0];
        stream.read_exact(&mut letter).await.ok().map(|_| letter[0])
    }

    async fn until_ready(balancer: &Balancer, count: usize) {
        tokio::time::timeout(Duration::from_secs(10), async {
            while balancer.ready() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("the copies were asked");
    }

    #[tokio::test]
    async fn only_copies_that_say_they_are_ready_get_connections() {
        let (one, two) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
        let balancer = Balancer::listen().await.unwrap();
        balancer.stand_before(&[copy(b'1', one.clone()).await, copy(b'2', two.clone()).await]);
        until_ready(&balancer, 2).await;
        let mut letters = [heard(&balancer).await, heard(&balancer).await];
        letters.sort_unstable();
        assert_eq!(letters, [Some(b'1'), Some(b'2')]);

        one.store(false, Ordering::Release);
        until_ready(&balancer, 1).await;
        for _ in 0..4 {
            assert_eq!(heard(&balancer).await, Some(b'2'));
        }

        two.store(false, Ordering::Release);
        until_ready(&balancer, 0).await;
        assert_eq!(heard(&balancer).await, None);
    }

    #[tokio::test]
    async fn a_copy_gets_connections_for_a_while_after_it_has_said_that_it_is_not_ready() {
        let ready = Arc::new(AtomicBool::new(true));
        let balancer = Balancer::listen().await.unwrap();
        balancer.stand_before(&[copy(b'1', ready.clone()).await]);
        until_ready(&balancer, 1).await;
        ready.store(false, Ordering::Release);
        let told_at_once = tokio::time::timeout(PASSED_ON_AFTER / 2, until_ready(&balancer, 0)).await;
        assert!(told_at_once.is_err(), "what it said arrived too early");
        until_ready(&balancer, 0).await;
    }
}
