//! One connection of the proxy: two directions, each obeying the fault of the moment.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::{Fault, Shared};

/// The largest piece passed at once.
const PIECE: usize = 16 * 1024;
/// A throttled direction writes this many times a second.
const THROTTLE_TICKS: u64 = 20;

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Request,
    Answer,
}

/// Counts a connection while it lives.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Serves one client until either side closes or a fault ends it.
pub(super) async fn serve(shared: Arc<Shared>, connection: usize, client: TcpStream) {
    shared.open.fetch_add(1, Ordering::AcqRel);
    let counted = Counted(Arc::clone(&shared));
    let mut fault = shared.fault.subscribe();
    // A stalled network does not reach the engine either.
    if settled(&mut fault, |fault| *fault != Fault::Stall).await.is_err() {
        return;
    }
    let Ok(engine) = TcpStream::connect(shared.upstream).await else {
        return;
    };
    // Small requests must not wait for each other's acknowledgement.
    let _ = client.set_nodelay(true);
    let _ = engine.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_engine, to_engine) = engine.into_split();
    let answers = pass(
        Way::Answer,
        (Arc::clone(&shared), connection),
        from_engine,
        to_client,
    );
    let requests = pass(Way::Request, (shared, connection), from_client, to_engine);
    // One side gone: the other has nobody to talk to. None of our protocols half-closes.
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
    drop(counted);
}

/// Waits until `passes` holds; an error when the connection must end.
async fn settled(fault: &mut watch::Receiver<Fault>, passes: impl Fn(&Fault) -> bool) -> Result<Fault, ()> {
    let now = fault
        .wait_for(|now| passes(now) || ends(now)) // marks it as seen
        .await
        .map_err(|_| ())?
        .clone();
    if ends(&now) { Err(()) } else { Ok(now) }
}

fn ends(fault: &Fault) -> bool {
    matches!(fault, Fault::Cut | Fault::End)
}

/// Passes pieces one way until the stream or a fault ends it.
async fn pass(
    way: Way,
    (shared, connection): (Arc<Shared>, usize),
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) {
    let mut fault = shared.fault.subscribe();
    let mut piece = vec![0; PIECE];
    // Set once an answer vanished: the stream has a hole.
    let mut holed = false;
    loop {
        if ends(&fault.borrow()) || (holed && !swallows(way, &fault.borrow())) {
            return;
        }
        let read = tokio::select! {
            biased;
            changed = fault.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            read = from.read(&mut piece) => read,
        };
        let Ok(length @ 1..) = read else {
            // What was said is not unsaid by a close while nothing passes.
            let _ = settled(&mut fault, |fault| *fault != Fault::Stall).await;
            return;
        };
        match deliver(way, (&shared, connection), &piece[..length], &mut to).await {
            Ok(Delivered::All) => {}
            Ok(Delivered::Lost) => holed = true,
            Err(()) => return,
        }
    }
}

fn swallows(way: Way, fault: &Fault) -> bool {
    way == Way::Answer && *fault == Fault::HalfOpen
}

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivered {
    All,
    Lost,
}

/// Writes one piece under the fault of the moment, which may change half-way; an error ends the connection.
async fn deliver(
    way: Way,
    (shared, connection): (&Shared, usize),
    piece: &[u8],
    to: &mut OwnedWriteHalf,
) -> Result<Delivered, ()> {
    let mut fault = shared.fault.subscribe();
    let mut rest = piece;
    while !rest.is_empty() {
        let now = settled(&mut fault, |fault| *fault != Fault::Stall).await?;
        match now {
            _ if swallows(way, &now) => return Ok(Delivered::Lost),
            Fault::Slow(delay) => {
                if waited(&mut fault, delay).await {
                    write(shared, to, rest).await?;
                    rest = &[];
                }
            }
            Fault::Throttle(bytes_per_s) => {
                let step = usize::try_from(bytes_per_s.div_ceil(THROTTLE_TICKS)).unwrap_or(PIECE);
                let (part, later) = rest.split_at(step.clamp(1, rest.len()));
                write(shared, to, part).await?;
                rest = later;
                let micros = 1_000_000 * part.len() as u64 / bytes_per_s;
                waited(&mut fault, Duration::from_micros(micros)).await;
            }
            Fault::CutBefore(bytes) if way == Way::Request && contains(rest, &bytes) => {
                shared.fault.send_replace(Fault::Cut);
                return Err(());
            }
            Fault::CutAtAnswer(whose) if way == Way::Answer && whose == connection => {
                shared.fault.send_replace(Fault::Cut);
                return Err(());
            }
            now => {
                if let Fault::CutAfter(bytes) = now
                    && way == Way::Request
                    && contains(rest, &bytes)
                {
                    // First the fault, then the request: the answer cannot slip through between.
                    shared.fault.send_replace(Fault::CutAtAnswer(connection));
                }
                write(shared, to, rest).await?;
                rest = &[];
            }
        }
    }
    Ok(Delivered::All)
}

/// Waits for `delay`; false when the fault changed meanwhile, and with it what is to be done.
async fn waited(fault: &mut watch::Receiver<Fault>, delay: Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(delay) => true,
        _ = fault.changed() => false,
    }
}

/// Writes all of it, unless the connection must end while the other side does not read.
async fn write(shared: &Shared, to: &mut OwnedWriteHalf, piece: &[u8]) -> Result<(), ()> {
    let mut fault = shared.fault.subscribe();
    tokio::select! {
        biased;
        _ = fault.wait_for(ends) => Err(()),
        written = to.write_all(piece) => written.map_err(|_| ()),
    }
}

fn contains(piece: &[u8], bytes: &[u8]) -> bool {
    !bytes.is_empty() && piece.windows(bytes.len()).any(|window| window == bytes)
}
