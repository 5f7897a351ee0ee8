use super::{Lease, Look, Notice, SharedCache, SharedError, WriteMark};
use async_trait::async_trait;
use bytes::Bytes;
use clock::SharedClock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;

/// Notices that wait for a slow reader; past it the reader is told of a gap.
const NOTICES_MAX: usize = 1_024;

/// A shared level in the memory of this process: for caches that share it within one program. Clones are one handle.
#[derive(Debug, Clone)]
pub struct MemorySharedCache {
    all: Arc<All>,
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct All {
    clock: SharedClock,
    keys_max: usize,
    keys: Mutex<HashMap<String, Slot>>,
    handles: Mutex<Vec<Arc<Handle>>>,
}

#[derive(Debug)]
struct Handle {
    notices: broadcast::Sender<Notice>,
    wipes: AtomicU64,
}

#[derive(Debug, Default)]
struct Slot {
    value: Option<(Option<Bytes>, Duration)>,
    lease: Option<(Lease, Duration)>,
    writers: Vec<(WriteMark, Duration)>,
}

impl Slot {
    /// Drops what is over, and says whether anything is left.
    fn is_alive(&mut self, now: Duration) -> bool {
        self.value.take_if(|(_, until)| *until <= now);
        self.lease.take_if(|(_, until)| *until <= now);
        self.writers.retain(|(_, until)| *until > now);
        self.value.is_some() || self.lease.is_some() || !self.writers.is_empty()
    }
}

impl MemorySharedCache {
    /// An empty level that keeps at most `keys_max` keys.
    pub fn new(keys_max: usize, clock: SharedClock) -> Self {
        let all = All {
            clock,
            keys_max,
            keys: Mutex::default(),
            handles: Mutex::default(),
        };
        Self::join(Arc::new(all))
    }

    /// Another handle of the same level, as another process would have one.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::join(Arc::clone(&self.all))
    }

    /// Loses everything, as a server that keeps nothing on disk does when it dies.
    pub fn wipe(&self) {
        self.keys().clear();
        for handle in self.handles().iter() {
            handle.wipes.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn join(all: Arc<All>) -> Self {
        let handle = Arc::new(Handle {
            notices: broadcast::Sender::new(NOTICES_MAX),
            wipes: AtomicU64::new(0),
        });
        let joined = Self { all, handle };
        joined.handles().push(Arc::clone(&joined.handle));
        joined
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.all.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handles(&self) -> MutexGuard<'_, Vec<Arc<Handle>>> {
        let mut handles = self.all.handles.lock().unwrap_or_else(PoisonError::into_inner);
        // One reference is the list's own.
        handles.retain(|handle| Arc::strong_count(handle) > 1);
        handles
    }

    /// The key's slot, if there is room for one.
    fn with_slot<T>(&self, key: &str, act: impl FnOnce(&mut Slot, Duration) -> T) -> Option<T> {
        let now = self.all.clock.monotonic();
        let mut keys = self.keys();
        if keys.len() >= self.all.keys_max && !keys.contains_key(key) {
            keys.retain(|_, slot| slot.is_alive(now));
            if keys.len() >= self.all.keys_max {
                // What is merely remembered makes room, many at a time so that this is rare; leases and writers keep theirs.
                let idle = keys
                    .iter()
                    .filter(|(_, slot)| slot.lease.is_none() && slot.writers.is_empty());
                let idle: Vec<String> = idle
                    .map(|(key, _)| key.clone())
                    .take(self.all.keys_max / 16 + 1)
                    .collect();
                for key in &idle {
                    keys.remove(key);
                }
            }
            if keys.len() >= self.all.keys_max {
                return None;
            }
        }
        let slot = keys.entry(key.to_owned()).or_default();
        slot.is_alive(now);
        let told = act(slot, now);
        if !slot.is_alive(now) {
            keys.remove(key);
        }
        Some(told)
    }
}

#[async_trait]
impl SharedCache for MemorySharedCache {
    async fn look(&self, key: &str, lease_for: Duration) -> Result<Look, SharedError> {
        let look = self.with_slot(key, |slot, now| match &slot.value {
            Some((Some(value), _)) => Look::Hit(value.clone()),
            Some((None, _)) => Look::Absent,
            None if slot.lease.is_some() || !slot.writers.is_empty() => Look::Load,
            None => {
                let lease = Lease::granted(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
                slot.lease = Some((lease, now + lease_for));
                Look::Fill(lease)
            }
        });
        Ok(look.unwrap_or(Look::Load))
    }

    async fn fill(
        &self,
        key: &str,
        lease: Lease,
        value: Option<Bytes>,
        ttl: Duration,
    ) -> Result<bool, SharedError> {
        let kept = self.with_slot(key, |slot, now| {
            let until = Duration::from_millis(lease.granted_at_ms) + ttl;
            if slot.lease.take_if(|(held, _)| *held == lease).is_none() || until <= now {
                return false;
            }
            slot.value = Some((value, until));
            true
        });
        Ok(kept.unwrap_or(false))
    }

    async fn begin_write(&self, key: &str, mark: WriteMark, hold: Duration) -> Result<(), SharedError> {
        self.with_slot(key, |slot, now| {
            if slot.writers.len() >= super::WRITERS_MAX {
                return Err(SharedError::Busy);
            }
            slot.value = None;
            slot.lease = None;
            slot.writers.push((mark, now + hold));
            Ok(())
        })
        .unwrap_or(Err(SharedError::Busy))
    }

    async fn end_write(&self, key: &str, mark: WriteMark) -> Result<(), SharedError> {
        self.with_slot(key, |slot, _| {
            slot.value = None;
            slot.lease = None;
            slot.writers.retain(|(other, _)| *other != mark);
        });
        let notice = Notice::Key(key.into());
        for handle in self.handles().iter() {
            if !Arc::ptr_eq(handle, &self.handle) {
                // An error only says that nobody listens.
                let _ = handle.notices.send(notice.clone());
            }
        }
        Ok(())
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.handle.notices.subscribe()
    }

    fn hears(&self) -> Option<u64> {
        Some(0)
    }

    fn wipes(&self) -> u64 {
        self.handle.wipes.load(Ordering::SeqCst)
    }

    async fn probe(&self) -> Result<(), SharedError> {
        Ok(())
    }
}
