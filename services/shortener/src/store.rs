//! The port to whatever keeps the links. Semantics only; `tests/shortener/contract.rs` is the suite that every engine passes.

pub mod cql;
pub mod domain_rules;
pub mod slots;
pub mod sqlite;
pub mod statistics;
mod stored;

use std::ops::Range;

use async_trait::async_trait;
use futures::StreamExt as _;
use idempotency::{Fingerprint, IdempotencyKey};
use identity::{Tenant, User};
use ids::Id;

use crate::link::{Code, CountedLink, Link};

/// Where links, their counts, idempotency records and the state of the code space are kept.
///
/// **Atomicity.** What a method does to one link is one atomic step, and on return of `Ok` all of a write is there and durable. What
/// goes with the link (its record, its place in the list, its counts) and the links of one batch of clicks may be seen to follow one
/// by one where an engine has no transaction over several rows; but no link is seen without its place in the list, and no
/// record before its link.
///
/// **Order.** All operations on one code are linearizable, as are those on the code space. A read begun after a write was
/// acknowledged sees it.
///
/// **Tenants.** Every method but [`resolve`](Self::resolve) takes a tenant or something that carries one, and neither shows
/// nor changes what belongs to another: the other tenant's link is simply not there.
///
/// **Expiry.** Nothing is hidden by time: an expired link is kept and shown until it is deleted, and the caller judges. An expired
/// idempotency record counts as absent, judged by the time handed in.
///
/// **Unknown outcomes.** After [`StoreError::Unknown`] the write may stand already, in part, or land later, or never: a read that does
/// not find it proves nothing. Repeating it is what settles it: by its idempotency key, link id, revision, or event id it has one
/// effect. After any other error nothing was written that can be seen. A future dropped half-way leaves what an unknown outcome leaves.
#[async_trait]
pub trait LinkStore: Send + Sync + 'static {
    /// Inserts a link if its code is free and, with it, the idempotency record whose answer it is.
    ///
    /// The record is looked at first: if a live one is there, nothing is written and the answer is [`Created::Before`],
    /// whatever the record's fingerprint, which the caller compares. Of any number of racing claims of one code exactly one gets
    /// [`Created::Now`]. The present time is the record's `asked_at_ms`. Repeated without a record, a create is answered
    /// [`Created::Now`] again while its link stands.
    async fn create(&self, link: &Link, record: Option<&NewRecord>) -> Result<Created, StoreError>;

    /// [`create`](Self::create) for many links, each with an outcome of its own, in their order. No two of them have the same code or
    /// the same idempotency key.
    async fn create_many(&self, links: &[NewLink]) -> Vec<Result<Created, StoreError>> {
        let mut each = Vec::with_capacity(links.len());
        for new in links {
            each.push(self.create(&new.link, new.record.as_ref()));
        }
        futures::stream::iter(each)
            .buffered(CREATES_AT_ONCE)
            .collect()
            .await
    }

    /// The live idempotency record under `scope`, if there is one.
    async fn recall(&self, scope: &RecordScope, now_ms: u64) -> Result<Option<Record>, StoreError>;

    /// The link behind a code, whomever it belongs to: for redirects, which carry no tenant.
    async fn resolve(&self, code: &Code) -> Result<Option<Link>, StoreError>;

    /// A tenant's link with its counts.
    async fn find(&self, tenant: &Tenant, code: &Code) -> Result<Option<CountedLink>, StoreError>;

    /// A tenant's links with smaller ids than `before`, largest id first, at most `limit`. Paging by the last id seen shows every link
    /// that exists throughout exactly once, whatever is made and deleted meanwhile.
    async fn list(
        &self,
        tenant: &Tenant,
        before: Option<Id>,
        limit: u32,
    ) -> Result<Vec<CountedLink>, StoreError>;

    /// Stores a changed link if the stored one has the same tenant, code and id, and the revision just before it.
    /// `false` when it has changed or gone meanwhile.
    async fn replace(&self, link: &Link) -> Result<bool, StoreError>;

    /// Deletes a tenant's link with its counts; `false` when there is none. The code is free from then on. Of several at the same
    /// time at least one is answered `true`.
    async fn delete(&self, tenant: &Tenant, code: &Code) -> Result<bool, StoreError>;

    /// Takes the next `count` counters below `ceiling`, which nobody was given before or will be again.
    /// [`StoreError::CodesExhausted`] when fewer are left. Counters may be skipped: those of an unknown outcome are nobody's.
    async fn lease_counters(&self, count: u64, ceiling: u64) -> Result<Range<u64>, StoreError>;

    /// The fingerprint of the code key, if one was ever pinned.
    async fn key_fingerprint(&self) -> Result<Option<String>, StoreError>;

    /// Pins the fingerprint unless one is pinned already; answers with the one that holds now.
    async fn pin_key_fingerprint(&self, fingerprint: &str) -> Result<String, StoreError>;

    /// Adds a batch to the counts, once however often its event is handed in: the event id is remembered with each link's count.
    /// Counts of links that are gone are dropped. `false` when the event had been counted before.
    async fn add_clicks(&self, batch: &ClickBatch) -> Result<bool, StoreError>;

    /// Forgets up to `rows_max` expired idempotency records and as many event ids counted before `events_before_ms`;
    /// answers how many in all; always 0 where rows end by themselves. Never needed for correctness.
    async fn collect_garbage(
        &self,
        now_ms: u64,
        events_before_ms: u64,
        rows_max: u32,
    ) -> Result<u64, StoreError>;
}

/// Links of one call that are made at the same time, where each is made by itself.
const CREATES_AT_ONCE: usize = 16;

/// A link to be made, and the idempotency record whose answer it is.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// The link.
    pub link: Link,
    /// The record, if its maker sent a key.
    pub record: Option<NewRecord>,
}

/// Whose idempotency key it is: the same text of another user is another key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordScope {
    /// The tenant.
    pub tenant: Tenant,
    /// The user who sent it.
    pub user: User,
    /// The key.
    pub key: IdempotencyKey,
}

/// An idempotency record to be written beside its effect.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// Whose key.
    pub scope: RecordScope,
    /// Of the request that carried it.
    pub fingerprint: Fingerprint,
    /// When the request came (Unix ms): a live record under its key is one that lives then.
    pub asked_at_ms: u64,
    /// From when on it counts as absent (Unix ms).
    pub expires_at_ms: u64,
}

/// A stored idempotency record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Of the request that was answered.
    pub fingerprint: Fingerprint,
    /// The link as it was made, however it has changed since.
    pub link: Link,
}

/// How [`LinkStore::create`] ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    /// This call made the link.
    Now,
    /// The idempotency key was used before; nothing was written.
    Before(Box<Record>),
    /// The code belongs to another link; nothing was written.
    Taken,
}

/// Clicks of one event, summed up by link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClickBatch {
    /// The event's id.
    pub event_id: String,
    /// When it is counted (Unix ms).
    pub counted_at_ms: u64,
    /// The sums.
    pub links: Vec<LinkClicks>,
}

/// Clicks on one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkClicks {
    /// Whose link.
    pub tenant: Tenant,
    /// The link.
    pub link_id: Id,
    /// How many.
    pub count: u64,
    /// The latest (Unix ms).
    pub last_at_ms: u64,
}

/// An error of the engine behind the port.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Not reachable, busy, full or read-only. Nothing was written.
    #[error("the link store is unavailable: {0}")]
    Unavailable(String),
    /// The write may or may not stand.
    #[error("the outcome of a write to the link store is unknown: {0}")]
    Unknown(String),
    /// All generated codes are given out.
    #[error("every generated code is given out")]
    CodesExhausted,
    /// The store holds something this program cannot have written.
    #[error("the link store holds what cannot be read: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "store_unavailable",
            Self::Unknown(_) => "store_outcome_unknown",
            Self::CodesExhausted => "codes_exhausted",
            Self::Corrupt(_) => "store_corrupt",
        }
    }

    /// Whether the same call may succeed later, nothing having been written.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

resilience::engine_errors![StoreError];
