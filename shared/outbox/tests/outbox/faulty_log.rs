//! A log in front of a real one, which fails as asked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sql::SqlError;
use streams::{
    Claim, Collected, DeadLetterPage, Delivery, Event, Group, Lag, Partition, Position, Published, Stored,
    StreamError, StreamLog,
};
use tokio::sync::{Semaphore, watch};

/// Passes everything on, except as its switches say.
#[derive(Debug)]
pub(crate) struct FaultyLog {
    inner: Arc<dyn StreamLog>,
    /// The stream cannot be reached.
    pub(crate) away: AtomicBool,
    /// The event with this id is refused for what it is.
    pub(crate) refused: Mutex<Option<String>>,
    /// Publishes are stored, but nobody hears of it before there is a permit.
    pub(crate) unheard: AtomicBool,
    answers: Semaphore,
    pub(crate) publishes: AtomicU64,
    /// Events that were stored while nobody heard of it.
    pub(crate) stored_unheard: AtomicU64,
}

impl FaultyLog {
    pub(crate) fn before(inner: Arc<dyn StreamLog>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            away: AtomicBool::new(false),
            refused: Mutex::new(None),
            unheard: AtomicBool::new(false),
            answers: Semaphore::new(0),
            publishes: AtomicU64::new(0),
            stored_unheard: AtomicU64::new(0),
        })
    }

    /// Whoever waits for an answer gets it.
    pub(crate) fn answer_all(&self) {
        self.unheard.store(false, Ordering::SeqCst);
        self.answers.add_permits(1_000);
    }
}

#[async_trait]
impl StreamLog for FaultyLog {
    async fn publish(&self, stream: &str, events: &[Event]) -> Result<Published, StreamError> {
        self.publishes.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return Err(SqlError::Unreachable("switched off".to_owned()).into());
        }
        let refused = self.refused.lock().unwrap().clone();
        if events.iter().any(|event| Some(&event.id) == refused.as_ref()) {
            return Err(StreamError::TooLarge { bytes: 2, max: 1 });
        }
        let published = self.inner.publish(stream, events).await?;
        if self.unheard.load(Ordering::SeqCst) {
            self.stored_unheard
                .fetch_add(u64::from(published.stored), Ordering::SeqCst);
            self.answers.acquire().await.unwrap().forget();
        }
        Ok(published)
    }

    async fn read_from(
        &self,
        stream: &str,
        partition: Partition,
        after: Position,
        limit: u32,
    ) -> Result<Vec<Stored>, StreamError> {
        self.inner.read_from(stream, partition, after, limit).await
    }

    async fn claim(&self, group: &Group, owner: &str) -> Result<Vec<Claim>, StreamError> {
        self.inner.claim(group, owner).await
    }

    fn claim_lasts(&self) -> Duration {
        self.inner.claim_lasts()
    }

    async fn release(&self, claim: &Claim) -> Result<(), StreamError> {
        self.inner.release(claim).await
    }

    async fn next(
        &self,
        claim: &Claim,
        acked: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StreamError> {
        self.inner.next(claim, acked, limit).await
    }

    async fn give_back(&self, claim: &Claim, delivery: &Delivery) -> Result<(), StreamError> {
        self.inner.give_back(claim, delivery).await
    }

    async fn dead_letter(&self, claim: &Claim, delivery: &Delivery, reason: &str) -> Result<(), StreamError> {
        self.inner.dead_letter(claim, delivery, reason).await
    }

    async fn dead_letters(
        &self,
        stream: &str,
        after: u64,
        limit: u32,
    ) -> Result<DeadLetterPage, StreamError> {
        self.inner.dead_letters(stream, after, limit).await
    }

    async fn replay(&self, id: u64) -> Result<(), StreamError> {
        self.inner.replay(id).await
    }

    async fn lag(&self, stream: &str) -> Result<Lag, StreamError> {
        self.inner.lag(stream).await
    }

    async fn collect(&self, stream: &str) -> Result<Collected, StreamError> {
        self.inner.collect(stream).await
    }

    fn wakes(&self, stream: &str, partition: Partition) -> watch::Receiver<u64> {
        self.inner.wakes(stream, partition)
    }

    async fn probe(&self) -> Result<(), StreamError> {
        self.inner.probe().await
    }
}
