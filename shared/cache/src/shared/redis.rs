use super::{Lease, Look, Notice, SharedCache, SharedError, WRITERS_MAX, WriteMark};
use async_trait::async_trait;
use bytes::Bytes;
use redis_engine::{Effect, Key, Redis, RedisError, Script, Subscription, cmd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

/// Notices that wait for a slow reader; past it the reader is told of a gap.
const NOTICES_MAX: usize = 4_096;

/// What a stored value begins with.
const PRESENT: u8 = b'V';
const ABSENT: u8 = b'A';

/// `KEYS`: value, lease, writers. `ARGV`: token, milliseconds of the lease. Answers `{1, value}`, `{2, now}` when the lease
/// was granted, else `{0, ''}`.
static LOOK: Script = Script::new(
    "cache_look",
    "local value = redis.call('GET', KEYS[1])
     if value then return {1, value} end
     if redis.call('EXISTS', KEYS[2]) == 1 then return {0, ''} end
     local time = redis.call('TIME')
     local now = time[1] * 1000 + math.floor(time[2] / 1000)
     if redis.call('EXISTS', KEYS[3]) == 1 then
       redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
       if redis.call('EXISTS', KEYS[3]) == 1 then return {0, ''} end
     end
     redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
     return {2, string.format('%d', now)}",
);

/// `KEYS`: value, lease. `ARGV`: token, when it was granted, time to live, the value as stored.
static FILL: Script = Script::new(
    "cache_fill",
    "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
     redis.call('DEL', KEYS[2])
     local time = redis.call('TIME')
     local now = time[1] * 1000 + math.floor(time[2] / 1000)
     local left = math.min(ARGV[2] + ARGV[3] - now, tonumber(ARGV[3]))
     if left < 1 then return 0 end
     redis.call('SET', KEYS[1], ARGV[4], 'PX', string.format('%d', left))
     return 1",
);

/// `KEYS`: value, lease, writers. `ARGV`: mark, milliseconds of its hold, the most writers.
static BEGIN: Script = Script::new(
    "cache_begin_write",
    "local time = redis.call('TIME')
     local now = time[1] * 1000 + math.floor(time[2] / 1000)
     redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
     if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[3]) then return 0 end
     redis.call('DEL', KEYS[1], KEYS[2])
     redis.call('ZADD', KEYS[3], string.format('%d', now + ARGV[2]), ARGV[1])
     if redis.call('PTTL', KEYS[3]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[3], ARGV[2]) end
     return 1",
);

/// `KEYS`: value, lease, writers. `ARGV`: mark.
static END: Script = Script::new(
    "cache_end_write",
    "redis.call('DEL', KEYS[1], KEYS[2])
     return redis.call('ZREM', KEYS[3], ARGV[1])",
);

/// The shared level in a Redis: three keys (value, lease, writers) with one hash tag for each key of the cache, each step one
/// script. Nothing in it has to outlive Redis. Clones are one handle.
#[derive(Debug, Clone)]
pub struct RedisSharedCache {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    redis: Redis,
    /// For reads: a stalled Redis is given up soon.
    quick: Redis,
    name: String,
    /// Tells this handle's messages from others'.
    sender: String,
    notices: broadcast::Sender<Notice>,
    /// Where the level keeps a random number that is gone when everything is.
    era_key: Key,
    era: Mutex<Option<String>>,
    wipes: AtomicU64,
    /// How often the subscription came or went: odd while it stands.
    turns: AtomicU64,
    listener: OnceLock<AbortHandle>,
}

impl RedisSharedCache {
    /// The level called `name` in this Redis: handles of one name share it. Needs the runtime it is made in, where it
    /// listens to the others until its last clone is dropped.
    pub fn new(redis: Redis, name: &str) -> Result<Self, SharedError> {
        let handle = Arc::new(Handle {
            quick: redis.quick(),
            name: name.to_owned(),
            sender: format!("{:016x}", rand::random::<u64>()),
            notices: broadcast::Sender::new(NOTICES_MAX),
            era_key: redis.key(name, "era"),
            era: Mutex::default(),
            wipes: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            listener: OnceLock::new(),
            redis,
        });
        let subscription = handle.redis.subscribe(&handle.channel())?;
        let listener = tokio::spawn(listen(Arc::downgrade(&handle), subscription));
        // Just made, so nobody set it before.
        let _ = handle.listener.set(listener.abort_handle());
        Ok(Self { handle })
    }
}

/// Passes on what others write.
async fn listen(handle: Weak<Handle>, mut subscription: Subscription) {
    loop {
        let notice = subscription.next().await;
        let Some(handle) = handle.upgrade() else { return };
        let notice = match notice {
            redis_engine::Notice::Message(message) => handle.heard(&message),
            redis_engine::Notice::Lost => {
                handle.turn(false);
                Some(Notice::Gap)
            }
            redis_engine::Notice::Ready => {
                handle.turn(true);
                // A look asks again if this fails. It is asked here for a handle that so far had no reason to.
                let _ = handle.check_era(&handle.redis).await;
                None
            }
        };
        if let Some(notice) = notice {
            // An error only says that nobody listens.
            let _ = handle.notices.send(notice);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get() {
            listener.abort();
        }
    }
}

impl Handle {
    fn channel(&self) -> String {
        format!("{}:writes", self.name)
    }

    /// The keys of value, lease and writers.
    fn keys(&self, key: &str) -> [Key; 3] {
        let tag = format!("{}:{key}", self.name);
        ["value", "lease", "writers"].map(|rest| self.redis.key(&tag, rest))
    }

    /// Finds out whether the level lost everything since this handle last asked.
    async fn check_era(&self, redis: &Redis) -> Result<(), RedisError> {
        let fresh = format!("{:016x}", rand::random::<u64>());
        let mut set = cmd("SET");
        set.arg(self.era_key.as_str()).arg(&fresh).arg("NX").arg("GET");
        let kept: Option<String> = redis.query("cache_era", Effect::Read, &set).await?;
        let now = kept.unwrap_or(fresh);
        let mut era = self.era.lock().unwrap_or_else(PoisonError::into_inner);
        if era.replace(now.clone()).is_some_and(|before| before != now) {
            self.wipes.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    /// The subscription stands from now on, or no longer. Only the listener calls this.
    fn turn(&self, stands: bool) {
        let stood = self.turns.load(Ordering::SeqCst) % 2 == 1;
        let by = match (stood, stands) {
            (true, true) => 2,
            (false, false) => 0,
            _ => 1,
        };
        self.turns.fetch_add(by, Ordering::SeqCst);
    }

    /// A message of another handle, as a notice.
    fn heard(&self, message: &[u8]) -> Option<Notice> {
        let (sender, key) = std::str::from_utf8(message).ok()?.split_once(' ')?;
        (sender != self.sender).then(|| Notice::Key(key.into()))
    }
}

#[async_trait]
impl SharedCache for RedisSharedCache {
    async fn look(&self, key: &str, lease_for: Duration) -> Result<Look, SharedError> {
        let handle = &self.handle;
        let [value, lease, writers] = handle.keys(key);
        let token: u64 = rand::random();
        let call = handle.quick.script(&LOOK).key(&value).key(&lease).key(&writers);
        let (kind, told): (u8, Vec<u8>) = call.arg(token).arg(whole_ms(lease_for)).run().await?;
        match (kind, told) {
            (1, stored) => found(stored),
            (2, now) => {
                handle.check_era(&handle.quick).await?;
                let granted_at_ms = std::str::from_utf8(&now).ok().and_then(|now| now.parse().ok());
                let granted_at_ms =
                    granted_at_ms.ok_or_else(|| SharedError::Corrupt("not a time".to_owned()))?;
                Ok(Look::Fill(Lease { token, granted_at_ms }))
            }
            _ => {
                handle.check_era(&handle.quick).await?;
                Ok(Look::Load)
            }
        }
    }

    async fn fill(
        &self,
        key: &str,
        lease: Lease,
        value: Option<Bytes>,
        ttl: Duration,
    ) -> Result<bool, SharedError> {
        let [value_key, lease_key, _] = self.handle.keys(key);
        let stored = match value {
            Some(value) => [&[PRESENT], value.as_ref()].concat(),
            None => vec![ABSENT],
        };
        let call = self
            .handle
            .quick
            .script(&FILL)
            .key(&value_key)
            .key(&lease_key)
            .arg(lease.token)
            .arg(lease.granted_at_ms)
            .arg(whole_ms(ttl));
        Ok(call.arg(stored).run::<u8>().await? == 1)
    }

    async fn begin_write(&self, key: &str, mark: WriteMark, hold: Duration) -> Result<(), SharedError> {
        let [value, lease, writers] = self.handle.keys(key);
        let call = self
            .handle
            .redis
            .script(&BEGIN)
            .key(&value)
            .key(&lease)
            .key(&writers);
        let begun: u8 = call
            .arg(mark.0)
            .arg(whole_ms(hold))
            .arg(WRITERS_MAX)
            .run()
            .await?;
        if begun == 1 {
            Ok(())
        } else {
            Err(SharedError::Busy)
        }
    }

    async fn end_write(&self, key: &str, mark: WriteMark) -> Result<(), SharedError> {
        let [value, lease, writers] = self.handle.keys(key);
        let call = self.handle.redis.script(&END).key(&value).key(&lease);
        let _: u8 = call.key(&writers).arg(mark.0).run().await?;
        let message = format!("{} {key}", self.handle.sender);
        self.handle
            .redis
            .publish(&self.handle.channel(), message.as_bytes())
            .await?;
        Ok(())
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.handle.notices.subscribe()
    }

    fn hears(&self) -> Option<u64> {
        let turns = self.handle.turns.load(Ordering::SeqCst);
        (turns % 2 == 1).then_some(turns)
    }

    fn wipes(&self) -> u64 {
        self.handle.wipes.load(Ordering::SeqCst)
    }

    async fn probe(&self) -> Result<(), SharedError> {
        Ok(self.handle.redis.probe().await?)
    }
}

fn found(mut stored: Vec<u8>) -> Result<Look, SharedError> {
    match stored.first() {
        Some(&PRESENT) => Ok(Look::Hit(Bytes::from(stored.split_off(1)))),
        Some(&ABSENT) => Ok(Look::Absent),
        _ => Err(SharedError::Corrupt("no such kind of value".to_owned())),
    }
}

/// Redis counts in whole milliseconds, and takes no time to live of none.
fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, 1 << 50)
}

impl From<RedisError> for SharedError {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Skipped => Self::Skipped,
            RedisError::Unexpected(what) => Self::Corrupt(what),
            error => Self::Failed(error.to_string()),
        }
    }
}
