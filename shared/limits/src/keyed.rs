use crate::{Decision, LimitError, LimitSettings, Rate, RateLimiter, TokenBucket};
use async_trait::async_trait;
use clock::SharedClock;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A full map is searched for recovered keys at most this often, so that a flood of new keys does not buy a walk each.
const SWEEP_INTERVAL: Duration = Duration::from_millis(10);

/// One token bucket a key.
#[derive(Debug)]
pub struct KeyedLimiter<K> {
    clock: SharedClock,
    rate: Rate,
    keys_max: usize,
    buckets: Mutex<Buckets<K>>,
}

#[derive(Debug)]
struct Buckets<K> {
    by_key: HashMap<K, TokenBucket>,
    /// No key recovers before this monotonic time: requests only push a recovery further off.
    recovers_next: Duration,
    /// Before this monotonic time, the last sweep was too short ago for another.
    sweep_again_at: Duration,
}

impl<K: Hash + Eq> KeyedLimiter<K> {
    /// A limiter that has seen no key yet.
    pub fn new(settings: &LimitSettings, clock: SharedClock) -> Self {
        Self::at_rate(settings.rate(), settings.keys_max, clock)
    }

    /// The same at any rate.
    pub fn at_rate(rate: Rate, keys_max: NonZeroUsize, clock: SharedClock) -> Self {
        Self {
            clock,
            rate,
            keys_max: keys_max.get(),
            buckets: Mutex::new(Buckets {
                by_key: HashMap::new(),
                recovers_next: Duration::MAX,
                sweep_again_at: Duration::ZERO,
            }),
        }
    }

    /// One request of `key`, now.
    pub fn check<Q>(&self, key: &Q) -> Decision
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let now = self.clock.monotonic();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        match buckets.by_key.get_mut(key) {
            Some(bucket) => bucket.step(&self.rate, now),
            None => self.first_step(&mut buckets, key.to_owned(), now),
        }
    }

    /// Puts back the token that a request of `key` took and did not use.
    pub(crate) fn give_back<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut guard = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let buckets = &mut *guard;
        if let Some(bucket) = buckets.by_key.get_mut(key) {
            bucket.give_back(&self.rate);
            // It may now be the first to recover.
            buckets.recovers_next = buckets.recovers_next.min(bucket.full_at());
        }
    }

    fn first_step(&self, buckets: &mut Buckets<K>, key: K, now: Duration) -> Decision {
        let worth_a_sweep_at = buckets.recovers_next.max(buckets.sweep_again_at);
        if buckets.by_key.len() >= self.keys_max && now >= worth_a_sweep_at {
            buckets.sweep(now);
        }
        if buckets.by_key.len() >= self.keys_max {
            let wait = buckets
                .recovers_next
                .max(buckets.sweep_again_at)
                .saturating_sub(now);
            return Decision {
                allowed: false,
                limit: self.rate.burst().get(),
                remaining: 0,
                reset_s: wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
                retry_after: Some(wait),
                keys_full: true,
            };
        }
        let mut bucket = TokenBucket::full();
        let decision = bucket.step(&self.rate, now);
        buckets.recovers_next = buckets.recovers_next.min(bucket.full_at());
        buckets.by_key.insert(key, bucket);
        decision
    }
}

#[async_trait]
impl RateLimiter for KeyedLimiter<String> {
    async fn check(&self, key: &str) -> Result<Decision, LimitError> {
        Ok(self.check(key))
    }
}

impl<K: Hash + Eq> Buckets<K> {
    /// Forgets keys whose buckets are full again: an absent bucket says the same.
    fn sweep(&mut self, now: Duration) {
        self.recovers_next = Duration::MAX;
        self.by_key.retain(|_, bucket| {
            let in_debt = bucket.full_at() > now;
            if in_debt {
                self.recovers_next = self.recovers_next.min(bucket.full_at());
            }
            in_debt
        });
        self.sweep_again_at = now.saturating_add(SWEEP_INTERVAL);
    }
}
