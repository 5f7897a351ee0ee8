//! The shared level, counted where it is asked.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache::{Lease, Look, Notice, SharedCache, SharedError, WriteMark};
use lab::{Bench, Meter};
use tokio::sync::broadcast;

/// How often the level was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) all: Meter,
    pub(super) of_hottest: Meter,
    hottest: Arc<str>,
    /// How long it takes to answer, on top: what stands in for Redis is too near.
    takes: Option<Duration>,
}

impl Asked {
    pub(super) fn new(bench: &Bench, hottest: &str) -> Self {
        let meter = || Meter::new(&bench.clock, Duration::from_millis(100));
        Self {
            all: meter(),
            of_hottest: meter(),
            hottest: Arc::from(hottest),
            takes: bench.redis.is_none().then_some(Duration::from_millis(1)),
        }
    }
}

/// A level whose looks are counted.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) level: Arc<dyn SharedCache>,
    pub(super) asked: Asked,
}

#[async_trait]
impl SharedCache for Counted {
    async fn look(&self, key: &str, lease_for: Duration) -> Result<Look, SharedError> {
        let _all = self.asked.all.begin();
        let _hottest = (key == &*self.asked.hottest).then(|| self.asked.of_hottest.begin());
        if let Some(takes) = self.asked.takes {
            tokio::time::sleep(takes).await;
        }
        self.level.look(key, lease_for).await
    }

    async fn fill(
        &self,
        key: &str,
        lease: Lease,
        value: Option<Bytes>,
        ttl: Duration,
    ) -> Result<bool, SharedError> {
        self.level.fill(key, lease, value, ttl).await
    }

    async fn begin_write(&self, key: &str, mark: WriteMark, hold: Duration) -> Result<(), SharedError> {
        self.level.begin_write(key, mark, hold).await
    }

    async fn end_write(&self, key: &str, mark: WriteMark) -> Result<(), SharedError> {
        self.level.end_write(key, mark).await
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.level.notices()
    }

    fn hears(&self) -> Option<u64> {
        self.level.hears()
    }

    fn wipes(&self) -> u64 {
        self.level.wipes()
    }

    async fn probe(&self) -> Result<(), SharedError> {
        self.level.probe().await
    }
}
