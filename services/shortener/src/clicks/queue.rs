//! Where a redirect leaves its click. Never blocks and never grows past its bound: availability before counts. Where counts come first
//! (`clicks.durable`), a redirect waits here until its click is safe.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telemetry::TraceContext;
use tokio::sync::{Notify, oneshot};

use crate::metrics::Metrics;
use crate::operations::Destination;
use crate::visit::Visit;

/// One followed link. Neither address nor user agent of whoever followed it is kept, only what [`Visit`] makes of them.
#[derive(Clone, Debug)]
pub struct Click {
    /// Which link.
    pub destination: Arc<Destination>,
    /// When (Unix ms).
    pub at_ms: u64,
    /// By whom, as far as we want to know.
    pub visit: Visit,
    /// The request's place in its trace, if that is sampled.
    pub context: Option<TraceContext>,
}

/// What became of a click that was left here.
#[derive(Debug)]
pub enum Left {
    /// It is counted if it can be; nobody need wait.
    Behind,
    /// It is safe once this is answered; it is not safe where the other end is dropped.
    Until(oneshot::Receiver<()>),
    /// There was no room for it, and whoever left it wants to know.
    NoRoom,
}

/// Told when the clicks of one append are safe; dropped when they are not.
pub(crate) type Safe = Vec<oneshot::Sender<()>>;

/// A bounded queue of clicks, emptied as a whole.
#[derive(Debug)]
pub struct ClickQueue {
    waiting: Mutex<Waiting>,
    clicks_max: usize,
    /// How long a click is waited for until it is safe, where it is.
    wait: Option<Duration>,
    arrived: Notify,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Waiting {
    clicks: Vec<Click>,
    /// One for each click in a durable queue, else none.
    safe: Safe,
}

impl ClickQueue {
    /// An empty queue for at most `clicks_max`.
    pub fn new(clicks_max: usize, metrics: Metrics) -> Self {
        Self {
            waiting: Mutex::default(),
            clicks_max,
            wait: None,
            arrived: Notify::new(),
            metrics,
        }
    }

    /// A queue in which a click is waited for until it is safe, for so long.
    #[must_use]
    pub fn durable(self, wait: Option<Duration>) -> Self {
        Self { wait, ..self }
    }

    /// Whether clicks are waited for.
    pub fn is_durable(&self) -> bool {
        self.wait.is_some()
    }

    /// Leaves a click, or counts it as dropped when the queue is full.
    pub fn push(&self, click: Click) -> Left {
        let mut waiting = self.lock();
        if waiting.clicks.len() >= self.clicks_max {
            drop(waiting);
            self.metrics.clicks_dropped.inc();
            return match self.wait {
                Some(_) => Left::NoRoom,
                None => Left::Behind,
            };
        }
        waiting.clicks.push(click);
        let left = if self.wait.is_some() {
            let (safe, until) = oneshot::channel();
            waiting.safe.push(safe);
            Left::Until(until)
        } else {
            Left::Behind
        };
        let first = waiting.clicks.len() == 1;
        self.tell_length(&waiting.clicks);
        drop(waiting);
        self.metrics.clicks_recorded.inc();
        // Only the first of a batch wakes the flusher: waking costs more than the rest of this.
        if first {
            self.arrived.notify_one();
        }
        left
    }

    /// Waits until a click is safe, if that is wanted; `false` when it is not, or not known to be, within the time there is.
    pub async fn is_safe(&self, left: Left) -> bool {
        match left {
            Left::Behind => true,
            Left::NoRoom => false,
            Left::Until(until) => {
                let wait = self.wait.unwrap_or_default();
                matches!(tokio::time::timeout(wait, until).await, Ok(Ok(())))
            }
        }
    }

    /// Waits until there is a click. Keeps a wake-up that came before the wait.
    pub async fn arrived(&self) {
        while self.is_empty() {
            self.arrived.notified().await;
        }
    }

    /// Takes the oldest clicks, at most `most`, into `batch`, and answers whom to tell once they are safe.
    pub fn take(&self, most: usize, batch: &mut Vec<Click>) -> Safe {
        let mut waiting = self.lock();
        let taken = waiting.clicks.len().min(most);
        if taken == waiting.clicks.len() && batch.is_empty() {
            std::mem::swap(&mut waiting.clicks, batch);
        } else {
            batch.extend(waiting.clicks.drain(..taken));
        }
        let told = waiting.safe.len().min(taken);
        let safe = waiting.safe.drain(..told).collect();
        self.tell_length(&waiting.clicks);
        safe
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().clicks.is_empty()
    }

    /// One store to memory, and under the lock, so that the last one is the right one.
    fn tell_length(&self, clicks: &[Click]) {
        self.metrics
            .click_queue_length
            .set(i64::try_from(clicks.len()).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
