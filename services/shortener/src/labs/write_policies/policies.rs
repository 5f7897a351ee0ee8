//! Five ways to write where there is a cache.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cache::{Cache, CacheMetrics, CacheSettings};
use clock::SharedClock;
use tokio::sync::Mutex as Turn;

use super::store::Store;
use crate::labs::layers::PLAIN;

/// How long a value is believed; for write-around the bound on staleness.
pub(super) const TTL: Duration = Duration::from_millis(800);

/// How often write-behind brings its buffer to the origin.
pub(super) const FLUSH_EVERY: Duration = Duration::from_millis(250);

/// Writers of one key take turns; this many locks for all keys.
const TURNS: usize = 64;

type Values = Cache<String, u64, String>;

/// How a service reads and writes.
#[async_trait]
pub(super) trait Policy: Send + Sync + 'static {
    async fn read(&self, key: &str) -> Result<u64, String>;

    /// Answers once the writer may be told that it is written.
    async fn write(&self, key: &str, version: u64) -> Result<(), String>;
}

/// What a write does to the cache once the origin has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Aside: the entry is forgotten, the next reader loads it.
    Forget,
    /// Through: the entry is replaced.
    Replace,
    /// Around: nothing. Readers see it when the entry's time is over.
    Nothing,
}

/// All policies that write the origin before they answer.
pub(super) struct Synchronous {
    values: Values,
    store: Store,
    then: Then,
    turns: Vec<Turn<()>>,
}

impl Synchronous {
    pub(super) fn new(store: Store, then: Then, refresh_ahead: bool, clock: SharedClock) -> Self {
        Self {
            values: values(refresh_ahead, clock),
            store,
            then,
            turns: (0..TURNS).map(|_| Turn::new(())).collect(),
        }
    }

    fn turn(&self, key: &str) -> &Turn<()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        &self.turns[usize::try_from(hasher.finish() % TURNS as u64).unwrap_or(0)]
    }
}

#[async_trait]
impl Policy for Synchronous {
    async fn read(&self, key: &str) -> Result<u64, String> {
        load(&self.values, &self.store, key).await
    }

    async fn write(&self, key: &str, version: u64) -> Result<(), String> {
        let _turn = self.turn(key).lock().await;
        let ticket = self.values.ticket(key);
        self.store.write(&[(key.to_owned(), version)]).await?;
        match self.then {
            Then::Forget => self.values.invalidate(key),
            Then::Replace => {
                // Whoever wrote a newer version had its turn before: the newer one stays.
                let newest = self
                    .values
                    .peek(key)
                    .and_then(cache::Lookup::into_value)
                    .unwrap_or(0);
                self.values.put(ticket, key.to_owned(), newest.max(version));
            }
            Then::Nothing => {}
        }
        Ok(())
    }
}

/// Write-behind: acknowledged from a buffer in memory, which a task brings to the origin now and then.
pub(super) struct Behind {
    values: Values,
    store: Store,
    buffer: Mutex<HashMap<String, u64>>,
}

impl Behind {
    /// Begins the task that writes; it dies with the runtime it is made in.
    pub(super) fn start(store: Store, clock: SharedClock) -> Arc<Self> {
        let behind = Arc::new(Self {
            values: values(false, clock),
            store,
            buffer: Mutex::default(),
        });
        let flushing = Arc::clone(&behind);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(FLUSH_EVERY).await;
                flushing.flush().await;
            }
        });
        behind
    }

    fn buffer(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn flush(&self) {
        let batch: Vec<(String, u64)> = self.buffer().clone().into_iter().collect();
        if batch.is_empty() || self.store.write(&batch).await.is_err() {
            return; // They stay in the buffer and are written with the next ones.
        }
        for (key, version) in batch {
            // A load that began before the write must not bring back what was there then.
            self.values.invalidate(&key);
            let mut buffer = self.buffer();
            if buffer.get(&key) == Some(&version) {
                buffer.remove(&key);
            }
        }
    }
}

#[async_trait]
impl Policy for Behind {
    async fn read(&self, key: &str) -> Result<u64, String> {
        let buffered = self.buffer().get(key).copied();
        match buffered {
            Some(version) => Ok(version),
            None => load(&self.values, &self.store, key).await,
        }
    }

    async fn write(&self, key: &str, version: u64) -> Result<(), String> {
        let mut buffer = self.buffer();
        let newest = buffer.entry(key.to_owned()).or_default();
        *newest = version.max(*newest);
        Ok(())
    }
}

fn values(refresh_ahead: bool, clock: SharedClock) -> Values {
    let settings = CacheSettings {
        ttl_ms: u64::try_from(TTL.as_millis()).unwrap_or(u64::MAX),
        xfetch_beta: if refresh_ahead { 1.0 } else { 0.0 },
        ..PLAIN
    };
    Cache::new("lab", &settings, clock, &CacheMetrics::default())
}

async fn load(values: &Values, store: &Store, key: &str) -> Result<u64, String> {
    let (store, asked) = (store.clone(), key.to_owned());
    let load = move || async move { store.read(&asked).await.map(Some) };
    let loaded = values.get_or_load(key.to_owned(), load).await;
    loaded
        .map(Option::unwrap_or_default)
        .map_err(|error| error.to_string())
}
