use crate::far::{Far, Shared};
use crate::flight::Flight;
use crate::metrics::{CacheMetrics, Handles};
use crate::shelf::Shelf;
use crate::{CacheSettings, LoadError, xfetch};
use clock::SharedClock;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Locks that readers spread over.
const SHARDS_MAX: usize = 16;

/// What the cache knows about a key without asking the origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<V> {
    /// The value, fresh.
    Hit(V),
    /// The origin said that there is none, not long ago.
    Absent,
}

impl<V> Lookup<V> {
    fn of(value: Option<V>) -> Self {
        value.map_or(Self::Absent, Self::Hit)
    }
}

/// A place in time, taken before a write to the origin; see `Cache::ticket`.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    removals: u64,
    taken_at: Duration,
}

/// A cache of `V`s by `K`, whose origin fails with `E`. Cheap to clone; clones share the entries.
pub struct Cache<K, V, E> {
    pub(crate) inner: Arc<Inner<K, V, E>>,
}

pub(crate) struct Inner<K, V, E> {
    pub(crate) settings: CacheSettings,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Handles,
    /// The shared level, where there is one.
    pub(crate) far: Option<Far<K, V>>,
    pub(crate) turns: Arc<Semaphore>,
    /// Places for loads that run or wait for their turn.
    pub(crate) places: Arc<Semaphore>,
    /// Places for flights that ask the shared level: an origin that hangs must not stand in the way of what is known there.
    pub(crate) looks: Arc<Semaphore>,
    chance: Chance,
    hasher: RandomState,
    shards: Box<[RwLock<Shard<K, V, E>>]>,
}

type Chance = Box<dyn Fn() -> f64 + Send + Sync>;

/// Entries and loads stand under one lock: whether a load may still fill its entry is decided where it would do so.
pub(crate) struct Shard<K, V, E> {
    pub(crate) shelf: Shelf<K, Entry<V>>,
    pub(crate) flights: HashMap<K, Flight<V, E>>,
    /// `invalidate` calls so far.
    removals: u64,
}

pub(crate) struct Entry<V> {
    pub(crate) value: Option<V>,
    /// When asking for it began.
    as_of: Duration,
    expires_at: Duration,
    /// How long the load took.
    delta: Duration,
    /// A `peek` was chosen to refresh the entry, but has no loader; the `get_or_load` that follows it has.
    chosen: AtomicBool,
}

pub(crate) enum Look<V> {
    Fresh(Lookup<V>),
    /// Fresh, and this reader should refresh it.
    Due(Lookup<V>),
    Missing,
}

impl<K, V, E> Clone for Cache<K, V, E> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<K, V, E> Cache<K, V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// An empty cache; `name` is its label in the metrics.
    pub fn new(
        name: &'static str,
        settings: &CacheSettings,
        clock: SharedClock,
        metrics: &CacheMetrics,
    ) -> Self {
        // `random` draws from [0, 1) and a logarithm wants (0, 1].
        Self::with_chance(name, settings, clock, metrics, || 1.0 - rand::random::<f64>())
    }

    /// An empty cache whose jitter and early refreshes follow `chance`, which draws from (0, 1].
    pub fn with_chance(
        name: &'static str,
        settings: &CacheSettings,
        clock: SharedClock,
        metrics: &CacheMetrics,
        chance: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self::build(name, settings, None, clock, metrics, Box::new(chance))
    }

    /// An empty cache in front of a level that it shares with other processes. Values live here for `near_ttl_ms`, there for
    /// `ttl_ms`; "not there" is remembered there only. Needs the runtime it is made in.
    pub fn with_shared(
        name: &'static str,
        settings: &CacheSettings,
        shared: Shared<K, V>,
        clock: SharedClock,
        metrics: &CacheMetrics,
    ) -> Self {
        let chance = || 1.0 - rand::random::<f64>();
        Self::with_shared_and_chance(name, settings, shared, clock, metrics, chance)
    }

    /// The same, with its jitter and early refreshes following `chance`, which draws from (0, 1].
    pub fn with_shared_and_chance(
        name: &'static str,
        settings: &CacheSettings,
        shared: Shared<K, V>,
        clock: SharedClock,
        metrics: &CacheMetrics,
        chance: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> Self {
        let notices = shared.level.notices();
        let cache = Self::build(name, settings, Some(shared), clock, metrics, Box::new(chance));
        cache.listen(notices);
        cache
    }

    fn build(
        name: &'static str,
        settings: &CacheSettings,
        shared: Option<Shared<K, V>>,
        clock: SharedClock,
        metrics: &CacheMetrics,
        chance: Chance,
    ) -> Self {
        let capacity = settings.capacity.max(1);
        let shards = SHARDS_MAX.min(capacity);
        let empty = |_| {
            let shelf = Shelf::new(capacity / shards);
            RwLock::new(Shard {
                shelf,
                flights: HashMap::new(),
                removals: 0,
            })
        };
        let places = settings.loads_max.saturating_add(settings.loads_waiting_max);
        let places = || Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        let inner = Inner {
            settings: *settings,
            far: shared.map(|shared| Far::new(shared, clock.clone(), metrics.far.of(name))),
            clock,
            metrics: metrics.of(name),
            turns: Arc::new(Semaphore::new(
                settings.loads_max.clamp(1, Semaphore::MAX_PERMITS),
            )),
            places: places(),
            looks: places(),
            chance,
            hasher: RandomState::new(),
            shards: (0..shards).map(empty).collect(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// What is known now, without waiting, allocating or asking the origin. `None` means: call `get_or_load`, which
    /// also answers at once where this entry is merely due for an early refresh.
    pub fn peek<Q>(&self, key: &Q) -> Option<Lookup<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.peek_if(key, |_| true)
    }

    /// [`peek`](Self::peek) for whoever has a use for some values only (`None` is that there is none): any other is neither counted nor
    /// answered, nor drawn for an early refresh.
    pub fn peek_if<Q>(&self, key: &Q, wanted: impl FnOnce(Option<&V>) -> bool) -> Option<Lookup<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let shard = self.inner.read(key);
        let entry = shard
            .shelf
            .get(key)
            .filter(|entry| wanted(entry.value.as_ref()))?;
        // Whoever was told so a moment ago is on the way to `get_or_load`, perhaps by another peek.
        if entry.chosen.load(Ordering::Relaxed) {
            return None;
        }
        match self.inner.look(entry) {
            Look::Fresh(lookup) => Some(self.inner.counted(lookup)),
            Look::Due(_) => {
                entry.chosen.store(true, Ordering::Relaxed);
                None
            }
            Look::Missing => None,
        }
    }

    /// The value, from here or from the origin; `None` when the origin has none. Concurrent callers of a key share one
    /// call of one of their `load`s. It runs in a task of its own, inside the first caller's trace.
    pub async fn get_or_load<F, Fut>(&self, key: K, load: F) -> Result<Option<V>, LoadError<E>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let look = {
            let shard = self.inner.read(&key);
            shard.shelf.get(&key).map_or(Look::Missing, |entry| {
                let chosen = entry.chosen.swap(false, Ordering::Relaxed);
                match self.inner.look(entry) {
                    Look::Fresh(lookup) if chosen => Look::Due(lookup),
                    look => look,
                }
            })
        };
        match look {
            Look::Fresh(lookup) => Ok(self.inner.counted(lookup).into_value()),
            Look::Due(lookup) => {
                self.refresh(key, load);
                Ok(self.inner.counted(lookup).into_value())
            }
            Look::Missing => {
                self.inner.metrics.miss.inc();
                self.join_or_load(key, load).await
            }
        }
    }

    /// To be taken *before* a write whose result will be `put`.
    pub fn ticket<Q>(&self, key: &Q) -> Ticket
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let taken_at = self.inner.clock.monotonic();
        Ticket {
            removals: self.inner.read(key).removals,
            taken_at,
        }
    }

    /// Keeps what was just written to the origin, unless something was invalidated since the ticket was taken (in
    /// that case the key is only invalidated). Says whether it was kept. A load under way will not overwrite it.
    pub fn put(&self, ticket: Ticket, key: K, value: V) -> bool {
        let mut shard = self.inner.write(&key);
        shard.flights.remove(&key);
        if shard.removals == ticket.removals {
            self.inner
                .keep(&mut shard, key, Some(value), ticket.taken_at, Duration::ZERO);
            return true;
        }
        self.inner.forget(&mut shard, &key);
        false
    }

    /// Forgets the key, and what any load or `put` of it that has begun will bring. Call it *after* the write to
    /// the origin.
    pub fn invalidate<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut shard = self.inner.write(key);
        shard.removals += 1;
        shard.flights.remove(key);
        self.inner.forget(&mut shard, key);
    }

    /// Entries held, expired ones included; at most `capacity`.
    pub fn len(&self) -> usize {
        let read =
            |shard: &RwLock<Shard<K, V, E>>| shard.read().unwrap_or_else(PoisonError::into_inner).shelf.len();
        self.inner.shards.iter().map(read).sum()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<V> Lookup<V> {
    /// The value; `None` when known to be absent.
    pub fn into_value(self) -> Option<V> {
        match self {
            Self::Hit(value) => Some(value),
            Self::Absent => None,
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, E> Inner<K, V, E> {
    pub(crate) fn read<Q: Hash + ?Sized>(&self, key: &Q) -> RwLockReadGuard<'_, Shard<K, V, E>> {
        self.shard(key).read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write<Q: Hash + ?Sized>(&self, key: &Q) -> RwLockWriteGuard<'_, Shard<K, V, E>> {
        self.shard(key).write().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &RwLock<Shard<K, V, E>> {
        let hash = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or_default();
        &self.shards[hash % self.shards.len()]
    }

    pub(crate) fn look(&self, entry: &Entry<V>) -> Look<V> {
        let now = self.clock.monotonic();
        if now >= entry.expires_at {
            return Look::Missing;
        }
        let lookup = Lookup::of(entry.value.clone());
        if xfetch::is_due(
            now,
            entry.expires_at,
            entry.delta,
            self.settings.xfetch_beta,
            &self.chance,
        ) {
            return Look::Due(lookup);
        }
        Look::Fresh(lookup)
    }

    /// Takes a value in that was true at `as_of` and took `delta` to learn.
    pub(crate) fn keep(
        &self,
        shard: &mut Shard<K, V, E>,
        key: K,
        value: Option<V>,
        as_of: Duration,
        delta: Duration,
    ) {
        if value.is_none() && self.far.is_some() {
            // Only the shared level remembers it, where whoever creates it can take that back from all processes.
            return self.forget(shard, &key);
        }
        let ttl = match &self.far {
            Some(far) => far.settings.near_ttl(),
            None => self.settings.ttl(value.is_some()),
        };
        let entry = Entry {
            value,
            as_of,
            expires_at: as_of + self.jittered(ttl),
            delta,
            chosen: AtomicBool::new(false),
        };
        let before = shard.shelf.len();
        if shard.shelf.insert(key, entry) {
            self.metrics.evictions.inc();
        }
        if shard.shelf.len() > before {
            self.metrics.entries.inc();
        }
    }

    pub(crate) fn jittered(&self, ttl: Duration) -> Duration {
        self.settings.jittered(ttl, (self.chance)())
    }

    /// What is held of a key, its time over or not, if it is of after a moment and young enough.
    pub(crate) fn kept(&self, key: &K, newer_than: Option<Duration>, age_max: Duration) -> Option<V> {
        let shard = self.read(key);
        let entry = shard.shelf.get(key)?;
        let age = self.clock.monotonic().saturating_sub(entry.as_of);
        let is_newer = newer_than.is_none_or(|moment| entry.as_of > moment);
        entry.value.clone().filter(|_| is_newer && age < age_max)
    }

    fn forget<Q>(&self, shard: &mut Shard<K, V, E>, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if shard.shelf.remove(key) {
            self.metrics.entries.dec();
        }
    }

    fn counted(&self, lookup: Lookup<V>) -> Lookup<V> {
        match lookup {
            Lookup::Hit(_) => self.metrics.hit.inc(),
            Lookup::Absent => self.metrics.negative.inc(),
        };
        lookup
    }
}
