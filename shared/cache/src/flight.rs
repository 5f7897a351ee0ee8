use crate::LoadError;
use crate::bring::Brought;
use crate::cache::{Cache, Inner, Look, Shard};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use telemetry::TraceContext;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

type Answer<V, E> = Result<Option<V>, LoadError<E>>;
type Answered<V, E> = watch::Receiver<Option<Answer<V, E>>>;

/// A load under way. Once it is off its shard's list, by `invalidate` or `put`, it may answer its callers but not
/// fill the entry.
pub(crate) struct Flight<V, E> {
    answered: Answered<V, E>,
    began_at: Duration,
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
        let mut load = Some(load);
        let mut rounds = 0;
        loop {
            rounds += 1;
            let (mut answered, is_own) = {
                let mut shard = self.inner.write(&key);
                // The entry may have come between the look and the lock.
                if let Some(entry) = shard.shelf.get(&key)
                    && let Look::Fresh(lookup) | Look::Due(lookup) = self.inner.look(entry)
                {
                    return Ok(lookup.into_value());
                }
                match (
                    shard.flights.get(&key).filter(|flight| self.may_join(flight)),
                    load.take(),
                ) {
                    (None, Some(load)) => (self.take_off(&mut shard, key.clone(), load)?, true),
                    (Some(flight), kept) => {
                        load = kept;
                        (flight.answered.clone(), false)
                    }
                    (None, None) => return Err(LoadError::Abandoned),
                }
            };
            // The load has a deadline, so this wait has one. The channel closes without an answer when the load panicked.
            let answer = answered
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|answer| answer.clone());
            let answer = answer.unwrap_or(Err(LoadError::Abandoned));
            // A load that began before this caller came may have missed what another process created meanwhile and
            // acknowledged. The next load begins after it came.
            if is_own || rounds > 1 || self.inner.far.is_none() || !matches!(answer, Ok(None)) {
                return answer;
            }
        }
    }

    /// A load that hangs may bring what another process changed long ago; the bound on staleness counts from its start. So what
    /// a request that *begins* later than the bound after a change is told is new, though the answer to one that began within
    /// the bound may come as late as the load it waits for.
    fn may_join(&self, flight: &Flight<V, E>) -> bool {
        self.inner.far.as_ref().is_none_or(|far| {
            self.inner.clock.monotonic().saturating_sub(flight.began_at) < far.settings.near_ttl()
        })
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
        let places = match &self.inner.far {
            Some(_) => &self.inner.looks,
            None => &self.inner.places,
        };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            self.inner.metrics.busy.inc();
            return Err(LoadError::Busy);
        };
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
                began_at: self.inner.clock.monotonic(),
            },
        );
        let work = fly(landing, place, load);
        match TraceContext::current() {
            Some(context) => tokio::spawn(context.scope(work)),
            None => tokio::spawn(work),
        };
        Ok(answered)
    }
}

async fn fly<K, V, E, F, Fut>(landing: Landing<K, V, E>, mut place: OwnedSemaphorePermit, load: F)
where
    K: Hash + Eq + Clone,
    V: Clone,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<Option<V>, E>>,
{
    let inner = Arc::clone(&landing.inner);
    let bringing = inner.bring(&landing.key, &mut place, load);
    match timeout(inner.settings.load_timeout(), bringing).await {
        Ok(Ok(brought)) => {
            landing.found(&brought);
            // Behind the readers' backs, but still counted as a load under way.
            inner.fill(brought).await;
        }
        Ok(Err(error)) => landing.failed(error),
        Err(_) => {
            inner.metrics.timed_out.inc();
            landing.failed(LoadError::TimedOut);
        }
    }
    drop(place);
}

/// Ends a flight however its task ends: found, failed, panicked or dropped with the runtime.
struct Landing<K: Hash + Eq + Clone, V: Clone, E> {
    inner: Arc<Inner<K, V, E>>,
    key: K,
    /// Taken when the flight has landed.
    tell: Option<watch::Sender<Option<Answer<V, E>>>>,
}

impl<K: Hash + Eq + Clone, V: Clone, E> Landing<K, V, E> {
    fn found(mut self, brought: &Brought<V>) {
        let Some(tell) = self.tell.take() else { return };
        let delta = self.inner.clock.monotonic().saturating_sub(brought.as_of);
        let mut shard = self.inner.write(&self.key);
        if is_listed(&shard, &self.key, &tell) {
            shard.flights.remove(&self.key);
            if !brought.is_stale() {
                let (key, value) = (self.key.clone(), brought.value.clone());
                self.inner.keep(&mut shard, key, value, brought.as_of, delta);
            }
        }
        drop(shard);
        tell.send_replace(Some(Ok(brought.value.clone())));
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
