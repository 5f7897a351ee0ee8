//! Processes that share a level and an origin. Each has a clock of its own that stands still until the test moves it.

use async_trait::async_trait;
use bytes::Bytes;
use cache::{
    Cache, CacheMetrics, CacheSettings, Codec, Lease, LoadError, Look, Notice, Shared, SharedCache,
    SharedCacheSettings, SharedError, WriteMark,
};
use clock::ManualClock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;

use crate::{CALM, Links, Loaded, metric_of};

pub(crate) type Answer = Result<Option<Arc<str>>, LoadError<&'static str>>;

/// The suite races with all others on two cores: only tests of deadlines have short ones.
pub(crate) static PATIENT: LazyLock<SharedCacheSettings> = LazyLock::new(|| SharedCacheSettings {
    read_timeout_ms: 10_000,
    write_timeout_ms: 10_000,
    ..SharedCacheSettings::default()
});

/// Where the truth is.
#[derive(Default)]
pub(crate) struct Origin {
    links: Mutex<HashMap<String, Arc<str>>>,
    reads: AtomicU32,
}

impl Origin {
    pub(crate) fn set(&self, key: &str, value: &str) {
        let mut links = self.links.lock().expect("no panic");
        links.insert(key.to_owned(), Arc::from(value));
    }

    pub(crate) fn delete(&self, key: &str) {
        self.links.lock().expect("no panic").remove(key);
    }

    pub(crate) fn get(&self, key: &str) -> Option<Arc<str>> {
        self.links.lock().expect("no panic").get(key).cloned()
    }

    /// How often it was read since this was last asked.
    pub(crate) fn take_reads(&self) -> u32 {
        self.reads.swap(0, Ordering::SeqCst)
    }
}

/// One process: its cache over its handle of the level.
pub(crate) struct Process {
    pub(crate) links: Links,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) level: Arc<Faulty>,
    pub(crate) origin: Arc<Origin>,
    metrics: CacheMetrics,
}

impl Process {
    pub(crate) fn new(level: Arc<dyn SharedCache>, origin: &Arc<Origin>) -> Self {
        Self::with(level, origin, CALM, PATIENT.clone())
    }

    pub(crate) fn with(
        level: Arc<dyn SharedCache>,
        origin: &Arc<Origin>,
        settings: CacheSettings,
        shared: SharedCacheSettings,
    ) -> Self {
        let clock = ManualClock::at(1_800_000_000_000);
        let metrics = CacheMetrics::default();
        let level = Arc::new(Faulty::around(level));
        let shared = Shared {
            level: level.clone(),
            settings: shared,
            codec: Codec {
                key: String::clone,
                parse_key: |text| Some(text.to_owned()),
                encode: |value: &Arc<str>| Bytes::copy_from_slice(value.as_bytes()),
                decode: |bytes| std::str::from_utf8(bytes).ok().map(Arc::from),
            },
        };
        // Chance 1: no jitter is zero anyway, and no refresh is early.
        let links =
            Cache::with_shared_and_chance("links", &settings, shared, clock.clone(), &metrics, || 1.0);
        Self {
            links,
            clock,
            level,
            origin: Arc::clone(origin),
            metrics,
        }
    }

    /// Reads through the cache, as a redirect does.
    pub(crate) async fn read(&self, key: &str) -> Answer {
        if let Some(known) = self.links.peek(key) {
            return Ok(known.into_value());
        }
        let (origin, wanted) = (Arc::clone(&self.origin), key.to_owned());
        let load = move || async move {
            origin.reads.fetch_add(1, Ordering::SeqCst);
            Ok(origin.get(&wanted))
        };
        self.links.get_or_load(key.to_owned(), load).await
    }

    /// What a read that must succeed sees.
    pub(crate) async fn sees(&self, key: &str) -> Option<String> {
        let seen = self.read(key).await.expect("an answer");
        seen.map(|value| value.to_string())
    }

    /// A reader whose load says that it began, reads the origin at once, and answers when the test says so.
    pub(crate) async fn slow_read(&self, key: &str) -> (JoinHandle<Answer>, oneshot::Sender<()>) {
        let (go_on, gate) = oneshot::channel();
        let (say_begun, begun) = oneshot::channel();
        let (links, origin, key) = (self.links.clone(), Arc::clone(&self.origin), key.to_owned());
        let wanted = key.clone();
        let load = move || async move {
            origin.reads.fetch_add(1, Ordering::SeqCst);
            let found: Loaded = Ok(origin.get(&wanted));
            say_begun.send(()).expect("the test listens");
            gate.await.expect("the test lets it go on");
            found
        };
        let reader = tokio::spawn(async move { links.get_or_load(key, load).await });
        begun.await.expect("the load begins");
        (reader, go_on)
    }

    pub(crate) async fn change(&self, key: &str, value: &str) {
        let guard = self.links.write(key.to_owned()).await.expect("the level is well");
        self.origin.set(key, value);
        guard.done().await.expect("the level is well");
    }

    /// The value of one line of the metrics, 0 where there is none.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        metric_of(&self.metrics, line)
    }
}

const WELL: u8 = 0;
const FAILING: u8 = 1;
const STALLED: u8 = 2;

/// A level that can fail, stall and lose its messages, and counts what it is asked.
#[derive(Debug)]
pub(crate) struct Faulty {
    level: Arc<dyn SharedCache>,
    state: AtomicU8,
    calls: AtomicU32,
    /// Where it is deaf: nothing is ever sent here.
    silence: broadcast::Sender<Notice>,
    deaf: bool,
    /// The unbroken stretch in which it says to hear, once a test said so.
    stretch: AtomicU64,
}

/// No test said so.
const AS_IT_IS: u64 = u64::MAX;

impl Faulty {
    pub(crate) fn around(level: Arc<dyn SharedCache>) -> Self {
        Self {
            level,
            state: AtomicU8::new(WELL),
            calls: AtomicU32::new(0),
            silence: broadcast::Sender::new(1),
            deaf: false,
            stretch: AtomicU64::new(AS_IT_IS),
        }
    }

    /// A level none of whose messages arrive.
    pub(crate) fn deaf(level: Arc<dyn SharedCache>) -> Arc<dyn SharedCache> {
        Arc::new(Self {
            deaf: true,
            ..Self::around(level)
        })
    }

    pub(crate) fn fail(&self) {
        self.state.store(FAILING, Ordering::SeqCst);
    }

    pub(crate) fn stall(&self) {
        self.state.store(STALLED, Ordering::SeqCst);
    }

    pub(crate) fn heal(&self) {
        self.state.store(WELL, Ordering::SeqCst);
    }

    /// From now on it hears in this stretch.
    pub(crate) fn hears_in(&self, stretch: u64) {
        self.stretch.store(stretch, Ordering::SeqCst);
    }

    /// How often it was asked since this was last asked.
    pub(crate) fn take_calls(&self) -> u32 {
        self.calls.swap(0, Ordering::SeqCst)
    }

    async fn pass(&self) -> Result<(), SharedError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match self.state.load(Ordering::SeqCst) {
            WELL => Ok(()),
            FAILING => Err(SharedError::Failed("the test says so".to_owned())),
            _ => std::future::pending().await,
        }
    }
}

#[async_trait]
impl SharedCache for Faulty {
    async fn look(&self, key: &str, lease_for: Duration) -> Result<Look, SharedError> {
        self.pass().await?;
        self.level.look(key, lease_for).await
    }

    async fn fill(
        &self,
        key: &str,
        lease: Lease,
        value: Option<Bytes>,
        ttl: Duration,
    ) -> Result<bool, SharedError> {
        self.pass().await?;
        self.level.fill(key, lease, value, ttl).await
    }

    async fn begin_write(&self, key: &str, mark: WriteMark, hold: Duration) -> Result<(), SharedError> {
        self.pass().await?;
        self.level.begin_write(key, mark, hold).await
    }

    async fn end_write(&self, key: &str, mark: WriteMark) -> Result<(), SharedError> {
        self.pass().await?;
        self.level.end_write(key, mark).await
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        if self.deaf {
            return self.silence.subscribe();
        }
        self.level.notices()
    }

    fn hears(&self) -> Option<u64> {
        match self.stretch.load(Ordering::SeqCst) {
            AS_IT_IS => self.level.hears().filter(|_| !self.deaf),
            stretch => Some(stretch),
        }
    }

    fn wipes(&self) -> u64 {
        self.level.wipes()
    }

    async fn probe(&self) -> Result<(), SharedError> {
        self.pass().await?;
        self.level.probe().await
    }
}
