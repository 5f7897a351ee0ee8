//! The port to the level that all processes share.

mod error;
mod memory;
mod redis;
mod settings;

pub use error::SharedError;
pub use memory::MemorySharedCache;
pub use redis::RedisSharedCache;
pub use settings::{SharedCacheSettings, WhenSharedLost, WritesWithoutShared};

use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// Writes of one key that may be under way at once.
const WRITERS_MAX: usize = 256;

/// What the shared level says about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The value. No write that was ended before the look is missing from it.
    Hit(Bytes),
    /// The origin said not long ago that there is none, and nobody wrote since.
    Absent,
    /// Nothing is known, and the caller may fill it in: load from the origin *after* this answer, then `fill`.
    Fill(Lease),
    /// Somebody writes, or fills: load from the origin and fill nothing in.
    Load,
}

/// The right to fill one key in, as long as nobody wrote it since. A random token, never a counter: a level that was
/// wiped knows no old lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    token: u64,
    granted_at_ms: u64,
}

impl Lease {
    /// A lease granted at `granted_at_ms` of the level's own clock.
    pub fn granted(granted_at_ms: u64) -> Self {
        Self {
            token: rand::random(),
            granted_at_ms,
        }
    }
}

/// One write under way. A writer draws it, so that it can end a write whose beginning it never saw acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteMark(u64);

impl WriteMark {
    /// A mark that no other write has.
    pub fn random() -> Self {
        Self(rand::random())
    }
}

/// What one process hears of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Another handle ended a write of this key.
    Key(Arc<str>),
    /// Messages may have been lost.
    Gap,
}

/// A cache shared by processes. Keys are strings, values are bytes.
///
/// The promise on which staleness bounds are built: once `begin_write` has returned, `look` answers neither `Hit` nor
/// `Absent` until `end_write` (or the hold's end), and what was read from the origin before then is never filled in after
/// it. That holds in any order of calls, after any loss of messages, and after the level lost everything it kept, as long
/// as `end_write` gets through. Every call that failed may still have its effect, now or later: each is harmless at any
/// time.
#[async_trait]
pub trait SharedCache: Send + Sync + Debug {
    /// What is known of a key. A lease granted in the answer ends after `lease_for`.
    async fn look(&self, key: &str, lease_for: Duration) -> Result<Look, SharedError>;

    /// Fills in what the origin said; `None` is "not there". Says whether the lease still held and it was kept. The time to
    /// live counts from when the lease was granted, by the level's clock: what is true then may be outdated any time after.
    async fn fill(
        &self,
        key: &str,
        lease: Lease,
        value: Option<Bytes>,
        ttl: Duration,
    ) -> Result<bool, SharedError>;

    /// To be called before a write to the origin: forgets the key and its leases, and nobody may fill it in until every
    /// write that began has ended, or outlived its hold.
    async fn begin_write(&self, key: &str, mark: WriteMark, hold: Duration) -> Result<(), SharedError>;

    /// To be called after a write to the origin: forgets the key and its leases once more, ends this write and tells every
    /// other handle.
    async fn end_write(&self, key: &str, mark: WriteMark) -> Result<(), SharedError>;

    /// What other handles write from now on. A handle is not told of its own writes.
    fn notices(&self) -> broadcast::Receiver<Notice>;

    /// Whether every message of others now arrives, and since when without a break: the number of the unbroken stretch, `None`
    /// while messages may be missed. What was read while it was the same number as now was told of if it was changed, but for
    /// what a connection that died in silence took along before that was noticed.
    fn hears(&self) -> Option<u64>;

    /// How often this handle found that the level had lost everything it kept. A look that answered `Fill` or `Load` has
    /// counted a loss before it.
    fn wipes(&self) -> u64;

    /// Whether the level answers, in truth.
    async fn probe(&self) -> Result<(), SharedError>;
}
