//! Where a value that is not near comes from: the shared level, the origin, or what was last known.

use crate::LoadError;
use crate::cache::Inner;
use crate::far::Far;
use crate::shared::{Lease, Look, WhenSharedLost};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// What a flight brought.
pub(crate) struct Brought<V> {
    pub(crate) value: Option<V>,
    /// When asking for it began.
    pub(crate) as_of: Duration,
    source: Source,
}

enum Source {
    /// Where it may be filled in, if it may.
    Origin(Option<(String, Lease)>),
    Shared,
    Stale,
}

impl<V> Brought<V> {
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self.source, Source::Stale)
    }
}

impl<K: Hash + Eq + Clone, V: Clone, E> Inner<K, V, E> {
    /// Asks the shared level, where there is one, and else the origin. `place` is what the flight takes up: a flight that
    /// goes on to the origin changes its place.
    pub(crate) async fn bring<F, Fut>(
        &self,
        key: &K,
        place: &mut OwnedSemaphorePermit,
        load: F,
    ) -> Result<Brought<V>, LoadError<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<V>, E>>,
    {
        let Some(far) = &self.far else {
            return self.load(load, None).await;
        };
        far.hears_since();
        let as_of = self.clock.monotonic();
        let shared = |value| {
            Ok(Brought {
                value,
                as_of,
                source: Source::Shared,
            })
        };
        let text = (far.codec.key)(key);
        let look = far.look(&text).await;
        let reached = look.is_ok();
        let fill = match look {
            Ok(Look::Absent) => return shared(None),
            Ok(Look::Hit(bytes)) => {
                if let Some(value) = (far.codec.decode)(&bytes) {
                    return shared(Some(value));
                }
                far.metrics.operation("look", "unreadable");
                None
            }
            Ok(Look::Fill(lease)) => Some((text, lease)),
            Ok(Look::Load) | Err(_) => None,
        };
        if !far.admits(reached) {
            let Some(value) = self.stale(key, far, reached) else {
                far.metrics.refused.inc();
                return Err(LoadError::Limited);
            };
            far.metrics.stale.inc();
            return Ok(Brought {
                value: Some(value),
                as_of,
                source: Source::Stale,
            });
        }
        *place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            self.metrics.busy.inc();
            LoadError::Busy
        })?;
        self.load(load, fill).await
    }

    /// What was last known of a key, if it may be served although its time is over. While the level answers, others change what
    /// they like: only what was read since no message of theirs was missed is known not to be changed.
    fn stale(&self, key: &K, far: &Far<K, V>, reached: bool) -> Option<V> {
        if far.settings.when_lost != WhenSharedLost::Stale {
            return None;
        }
        let newer_than = if reached { Some(far.hears_since()?) } else { None };
        self.kept(key, newer_than, far.settings.stale_max())
    }

    async fn load<F, Fut>(&self, load: F, fill: Option<(String, Lease)>) -> Result<Brought<V>, LoadError<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<V>, E>>,
    {
        // Never closed; were it, the load would merely go unbounded.
        let _turn = self.turns.acquire().await;
        let as_of = self.clock.monotonic();
        match load().await {
            Ok(value) => {
                let counter = if value.is_some() {
                    &self.metrics.found
                } else {
                    &self.metrics.absent
                };
                counter.inc();
                Ok(Brought {
                    value,
                    as_of,
                    source: Source::Origin(fill),
                })
            }
            Err(error) => {
                self.metrics.origin_failed.inc();
                Err(LoadError::Origin(Arc::new(error)))
            }
        }
    }

    /// Tells the shared level what the origin said, if it wants to know.
    pub(crate) async fn fill(&self, brought: Brought<V>) {
        if let (Some(far), Source::Origin(Some((text, lease)))) = (&self.far, brought.source) {
            let ttl = if brought.value.is_some() {
                self.settings.ttl(true)
            } else {
                far.settings.absent_ttl()
            };
            far.fill(&text, lease, brought.value.as_ref(), self.jittered(ttl))
                .await;
        }
    }
}
