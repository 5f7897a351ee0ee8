//! The port to whatever keeps the statistics: pages, the heads of lanes, and the keys of visitors' pseudonyms. What a page says is
//! none of its business. `tests/shortener/contract/statistics.rs` is the suite that every engine passes.

pub(super) mod stored;

use std::ops::RangeInclusive;

use async_trait::async_trait;
use identity::Tenant;
use ids::Id;

use super::StoreError;

/// Days since 1970-01-01, in UTC. Statistics have none before day 1.
pub type Day = u32;

/// Where statistics are kept.
///
/// **Versions.** A page or head is a pure function of the log up to a position, and carries that position. Of two versions the larger
/// position wins, in whatever order they arrive: a write that comes late, twice, or from somebody who lost his claim is harmless.
///
/// **Atomicity.** Each page is put whole or not; the pages of one call may be seen to follow one by one. The head of a call stands only
/// if all its pages do.
///
/// **Order.** A read begun after a put was acknowledged sees it, or a later version.
///
/// **Deleted links.** Deleting a link forgets its pages, also those that are put afterwards.
///
/// **Unknown outcomes.** After [`StoreError::Unknown`] any part of a put may stand, or land later. Repeating it settles it.
#[async_trait]
pub trait StatisticsStore: Send + Sync + 'static {
    /// The head of the partition's latest lane, if there is one.
    async fn head(&self, partition: u8) -> Result<Option<StoredHead>, StoreError>;

    /// The pages under these keys, in the order of the keys.
    async fn pages(&self, keys: &[PageKey]) -> Result<Vec<Option<StoredPage>>, StoreError>;

    /// Keeps the pages, and when all of them stand, the head.
    async fn put(&self, pages: &[StoredPage], head: Option<&StoredHead>) -> Result<(), StoreError>;

    /// Every lane's pages of one subject for these days, by day. The caller keeps the range short: a page may have 64 KiB.
    async fn read(
        &self,
        tenant: &Tenant,
        subject: Subject,
        days: RangeInclusive<Day>,
    ) -> Result<Vec<StoredPage>, StoreError>;

    /// Every lane's pages for all time of some subjects of a tenant, in no order.
    async fn totals(&self, tenant: &Tenant, subjects: &[Subject]) -> Result<Vec<StoredPage>, StoreError>;

    /// The key of a day's pseudonyms: `candidate` if there is none yet. Everybody who asks gets the same.
    async fn visitor_key(&self, day: Day, candidate: [u8; 32]) -> Result<[u8; 32], StoreError>;

    /// Forgets the keys of the days before this one, or has them end by themselves; nobody reads them again.
    async fn forget_visitor_keys(&self, before: Day) -> Result<(), StoreError>;

    /// Forgets up to `rows_max` pages of days before this one; answers how many, always 0 where they end by themselves. Pages for all
    /// time stay.
    async fn collect_pages(&self, before: Day, rows_max: u32) -> Result<u64, StoreError>;
}

/// What a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// All links of a tenant together.
    Tenant,
    /// One link.
    Link(Id),
}

/// Which time a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// From the first event on.
    AllTime,
    /// One UTC day.
    Day(Day),
}

/// A partition of the stream in one generation: a stream that was replaced begins at position 1 again, and so does what is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    /// The partition's number.
    pub partition: u8,
    /// How often the stream was replaced.
    pub generation: u32,
}

impl LaneId {
    /// One number for both: the generations of a partition lie 16 apart.
    pub fn number(self) -> u64 {
        u64::from(self.generation) * u64::from(streams::PARTITIONS) + u64::from(self.partition)
    }

    /// From that number, unless it is too large.
    pub fn from_number(number: u64) -> Option<Self> {
        let partition = number % u64::from(streams::PARTITIONS);
        Some(Self {
            partition: u8::try_from(partition).ok()?,
            generation: u32::try_from(number / u64::from(streams::PARTITIONS)).ok()?,
        })
    }
}

/// What tells a page from every other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageKey {
    /// Whose.
    pub tenant: Tenant,
    /// About what.
    pub subject: Subject,
    /// About when.
    pub period: Period,
    /// Out of which events.
    pub lane: LaneId,
}

/// A page as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPage {
    /// Which page.
    pub key: PageKey,
    /// The position of the last event in it, from 1.
    pub through: u64,
    /// What it says.
    pub body: Vec<u8>,
}

/// How far a lane is, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHead {
    /// Which lane.
    pub lane: LaneId,
    /// The position of the last event that is in the pages, from 1.
    pub position: u64,
    /// What else is to be remembered of those events.
    pub body: Vec<u8>,
}
