//! The issuer's keys as this role knows them: fetched on first need, refreshed in the background, kept for a stated
//! time when the issuer is down, and never fetched more often than a limit, whatever tokens claim.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use clock::SharedClock;
use jsonwebtoken::DecodingKey;
use tokio::sync::Mutex;

use crate::error::{FetchKeysError, VerifyError};
use crate::keys::Jwks;

/// The most keys taken from one set.
const KEYS_MAX: usize = 64;

/// Where the issuer's published keys come from. One call is one attempt: no retries inside, [`crate::Verifier`] decides
/// when to ask again and gives up waiting after its own deadline.
#[async_trait]
pub trait FetchKeys: Send + Sync + 'static {
    /// The issuer's current key set.
    async fn fetch(&self) -> Result<Jwks, FetchKeysError>;
}

/// A fixed key set: for a role that is given its keys, and for tests.
#[derive(Clone, Debug)]
pub struct StaticKeys(pub Jwks);

#[async_trait]
impl FetchKeys for StaticKeys {
    async fn fetch(&self) -> Result<Jwks, FetchKeysError> {
        Ok(self.0.clone())
    }
}

/// How fresh keys are kept; see `VerifierSettings` for what each means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyTimes {
    pub(crate) max_age: Duration,
    pub(crate) stale_max: Duration,
    pub(crate) unknown_interval: Duration,
    pub(crate) retry_interval: Duration,
    pub(crate) fetch_timeout: Duration,
}

struct KeySet {
    keys: HashMap<String, DecodingKey>,
    fetched_at: Duration,
}

struct Inner {
    source: Arc<dyn FetchKeys>,
    clock: SharedClock,
    times: KeyTimes,
    current: ArcSwapOption<KeySet>,
    /// When the last attempt ended; holding the lock is making one, so there is one at a time.
    last_attempt: Mutex<Option<Duration>>,
}

#[derive(Clone)]
pub(crate) struct KeyRing(Arc<Inner>);

impl KeyRing {
    pub(crate) fn new(source: Arc<dyn FetchKeys>, clock: SharedClock, times: KeyTimes) -> Self {
        let current = ArcSwapOption::empty();
        Self(Arc::new(Inner {
            source,
            clock,
            times,
            current,
            last_attempt: Mutex::new(None),
        }))
    }

    /// Whether `kid` is in a set that is still trusted; starts a background refresh when that set has aged.
    pub(crate) fn knows(&self, kid: &str) -> bool {
        self.trusted().is_some_and(|set| set.keys.contains_key(kid))
    }

    /// The key `kid`; asks the issuer when there is no trusted set, or (at most once an interval) when the set lacks it.
    pub(crate) async fn key(&self, kid: &str) -> Result<DecodingKey, VerifyError> {
        let times = self.0.times;
        let known = self.trusted();
        if let Some(key) = known.as_ref().and_then(|set| set.keys.get(kid)) {
            return Ok(key.clone());
        }
        let interval = if known.is_some() {
            times.unknown_interval
        } else {
            times.retry_interval
        };
        self.refresh(interval).await;
        let set = self.trusted().ok_or(VerifyError::KeysUnavailable)?;
        set.keys.get(kid).cloned().ok_or(VerifyError::UnknownKey)
    }

    fn trusted(&self) -> Option<Arc<KeySet>> {
        let set = self.0.current.load_full()?;
        let age = self.0.clock.monotonic().saturating_sub(set.fetched_at);
        if age >= self.0.times.stale_max {
            return None;
        }
        if age >= self.0.times.max_age && self.0.last_attempt.try_lock().is_ok_and(|last| self.due(*last)) {
            let ring = self.clone();
            tokio::spawn(async move { ring.attempt(ring.0.times.retry_interval).await });
        }
        Some(set)
    }

    fn due(&self, last: Option<Duration>) -> bool {
        self.due_after(last, self.0.times.retry_interval)
    }

    fn due_after(&self, last: Option<Duration>, interval: Duration) -> bool {
        last.is_none_or(|at| self.0.clock.monotonic().saturating_sub(at) >= interval)
    }

    /// Asks the issuer unless somebody did within `interval`. In a task of its own: a caller that goes away must not
    /// cancel the fetch that others wait for.
    async fn refresh(&self, interval: Duration) {
        if self
            .0
            .last_attempt
            .try_lock()
            .is_ok_and(|last| !self.due_after(*last, interval))
        {
            return;
        }
        let ring = self.clone();
        // The only error is a panic in the source; the set is then what it was.
        drop(tokio::spawn(async move { ring.attempt(interval).await }).await);
    }

    async fn attempt(&self, interval: Duration) {
        let mut last = self.0.last_attempt.lock().await;
        if !self.due_after(*last, interval) {
            return;
        }
        let answer = match tokio::time::timeout(self.0.times.fetch_timeout, self.0.source.fetch()).await {
            Ok(answer) => answer.and_then(|set| usable(&set)),
            Err(_) => Err(FetchKeysError::Unreachable("no answer in time".to_owned())),
        };
        let now = self.0.clock.monotonic();
        *last = Some(now);
        match answer {
            Ok(keys) => self.0.current.store(Some(Arc::new(KeySet {
                keys,
                fetched_at: now,
            }))),
            Err(error) => tracing::warn!(code = error.code(), %error, "keeping the last good key set"),
        }
    }
}

/// The Ed25519 keys of a set. A set without any is refused: an issuer that lost its keys must not log everybody out.
fn usable(set: &Jwks) -> Result<HashMap<String, DecodingKey>, FetchKeysError> {
    let keys: HashMap<_, _> = set
        .keys
        .iter()
        .filter_map(|key| key.ed25519())
        .take(KEYS_MAX)
        .map(|(kid, bytes)| (kid.to_owned(), DecodingKey::from_ed_der(&bytes)))
        .collect();
    if keys.is_empty() {
        return Err(FetchKeysError::Unusable(
            "it holds no Ed25519 key with an id".to_owned(),
        ));
    }
    Ok(keys)
}
