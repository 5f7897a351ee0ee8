use crate::LoadError;
use crate::cache::{Cache, Inner, Look, Shard};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use telemetry::TraceContext;
use tokio::sync::watch;
use tokio::time::timeout;

type Answer<V, E> = Result<Option<V>, LoadError<E>>;
type Answered<V, E> = watch::Receiver<Option<Answer<V, E>>>;

/// A load under way. Once it is off its shard's list, by `invalidate` or `put`, it may answer its callers but not
/// fill the entry.
pub(crate) struct Flight<V, E> {
    answered: Answered<V, E>,
}

impl<K, V, E> Cache<K, V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    pub(crate) async fn join_or_load<F, Fut>(&self, key: K, load: F) -> Answer<V, E>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let mut answered = {
            let mut shard = self.inner.write(&key);
            // The entry may have come between the look and the lock.
            if let Some(entry) = shard.shelf.get(&key)
                && let Look::Fresh(lookup) | Look::Due(lookup) = self.inner.look(entry)
            {
                return Ok(lookup.into_value());
            }
            match shard.flights.get(&key) {
                Some(flight) => flight.answered.clone(),
                None => self.take_off(&mut shard, key, load)?,
            }
        };
        // The load has a deadline, so this wait has one. The channel closes without an answer when the load panicked.
        let answer = answered
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|answer| answer.clone());
        answer.unwrap_or(Err(LoadError::Abandoned))
    }

    /// Begins a load that nobody waits for, unless one is under way or there are too many.
    pub(crate) fn refresh<F, Fut>(&self, key: K, load: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let mut shard = self.inner.write(&key);
        if !shard.flights.contains_key(&key) && self.take_off(&mut shard, key, load).is_ok() {
            self.inner.metrics.refreshes.inc();
        }
    }

    fn take_off<F, Fut>(
        &self,
        shard: &mut Shard<K, V, E>,
        key: K,
        load: F,
    ) -> Result<Answered<V, E>, LoadError<E>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let settings = &self.inner.settings;
        let loads_max = settings.loads_max.saturating_add(settings.loads_waiting_max);
        if self.inner.loads.fetch_add(1, Ordering::Relaxed) >= loads_max {
            self.inner.loads.fetch_sub(1, Ordering::Relaxed);
            self.inner.metrics.busy.inc();
            return Err(LoadError::Busy);
        }
        let (tell, answered) = watch::channel(None);
        let landing = Landing {
            inner: Arc::clone(&self.inner),
            key: key.clone(),
            tell: Some(tell),
        };
        shard.flights.insert(
            key,
            Flight {
                answered: answered.clone(),
            },
        );
        let work = fly(landing, load);
        match TraceContext::current() {
            Some(context) => tokio::spawn(context.scope(work)),
            None => tokio::spawn(work),
        };
        Ok(answered)
    }
}

async fn fly<K, V, E, F, Fut>(landing: Landing<K, V, E>, load: F)
where
    K: Hash + Eq + Clone,
    V: Clone,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<Option<V>, E>>,
{
    let inner = Arc::clone(&landing.inner);
    let in_turn = async {
        // Never closed; were it, the load would merely go unbounded.
        let _turn = inner.turns.acquire().await;
        let began = inner.clock.monotonic();
        let found = load().await;
        (began, found)
    };
    match timeout(inner.settings.load_timeout(), in_turn).await {
        Ok((began, Ok(found))) => landing.found(began, found),
        Ok((_, Err(error))) => {
            inner.metrics.origin_failed.inc();
            landing.failed(LoadError::Origin(Arc::new(error)));
        }
        Err(_) => {
            inner.metrics.timed_out.inc();
            landing.failed(LoadError::TimedOut);
        }
    }
}

/// Ends a flight however its task ends: found, failed, panicked or dropped with the runtime.
struct Landing<K: Hash + Eq + Clone, V: Clone, E> {
    inner: Arc<Inner<K, V, E>>,
    key: K,
    /// Taken when the flight has landed.
    tell: Option<watch::Sender<Option<Answer<V, E>>>>,
}

impl<K: Hash + Eq + Clone, V: Clone, E> Landing<K, V, E> {
    fn found(mut self, began: std::time::Duration, found: Option<V>) {
        let counter = if found.is_some() {
            &self.inner.metrics.found
        } else {
            &self.inner.metrics.absent
        };
        counter.inc();
        let delta = self.inner.clock.monotonic().saturating_sub(began);
        let Some(tell) = self.tell.take() else { return };
        let mut shard = self.inner.write(&self.key);
        if is_listed(&shard, &self.key, &tell) {
            shard.flights.remove(&self.key);
            self.inner
                .keep(&mut shard, self.key.clone(), found.clone(), began, delta);
        }
        drop(shard);
        tell.send_replace(Some(Ok(found)));
    }

    fn failed(mut self, error: LoadError<E>) {
        self.leave(Some(error));
    }

    fn leave(&mut self, error: Option<LoadError<E>>) {
        let Some(tell) = self.tell.take() else { return };
        let mut shard = self.inner.write(&self.key);
        if is_listed(&shard, &self.key, &tell) {
            shard.flights.remove(&self.key);
        }
        drop(shard);
        if let Some(error) = error {
            tell.send_replace(Some(Err(error)));
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, E> Drop for Landing<K, V, E> {
    fn drop(&mut self) {
        if self.tell.is_some() {
            self.inner.metrics.abandoned.inc();
            self.leave(None);
        }
        self.inner.loads.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether this very flight, not a later one of the same key, is the one that may fill the entry.
fn is_listed<K: Hash + Eq + Clone, V: Clone, E>(
    shard: &Shard<K, V, E>,
    key: &K,
    tell: &watch::Sender<Option<Answer<V, E>>>,
) -> bool {
    shard
        .flights
        .get(key)
        .is_some_and(|flight| tell.subscribe().same_channel(&flight.answered))
}
