//! The proxy itself: it accepts; what happens to a connection is `pump`'s.

mod pump;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// What happens to the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    None,
    Cut,
    Stall,
    Slow(Duration),
    Throttle(u64),
    HalfOpen,
    CutBefore(Arc<[u8]>),
    CutAfter(Arc<[u8]>),
    /// The request of `CutAfter` has passed on this connection; the first byte of its answer cuts.
    CutAtAnswer(usize),
    /// The proxy was dropped.
    End,
}

/// What the proxy's tasks share.
#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    fault: watch::Sender<Fault>,
    open: AtomicUsize,
    accepted: AtomicUsize,
}

/// A proxy before one address. Dropping it closes everything.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    // Bound, never listening: keeps the port ours while the listener is away, and connects are refused meanwhile.
    _reservation: TcpSocket,
}

impl FaultProxy {
    /// Listens on a free loopback port and passes everything to `upstream`.
    ///
    /// # Errors
    /// When no port or no thread can be had.
    #[expect(
        clippy::unused_async,
        reason = "the sockets of a proxy belong to a runtime; callers have one"
    )]
    pub async fn before(upstream: SocketAddr) -> io::Result<Self> {
        let reservation = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = reservation.local_addr()?;
        // Listening before we return: the first connect must not be refused.
        let listener = listen(address).and_then(TcpListener::into_std)?;
        let shared = Arc::new(Shared {
            upstream,
            fault: watch::Sender::new(Fault::None),
            open: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
        });
        let for_thread = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("fault-proxy".to_owned())
            .spawn(move || runtime.block_on(accept(for_thread, listener, address)))?;
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
            _reservation: reservation,
        })
    }

    /// As [`Self::before`], for a test.
    ///
    /// # Panics
    /// When no port or no thread can be had.
    pub async fn to(upstream: SocketAddr) -> Self {
        Self::before(upstream)
            .await
            .expect("a loopback port and a thread")
    }

    /// Where clients connect to; the same one for the proxy's whole life.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection and refuses new ones, as if the engine's process were gone.
    pub fn cut(&self) {
        self.set(Fault::Cut);
    }

    /// Accepts connections and passes nothing in either direction; what was held back passes after [`Self::heal`].
    pub fn stall(&self) {
        self.set(Fault::Stall);
    }

    /// Holds every piece back for `delay`, in both directions.
    pub fn slow(&self, delay: Duration) {
        self.set(Fault::Slow(delay));
    }

    /// Passes at most `bytes_per_s` in each direction of each connection.
    pub fn throttle(&self, bytes_per_s: u64) {
        self.set(Fault::Throttle(bytes_per_s.max(1)));
    }

    /// Requests pass, answers vanish. A connection that lost bytes is closed by the next fault or by
    /// [`Self::heal`]: it cannot go on with a hole in it.
    pub fn half_open(&self) {
        self.set(Fault::HalfOpen);
    }

    /// Cuts (see [`Self::cut`]) instead of passing the next request that contains `bytes`: the engine never sees it.
    pub fn cut_before(&self, bytes: &[u8]) {
        self.set(Fault::CutBefore(bytes.into()));
    }

    /// Passes the next request that contains `bytes` and cuts when the engine answers: it did the work, and nobody knows.
    pub fn cut_after(&self, bytes: &[u8]) {
        self.set(Fault::CutAfter(bytes.into()));
    }

    /// Passes everything again.
    pub fn heal(&self) {
        self.set(Fault::None);
    }

    /// Whether it is cut now, by [`Self::cut`] or because the bytes of `cut_before` or `cut_after` came by.
    pub fn is_cut(&self) -> bool {
        *self.shared.fault.borrow() == Fault::Cut
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Acquire)
    }

    /// Connections accepted since the start.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Acquire)
    }

    fn set(&self, fault: Fault) {
        self.shared.fault.send_replace(fault);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.set(Fault::End);
        if let Some(thread) = self.thread.take() {
            // It ends by itself; a panic in it has been printed.
            let _ = thread.join();
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Two sockets on one port, of which one listens: Linux allows it when both say so.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address)?.listen(BACKLOG)
}

/// Accepts until the end; while the fault is a cut there is no listener.
async fn accept(shared: Arc<Shared>, first: std::net::TcpListener, address: SocketAddr) {
    let mut listener = Some(TcpListener::from_std(first).expect("the runtime takes the listener"));
    let mut fault = shared.fault.subscribe();
    loop {
        let now = fault.borrow_and_update().clone();
        match now {
            Fault::End => return,
            Fault::Cut => listener = None,
            _ if listener.is_none() => listener = Some(listen(address).expect("the port is still ours")),
            _ => {}
        }
        tokio::select! {
            biased;
            changed = fault.changed() => if changed.is_err() { return },
            stream = next(listener.as_ref()) => {
                let connection = shared.accepted.fetch_add(1, Ordering::AcqRel);
                tokio::spawn(pump::serve(Arc::clone(&shared), connection, stream));
            }
        }
    }
}

async fn next(listener: Option<&TcpListener>) -> TcpStream {
    loop {
        match listener {
            None => std::future::pending::<()>().await,
            Some(listener) => {
                if let Ok((stream, _)) = listener.accept().await {
                    return stream;
                }
                // Out of descriptors, or the client has gone already: others are served meanwhile.
                tokio::task::yield_now().await;
            }
        }
    }
}
