//! Where a redirect leaves its click. Never blocks and never grows past its bound: availability before counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use telemetry::TraceContext;
use tokio::sync::Notify;

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

/// A bounded queue of clicks, emptied as a whole.
#[derive(Debug)]
pub struct ClickQueue {
    clicks: Mutex<Vec<Click>>,
    clicks_max: usize,
    arrived: Notify,
    metrics: Metrics,
}

impl ClickQueue {
    /// An empty queue for at most `clicks_max`.
    pub fn new(clicks_max: usize, metrics: Metrics) -> Self {
        Self {
            clicks: Mutex::default(),
            clicks_max,
            arrived: Notify::new(),
            metrics,
        }
    }

    /// Leaves a click, or counts it as dropped when the queue is full.
    pub fn push(&self, click: Click) {
        let mut clicks = self.lock();
        if clicks.len() >= self.clicks_max {
            drop(clicks);
            self.metrics.clicks_dropped.inc();
            return;
        }
        clicks.push(click);
        let first = clicks.len() == 1;
        self.tell_length(&clicks);
        drop(clicks);
        self.metrics.clicks_recorded.inc();
        // Only the first of a batch wakes the flusher: waking costs more than the rest of this.
        if first {
            self.arrived.notify_one();
        }
    }

    /// Waits until there is a click. Keeps a wake-up that came before the wait.
    pub async fn arrived(&self) {
        while self.is_empty() {
            self.arrived.notified().await;
        }
    }

    /// Takes the oldest clicks, at most `most`, into `batch`.
    pub fn take(&self, most: usize, batch: &mut Vec<Click>) {
        let mut clicks = self.lock();
        if clicks.len() <= most && batch.is_empty() {
            std::mem::swap(&mut *clicks, batch);
        } else {
            let taken = clicks.len().min(most);
            batch.extend(clicks.drain(..taken));
        }
        self.tell_length(&clicks);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// One store to memory, and under the lock, so that the last one is the right one.
    fn tell_length(&self, clicks: &[Click]) {
        self.metrics
            .click_queue_length
            .set(i64::try_from(clicks.len()).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Click>> {
        self.clicks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
