//! The shared level as a cache sees it: with deadlines, a breaker, and a limit on what the origin has to bear without it.

mod cap;
mod hearing;
mod metrics;

pub(crate) use metrics::FarMetrics;

use crate::shared::{Lease, Look, SharedCache, SharedCacheSettings, SharedError, WriteMark};
use bytes::Bytes;
use cap::Cap;
use clock::SharedClock;
use hearing::Hearing;
use metrics::FarHandles;
use resilience::Breaker;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How keys and values are written in the shared level. Functions, since a value is often an `Arc` of the caller's type.
pub struct Codec<K, V> {
    /// The key's text; two keys never share one.
    pub key: fn(&K) -> String,
    /// The key of a text that `key` made.
    pub parse_key: fn(&str) -> Option<K>,
    /// The value's bytes.
    pub encode: fn(&V) -> Bytes,
    /// The value of bytes that `encode` made, perhaps in an older or newer version of the program; `None` is read as unknown.
    pub decode: fn(&[u8]) -> Option<V>,
}

impl<K, V> Clone for Codec<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Codec<K, V> {}

impl<K, V> fmt::Debug for Codec<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}

/// The shared level of one cache.
#[derive(Debug, Clone)]
pub struct Shared<K, V> {
    /// The engine.
    pub level: Arc<dyn SharedCache>,
    /// How the two levels work together.
    pub settings: SharedCacheSettings,
    /// How keys and values are written there.
    pub codec: Codec<K, V>,
}

pub(crate) struct Far<K, V> {
    pub(crate) level: Arc<dyn SharedCache>,
    pub(crate) settings: SharedCacheSettings,
    pub(crate) codec: Codec<K, V>,
    pub(crate) metrics: FarHandles,
    /// Ended writes that are still being told.
    pub(crate) untold: Arc<Semaphore>,
    clock: SharedClock,
    breaker: Mutex<Breaker>,
    cap: Mutex<Cap>,
    hearing: Mutex<Hearing>,
    wipes: AtomicU64,
    /// Until then (nanoseconds of the monotonic clock) a wiped level is being filled again.
    refills_until: AtomicU64,
}

impl<K, V> Far<K, V> {
    pub(crate) fn new(shared: Shared<K, V>, clock: SharedClock, metrics: FarHandles) -> Self {
        let settings = shared.settings;
        let cap = Cap::new(
            settings.usual_window(),
            settings.origin_reads_per_s_min,
            clock.monotonic(),
        );
        let far = Self {
            wipes: AtomicU64::new(shared.level.wipes()),
            level: shared.level,
            codec: shared.codec,
            metrics,
            untold: Arc::new(Semaphore::new(settings.untold_max.min(Semaphore::MAX_PERMITS))),
            breaker: Mutex::new(Breaker::new(settings.breaker.clone())),
            cap: Mutex::new(cap),
            hearing: Mutex::default(),
            refills_until: AtomicU64::new(0),
            settings,
            clock,
        };
        far.hears_since();
        far
    }

    /// What the level says about a key. Once a loss of everything was found, the origin's reads are limited for a while.
    pub(crate) async fn look(&self, key: &str) -> Result<Look, SharedError> {
        let asked = self.level.look(key, self.settings.lease());
        let look = self.ask("look", self.settings.read_timeout(), asked).await?;
        self.metrics.operation(
            "look",
            match look {
                Look::Hit(_) => "hit",
                Look::Absent => "absent",
                Look::Fill(_) => "fill",
                Look::Load => "load",
            },
        );
        let wipes = self.level.wipes();
        if self.wipes.swap(wipes, Ordering::Relaxed) != wipes {
            self.metrics.wiped.inc();
            let until = self.clock.monotonic() + self.settings.refill();
            let until = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
            self.refills_until.store(until, Ordering::Relaxed);
        }
        Ok(look)
    }

    pub(crate) async fn fill(&self, key: &str, lease: Lease, value: Option<&V>, ttl: Duration) {
        let value = value.map(self.codec.encode);
        if value
            .as_ref()
            .is_some_and(|bytes| bytes.len() > self.settings.value_bytes_max)
        {
            self.metrics.operation("fill", "too_large");
            return;
        }
        let asked = self.level.fill(key, lease, value, ttl);
        // What was not filled in is loaded again; the failure is counted.
        if let Ok(kept) = self.ask("fill", self.settings.read_timeout(), asked).await {
            self.metrics
                .operation("fill", if kept { "done" } else { "refused" });
        }
    }

    pub(crate) async fn begin_write(&self, key: &str, mark: WriteMark) -> Result<(), SharedError> {
        let asked = self.level.begin_write(key, mark, self.settings.write_hold());
        self.ask("begin_write", self.settings.write_timeout(), asked)
            .await?;
        self.metrics.operation("begin_write", "done");
        Ok(())
    }

    pub(crate) async fn end_write(&self, key: &str, mark: WriteMark) -> Result<(), SharedError> {
        let asked = self.level.end_write(key, mark);
        self.ask("end_write", self.settings.write_timeout(), asked)
            .await?;
        self.metrics.operation("end_write", "done");
        Ok(())
    }

    /// Since when every write of others was heard of; `None` while some may go unheard. Asked before each look, so that what is
    /// brought in an unbroken stretch is known to be of it.
    pub(crate) fn hears_since(&self) -> Option<Duration> {
        let mut hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner);
        hearing.observe(self.level.hears(), self.clock.monotonic())
    }

    /// Notices were lost before they were read.
    pub(crate) fn missed_notices(&self) {
        let mut hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner);
        hearing.missed(self.clock.monotonic());
    }

    /// Whether the origin may be read. `reached` says whether the shared level answered.
    pub(crate) fn admits(&self, reached: bool) -> bool {
        let now = self.clock.monotonic();
        let refills_until = Duration::from_nanos(self.refills_until.load(Ordering::Relaxed));
        let mut cap = self.cap.lock().unwrap_or_else(PoisonError::into_inner);
        if reached && now >= refills_until {
            cap.count(now);
            self.metrics.usual.set(cap.usual_per_s());
            return true;
        }
        let admitted = cap.admits(now);
        if admitted {
            self.metrics.origin.inc();
        }
        admitted
    }

    async fn ask<T>(
        &self,
        operation: &'static str,
        within: Duration,
        asked: impl Future<Output = Result<T, SharedError>>,
    ) -> Result<T, SharedError> {
        if !self.breaker().admits(self.clock.monotonic()) {
            self.metrics.operation(operation, SharedError::Skipped.code());
            return Err(SharedError::Skipped);
        }
        let answer = match timeout(within, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(SharedError::TimedOut(within)),
        };
        match &answer {
            // These are answers: the level is there.
            Ok(_) | Err(SharedError::Busy | SharedError::Corrupt(_)) => self.breaker().succeeded(),
            Err(_) => {
                if self.breaker().failed(self.clock.monotonic()) {
                    tracing::warn!(operation, "the shared cache fails and is left alone");
                }
            }
        }
        self.metrics.up.set(i64::from(!self.breaker().is_open()));
        if let Err(error) = &answer {
            self.metrics.operation(operation, error.code());
        }
        answer
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
