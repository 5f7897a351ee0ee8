//! Writes to the origin of which other processes must hear.

use crate::Cache;
use crate::cache::{Inner, Ticket};
use crate::shared::{Notice, SharedError, WriteMark, WritesWithoutShared};
use std::fmt;
use std::future::pending;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// The longest pause between two attempts to tell the shared level of a write.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A write to the origin under way: since before it began, and until `done`, no process fills the key in. Dropped without
/// `done`, as after a write whose outcome is unknown, it keeps the key out of the shared level until its hold ends.
#[must_use = "other processes learn of the write by `done`"]
pub struct WriteGuard<K, V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    cache: Cache<K, V, E>,
    key: K,
    ticket: Ticket,
    mark: WriteMark,
    creates: bool,
    ended: bool,
}

impl<K, V, E> Cache<K, V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// To be called *before* a change or a deletion in the origin, and `done` after it. Fails when the shared level cannot
    /// be told and `writes_without_shared` says to refuse; the origin must not be written then.
    pub async fn write(&self, key: K) -> Result<WriteGuard<K, V, E>, SharedError> {
        let mut guard = self.guard(key, false);
        if let Some(far) = &self.inner.far {
            let begun = far.begin_write(&(far.codec.key)(&guard.key), guard.mark).await;
            if let Err(error) = begun
                && far.settings.writes_without_shared == WritesWithoutShared::Refuse
            {
                // Nothing will be written, so what is known here stays right, and may have to be served stale.
                guard.ended = true;
                return Err(error);
            }
        }
        Ok(guard)
    }

    /// To be called *before* a creation in the origin, and `done` after it. Never fails: where the shared level cannot be
    /// told, `done` waits until nobody believes any more that the key is not there.
    pub async fn write_new(&self, key: K) -> WriteGuard<K, V, E> {
        let guard = self.guard(key, true);
        if let Some(far) = &self.inner.far {
            // `done` sees to it.
            let _ = far.begin_write(&(far.codec.key)(&guard.key), guard.mark).await;
        }
        guard
    }

    fn guard(&self, key: K, creates: bool) -> WriteGuard<K, V, E> {
        WriteGuard {
            ticket: self.ticket(&key),
            cache: self.clone(),
            key,
            mark: WriteMark::random(),
            creates,
            ended: false,
        }
    }

    /// Forgets what other processes write, for as long as the cache lives.
    pub(crate) fn listen(&self, mut notices: Receiver<Notice>) {
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                let notice = notices.recv().await;
                let Some(inner) = inner.upgrade() else { return };
                let cache = Self { inner };
                let Some(far) = &cache.inner.far else { return };
                match notice {
                    Ok(Notice::Key(text)) => {
                        far.metrics.key.inc();
                        if let Some(key) = (far.codec.parse_key)(&text) {
                            cache.invalidate(&key);
                        }
                    }
                    // Nothing is forgotten: the bound on staleness never rested on messages, and to drop everything just when
                    // the shared level went away would send every reader to the origin. What is served past that bound asks
                    // the level whether it hears (`Far::hears_since`).
                    Ok(Notice::Gap) => {
                        far.metrics.gap.inc();
                    }
                    Err(RecvError::Lagged(_)) => {
                        far.missed_notices();
                        far.metrics.gap.inc();
                    }
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }
}

impl<K, V, E> WriteGuard<K, V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// The origin was written: forgets the key here and tells every process. Call it before the write is acknowledged.
    ///
    /// An error says that the shared level could not be told *yet*; telling goes on behind. The write may be acknowledged
    /// all the same: nobody fills the key in until the hold ends, and what processes hold near ends with `near_ttl_ms`. Only
    /// a level that was wiped during the write may keep the old value, until it is told.
    pub async fn done(mut self) -> Result<(), SharedError> {
        self.ended = true;
        #[cfg(feature = "planted-bugs")]
        if planted_bugs::is_planted(planted_bugs::Bug::ChangeNotTold) {
            return Ok(());
        }
        self.cache.invalidate(&self.key);
        self.tell().await
    }

    /// The same, and keeps near what was written. Only for a writer that no other writer of the key can overtake.
    pub async fn done_with(mut self, value: V) -> Result<(), SharedError> {
        self.ended = true;
        self.cache.put(self.ticket, self.key.clone(), value);
        self.tell().await
    }

    async fn tell(&self) -> Result<(), SharedError> {
        let inner = Arc::clone(&self.cache.inner);
        let Some(far) = &inner.far else { return Ok(()) };
        let (first, answered) = oneshot::channel();
        // In a task of its own: a caller that goes away leaves no process untold.
        let told = tokio::spawn(tell(
            Arc::clone(&inner),
            (far.codec.key)(&self.key),
            self.mark,
            first,
        ));
        // It answers unless the runtime stops, and this caller with it.
        let answer = answered.await.unwrap_or(Err(SharedError::Skipped));
        if answer.is_err() && self.creates {
            let told = async {
                if !matches!(told.await, Ok(true)) {
                    pending::<()>().await;
                }
            };
            // What a process read before the creation is believed for no longer than this.
            let _ = timeout(far.settings.absent_ttl(), told).await;
            return Ok(());
        }
        answer
    }
}

/// Tells the shared level of an ended write until it knows, or can hold nothing any more from before the write. Says whether
/// it knows; there is not always a place to go on telling from.
async fn tell<K, V, E>(
    inner: Arc<Inner<K, V, E>>,
    text: String,
    mark: WriteMark,
    first: oneshot::Sender<Result<(), SharedError>>,
) -> bool {
    let Some(far) = &inner.far else { return true };
    let answer = far.end_write(&text, mark).await;
    let failed = answer.is_err();
    // An error only says that the writer went away.
    let _ = first.send(answer);
    if !failed {
        return true;
    }
    far.metrics.untold.inc();
    let Ok(_place) = Arc::clone(&far.untold).try_acquire_owned() else {
        tracing::warn!("too many writes wait for the shared cache; one is left to time");
        return false;
    };
    let again = async {
        let mut pause = Duration::from_millis(20);
        loop {
            sleep(pause).await;
            if far.end_write(&text, mark).await.is_ok() {
                return;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    };
    let pointless_after = inner.settings.ttl(true) + far.settings.write_hold();
    timeout(pointless_after, again).await.is_ok()
}

impl<K, V, E> Drop for WriteGuard<K, V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn drop(&mut self) {
        if !self.ended {
            self.cache.invalidate(&self.key);
        }
    }
}

impl<K, V, E> fmt::Debug for WriteGuard<K, V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteGuard")
            .field("mark", &self.mark)
            .finish_non_exhaustive()
    }
}
