use crate::{Fingerprint, IdempotencyError, IdempotencySettings, Outcome, RunError};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::time::timeout;

/// The requests of this process that are being worked on, by scope (tenant, user and key). It saves the store from
/// copies that race; that there is one effect is still the store's promise, which also holds between processes.
#[derive(Debug)]
pub struct InFlight<K: Hash + Eq, T> {
    settings: IdempotencySettings,
    flights: Mutex<HashMap<K, Flight<T>>>,
}

#[derive(Debug)]
struct Flight<T> {
    fingerprint: Fingerprint,
    /// Gets the first's answer. When it closes without one, the first failed or was cancelled.
    answer: watch::Receiver<Option<T>>,
}

impl<K: Hash + Eq + Clone, T: Clone> InFlight<K, T> {
    /// With nothing in flight.
    pub fn new(settings: IdempotencySettings) -> Self {
        Self {
            settings,
            flights: Mutex::new(HashMap::new()),
        }
    }

    /// Runs `work`, unless a copy of the same request is already running: then its answer is waited for, and comes
    /// back as `Outcome::Replayed`. `work` itself says whether its answer is fresh (the store may know it from before).
    ///
    /// When the copy that runs fails, one that waits takes over with its own `work`; so a failure reaches only the
    /// caller whose work failed. Dropping the returned future drops `work`: run it in an owned task.
    pub async fn run<E, F, Fut>(
        &self,
        scope: K,
        fingerprint: Fingerprint,
        work: F,
    ) -> Result<Outcome<T>, RunError<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Outcome<T>, E>>,
    {
        let joined = timeout(self.settings.join_wait_max(), self.join(&scope, fingerprint)).await;
        let landing = match joined {
            Ok(Ok(Joined::First(landing))) => landing,
            Ok(Ok(Joined::Answer(answer))) => return Ok(Outcome::Replayed(answer)),
            Ok(Err(refusal)) => return Err(refusal.into()),
            Err(_) => {
                return Err(IdempotencyError::InFlight {
                    retry_after: self.settings.retry_after(),
                }
                .into());
            }
        };
        let outcome = work().await.map_err(RunError::Work)?;
        // Off the map before it is told: whoever comes later asks the store, which has the record by now.
        landing.tell(outcome.get().clone());
        Ok(outcome)
    }

    async fn join(&self, scope: &K, fingerprint: Fingerprint) -> Result<Joined<'_, K, T>, IdempotencyError> {
        loop {
            let mut answer = match self.board(scope, fingerprint)? {
                Boarded::First(landing) => return Ok(Joined::First(landing)),
                Boarded::Copy(answer) => answer,
            };
            // An error means that the first left without an answer: try to be the first.
            if let Ok(answer) = answer.wait_for(Option::is_some).await
                && let Some(answer) = answer.clone()
            {
                return Ok(Joined::Answer(answer));
            }
        }
    }

    fn board(&self, scope: &K, fingerprint: Fingerprint) -> Result<Boarded<'_, K, T>, IdempotencyError> {
        let mut flights = self.flights();
        let full = flights.len() >= self.settings.in_flight_max;
        match flights.entry(scope.clone()) {
            Entry::Occupied(flight) if flight.get().fingerprint != fingerprint => {
                Err(IdempotencyError::Mismatch)
            }
            Entry::Occupied(flight) => Ok(Boarded::Copy(flight.get().answer.clone())),
            Entry::Vacant(_) if full => Err(IdempotencyError::Overloaded {
                retry_after: self.settings.retry_after(),
            }),
            Entry::Vacant(place) => {
                let (tell, answer) = watch::channel(None);
                place.insert(Flight { fingerprint, answer });
                Ok(Boarded::First(Landing {
                    flights: &self.flights,
                    scope: scope.clone(),
                    tell,
                }))
            }
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<K, Flight<T>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Joined<'a, K: Hash + Eq, T> {
    First(Landing<'a, K, T>),
    Answer(T),
}

enum Boarded<'a, K: Hash + Eq, T> {
    First(Landing<'a, K, T>),
    Copy(watch::Receiver<Option<T>>),
}

/// Takes the flight off the map however its work ends: answered, failed, panicked or dropped.
struct Landing<'a, K: Hash + Eq, T> {
    flights: &'a Mutex<HashMap<K, Flight<T>>>,
    scope: K,
    tell: watch::Sender<Option<T>>,
}

impl<K: Hash + Eq, T> Landing<'_, K, T> {
    fn tell(self, answer: T) {
        let tell = self.tell.clone();
        drop(self);
        tell.send_replace(Some(answer));
    }
}

impl<K: Hash + Eq, T> Drop for Landing<'_, K, T> {
    fn drop(&mut self) {
        // The map goes first, the channel closes after: a copy that wakes up finds the place free.
        self.flights
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.scope);
    }
}
