//! [`StatisticsStore`] in the keyspace that has the links.
//!
//! Pages and heads are written with their position as the time of the write, so that the engine itself keeps the larger one: no
//! condition, no read before the write. A deletion has the true time, in microseconds, which is larger than any position.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use identity::Tenant;
use ids::Id;
use tokio::time::{Instant, sleep, timeout_at};
use wide::{Level, Serial, Statement, Wide};

use super::call::Call;
use crate::store::StoreError;
use crate::store::statistics::stored::{self, ALL_TIME, KeyColumns};
use crate::store::statistics::{Day, PageKey, StatisticsStore, StoredHead, StoredPage, Subject};
use crate::store::stored::{integer, natural};

/// Statements of one call that are under way at the same time.
const AT_ONCE: usize = 32;

/// Pages of a range that are read at once.
const RANGE: u32 = 64;

/// A key is needed on its day, and a while longer by whoever's clock is behind.
const VISITOR_KEY_KEPT_S: i32 = 2 * DAY_S;

const DAY_S: i32 = 24 * 60 * 60;

/// Between two tries to learn a visitors' key.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) const HEAD: Statement = Statement::read(
    "find_statistics_head",
    "SELECT lane, position, body FROM {keyspace}.statistics_heads WHERE space = ? AND partition = ? LIMIT 1",
    Level::Quorum,
);

pub(super) const PUT_HEAD: Statement = Statement::write(
    "put_statistics_head",
    "INSERT INTO {keyspace}.statistics_heads (space, partition, lane, position, body) \
     VALUES (?, ?, ?, ?, ?) \
     USING TIMESTAMP ?",
    Level::Quorum,
)
.idempotent();

pub(super) const PAGE: Statement = Statement::read(
    "find_statistics_page",
    "SELECT through, body FROM {keyspace}.statistics_pages \
     WHERE tenant = ? AND link_id = ? AND day = ? AND lane = ?",
    Level::Quorum,
);

pub(super) const PUT_PAGE: Statement = Statement::write(
    "put_statistics_page",
    "INSERT INTO {keyspace}.statistics_pages (tenant, link_id, day, lane, through, body) VALUES (?, ?, ?, ?, ?, ?) \
     USING TIMESTAMP ? AND TTL ?",
    Level::Quorum,
)
.idempotent();

pub(super) const RANGE_OF_PAGES: Statement = Statement::read(
    "read_statistics",
    "SELECT day, lane, through, body FROM {keyspace}.statistics_pages \
     WHERE tenant = ? AND link_id = ? AND day >= ? AND day <= ?",
    Level::Quorum,
);

pub(super) const FORGET: Statement = Statement::write(
    "forget_statistics",
    "DELETE FROM {keyspace}.statistics_pages WHERE tenant = ? AND link_id = ?",
    Level::Quorum,
)
.idempotent();

pub(super) const VISITOR_KEY: Statement = Statement::read(
    "visitor_key",
    "SELECT key FROM {keyspace}.visitor_keys WHERE day = ?",
    Level::Serial,
);

pub(super) const MAKE_VISITOR_KEY: Statement = Statement::conditional(
    "make_visitor_key",
    "INSERT INTO {keyspace}.visitor_keys (day, key) VALUES (?, ?) IF NOT EXISTS USING TTL ?",
    Level::Quorum,
    Serial::Global,
);

/// Statistics on CQL.
#[derive(Clone, Debug)]
pub struct CqlStatistics {
    wide: Wide,
    space: Arc<str>,
    day_pages_kept_s: i32,
}

impl CqlStatistics {
    /// On a keyspace whose schema [`CqlLinkStore::open`](super::CqlLinkStore::open) has brought up to date. The pages of a day end
    /// `days_kept` after they were last written, and never if that is 0.
    pub fn new(wide: Wide, days_kept: u32) -> Self {
        // The protocol's longest is 20 years.
        let days = i32::try_from(days_kept).unwrap_or(i32::MAX).min(20 * 365);
        Self {
            wide,
            space: "visits".into(),
            day_pages_kept_s: days * DAY_S,
        }
    }

    /// Keeps its heads under another name. For tests that share a keyspace: each has a stream of its own.
    #[must_use]
    pub fn in_space(mut self, space: &str) -> Self {
        self.space = space.into();
        self
    }

    async fn page(&self, key: &PageKey) -> Result<Option<StoredPage>, StoreError> {
        let columns = KeyColumns::of(key)?;
        let values = (columns.tenant, columns.link_id, int(columns.day)?, columns.lane);
        let row: Option<(i64, Vec<u8>)> = self.wide.row(&PAGE, values).await?;
        row.map(|(through, body)| {
            let (key, through) = (key.clone(), natural(through)?);
            Ok(StoredPage { key, through, body })
        })
        .transpose()
    }

    async fn put_page(&self, page: &StoredPage) -> Result<(), StoreError> {
        let (columns, through) = (KeyColumns::of(&page.key)?, integer(page.through)?);
        let kept_s = if columns.day == ALL_TIME {
            0
        } else {
            self.day_pages_kept_s
        };
        let values = (
            columns.tenant,
            columns.link_id,
            int(columns.day)?,
            columns.lane,
            through,
            page.body.as_slice(),
            through,
            kept_s,
        );
        Ok(self.wide.execute(&PUT_PAGE, values).await?)
    }

    async fn range(
        &self,
        tenant: &Tenant,
        subject: Subject,
        days: (i32, i32),
    ) -> Result<Vec<StoredPage>, StoreError> {
        let (link_id, mut found, mut from) = (stored::subject(subject)?, Vec::new(), None);
        loop {
            let values = (tenant.as_str(), link_id, days.0, days.1);
            let page = self
                .wide
                .page::<(i32, i64, i64, Vec<u8>)>(&RANGE_OF_PAGES, values, RANGE, from.as_ref())
                .await?;
            for (day, lane, through, body) in page.rows {
                let columns = KeyColumns {
                    tenant: tenant.as_str(),
                    link_id,
                    day: i64::from(day),
                    lane,
                };
                let (key, through) = (columns.read()?, natural(through)?);
                found.push(StoredPage { key, through, body });
            }
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// One try. A key that is there is read first: most who ask come after the first.
    async fn visitor_key_now(&self, day: i32, candidate: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
        let found: Option<(Option<Vec<u8>>,)> = self.wide.row(&VISITOR_KEY, (day,)).await?;
        if let Some(key) = found.and_then(|(key,)| key) {
            return Ok(key);
        }
        let values = (day, &candidate[..], VISITOR_KEY_KEPT_S);
        if self.wide.conditional(&MAKE_VISITOR_KEY, values).await?.applied {
            return Ok(candidate.to_vec());
        }
        Err(StoreError::Unavailable(
            "somebody else makes the visitors' key".to_owned(),
        ))
    }
}

#[async_trait]
impl StatisticsStore for CqlStatistics {
    async fn head(&self, partition: u8) -> Result<Option<StoredHead>, StoreError> {
        let row: Option<(i64, i64, Vec<u8>)> =
            self.wide.row(&HEAD, (&*self.space, i32::from(partition))).await?;
        row.map(|(lane, position, body)| {
            let (lane, position) = (stored::lane(lane)?, natural(position)?);
            Ok(StoredHead { lane, position, body })
        })
        .transpose()
    }

    async fn pages(&self, keys: &[PageKey]) -> Result<Vec<Option<StoredPage>>, StoreError> {
        let reads: Vec<_> = keys.iter().map(|key| self.page(key)).collect();
        stream::iter(reads).buffered(AT_ONCE).try_collect().await
    }

    async fn put(&self, pages: &[StoredPage], head: Option<&StoredHead>) -> Result<(), StoreError> {
        let writes: Vec<_> = pages.iter().map(|page| self.put_page(page)).collect();
        stream::iter(writes)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        let Some(head) = head else { return Ok(()) };
        let position = integer(head.position)?;
        let values = (
            &*self.space,
            i32::from(head.lane.partition),
            integer(head.lane.number())?,
            position,
            head.body.as_slice(),
            position,
        );
        Ok(self.wide.execute(&PUT_HEAD, values).await?)
    }

    async fn read(
        &self,
        tenant: &Tenant,
        subject: Subject,
        days: RangeInclusive<Day>,
    ) -> Result<Vec<StoredPage>, StoreError> {
        // Day 0 stands for all time.
        let first = int(i64::from((*days.start()).max(1)))?;
        self.range(tenant, subject, (first, int(i64::from(*days.end()))?))
            .await
    }

    async fn totals(&self, tenant: &Tenant, subjects: &[Subject]) -> Result<Vec<StoredPage>, StoreError> {
        let all_time = int(ALL_TIME)?;
        let reads: Vec<_> = subjects
            .iter()
            .map(|subject| self.range(tenant, *subject, (all_time, all_time)))
            .collect();
        stream::iter(reads).buffer_unordered(AT_ONCE).try_concat().await
    }

    async fn visitor_key(&self, day: Day, candidate: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let day = int(i64::from(day))?;
        let until = Instant::now() + Duration::from_millis(self.wide.settings().write_deadline_ms);
        let tries = async {
            loop {
                match self.visitor_key_now(day, &candidate).await {
                    Ok(key) => return stored::visitor_key(&key),
                    // Whether ours or another's was made is told by the row.
                    Err(StoreError::Unknown(_) | StoreError::Unavailable(_)) => sleep(PAUSE).await,
                    Err(error) => return Err(error),
                }
            }
        };
        let late = || StoreError::Unavailable("the visitors' key was not learned in time".to_owned());
        timeout_at(until, tries).await.unwrap_or_else(|_| Err(late()))
    }

    /// Keys end by themselves.
    async fn forget_visitor_keys(&self, _: Day) -> Result<(), StoreError> {
        Ok(())
    }

    /// The pages of a day end by themselves.
    async fn collect_pages(&self, _: Day, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// Forgets the pages of a link that is gone. Those that stay are seen by nobody.
pub(super) async fn forget(call: &Call<'_>, tenant: &Tenant, id: Id) {
    let forgotten = match integer(id.as_u64()) {
        Ok(number) => call.prepare(&FORGET, (tenant.as_str(), number)).await,
        Err(error) => Err(error),
    };
    if let Err(error) = forgotten {
        tracing::debug!(%error, code = error.code(), "the statistics of a deleted link stay");
    }
}

fn int(value: i64) -> Result<i32, StoreError> {
    i32::try_from(value).map_err(|_| StoreError::Corrupt(format!("{value} does not fit an int column")))
}
