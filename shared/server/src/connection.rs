//! Listening, and the life of one connection.
//!
//! hyper can time out request heads itself, at the price of a timer insertion, a timer removal and one read that finds nothing, each
//! request. Here a connection has one timer for its life: each tick looks whether anything has been served since the last.
//! That costs a request two relaxed stores.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::phase::{self, Phase, Phases};
use crate::settings::ServerSettings;

/// How long to wait when the system has no more file handles or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What hyper takes unless told otherwise.
const HYPER_HEADERS_MAX: usize = 100;

/// What a connection has done so far.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Who is at the other end.
    pub(crate) peer: Option<SocketAddr>,
    busy: AtomicUsize,
    served: AtomicU64,
}

/// Marks a connection as serving until dropped.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Activity>);

impl Busy {
    pub(crate) fn mark(activity: Arc<Activity>) -> Self {
        activity.busy.fetch_add(1, Ordering::Relaxed);
        Self(activity)
    }

    pub(crate) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.0)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.served.fetch_add(1, Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A listener with its bounds.
pub(crate) struct Listening {
    pub(crate) phases: Arc<Phases>,
    pub(crate) connections: TaskTracker,
    slots: Arc<Semaphore>,
    builder: http1::Builder,
    header_read_timeout: Duration,
}

impl Listening {
    pub(crate) fn new(settings: &ServerSettings, phases: Arc<Phases>) -> Self {
        let mut builder = http1::Builder::new();
        builder
            .max_header_size(settings.header_bytes_max)
            .header_read_timeout(None);
        // Saying so, even what is the default, makes hyper allocate its header buffer for each request.
        if settings.headers_max != HYPER_HEADERS_MAX {
            builder.max_headers(settings.headers_max);
        }
        Self {
            phases,
            connections: TaskTracker::new(),
            slots: Arc::new(Semaphore::new(settings.connections_max)),
            builder,
            header_read_timeout: settings.header_read_timeout(),
        }
    }

    /// Accepts until the phase is closing; the listener is closed on return. `service` is made for each connection.
    pub(crate) async fn accept<S, M>(&self, listener: TcpListener, service: M)
    where
        M: Fn(Arc<Activity>) -> S,
        S: HttpService<Incoming, ResBody = Body, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        loop {
            let next = async {
                let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
                Some((slot, listener.accept().await))
            };
            let accepted = tokio::select! {
                biased;
                () = self.phases.reached(Phase::Closing) => return,
                accepted = next => accepted,
            };
            let (slot, (stream, peer)) = match accepted {
                Some((slot, Ok((stream, peer)))) => (slot, (stream, peer)),
                Some((_, Err(error))) => {
                    pause_after(&error).await;
                    continue;
                }
                None => return,
            };
            // An answer is one small write: without this the second of two waits for the client's delayed ACK.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "the connection was gone before it was served");
                continue;
            }
            let activity = Arc::new(Activity {
                peer: Some(peer),
                ..Activity::default()
            });
            let conn = self.serve(stream, service(Arc::clone(&activity)), activity);
            self.connections.spawn(async move {
                conn.await;
                drop(slot);
            });
        }
    }

    fn serve<S>(
        &self,
        stream: TcpStream,
        service: S,
        activity: Arc<Activity>,
    ) -> impl Future<Output = ()> + Send + use<S>
    where
        S: HttpService<Incoming, ResBody = Body, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let phases = Arc::clone(&self.phases);
        let conn = self.builder.serve_connection(TokioIo::new(stream), service);
        let tick = self.header_read_timeout / 2;
        async move {
            let mut conn = pin!(conn);
            let mut moved = pin!(phases.moved());
            let mut watch = pin!(watch(&activity, tick));
            let mut seen = None;
            poll_fn(|cx| {
                // Registered for the next move before it is looked whether that has come meanwhile.
                while seen != Some(phases.now()) {
                    moved.set(phases.moved());
                    phase::register(moved.as_mut(), cx);
                    let now = phases.now();
                    seen = Some(now);
                    match now {
                        Phase::Open | Phase::Leaving => {}
                        Phase::Closing => conn.as_mut().graceful_shutdown(),
                        Phase::Cut => return Poll::Ready(()),
                    }
                }
                match conn.as_mut().poll(cx) {
                    Poll::Ready(Err(error)) => tracing::debug!(%error, "a connection ended early"),
                    Poll::Ready(Ok(())) => {}
                    Poll::Pending => return watch.as_mut().poll(cx),
                }
                Poll::Ready(())
            })
            .await;
        }
    }
}

/// Ends when the connection has served nothing between three ticks and serves nothing now.
async fn watch(activity: &Activity, tick: Duration) {
    let mut served = 0;
    let mut idle_ticks = 0;
    loop {
        tokio::time::sleep(tick).await;
        let served_now = activity.served.load(Ordering::Relaxed);
        let busy = activity.busy.load(Ordering::Relaxed) > 0;
        idle_ticks = if busy || served_now != served {
            0
        } else {
            idle_ticks + 1
        };
        served = served_now;
        if idle_ticks == 2 {
            return;
        }
    }
}

async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// What hyper hands to a service.
pub(crate) type Asked = Request<Incoming>;
/// What a service hands to hyper.
pub(crate) type Answered = Result<Response<Body>, Infallible>;
