//! The embedded engine: one SQLite file.

mod clicks;
mod codes;
mod domain_rules;
mod links;
mod rows;
mod slots;
mod statistics;

use std::ops::Range;

use async_trait::async_trait;
use identity::Tenant;
use ids::Id;
use sql::{Migration, SqlError, Sqlite, scoped};

use super::{ClickBatch, Created, LinkStore, NewLink, NewRecord, Record, RecordScope, StoreError};
use crate::link::{Code, CountedLink, Link};

pub use domain_rules::SqliteDomainRules;
pub use slots::SqliteSlots;
pub use statistics::SqliteStatistics;

/// The schema, step by step.
pub const MIGRATIONS: &[Migration] = &[
    Migration::expand(1, "links", include_str!("../../migrations/sqlite/0001_links.sql")),
    Migration::expand(
        2,
        "redirect_status",
        include_str!("../../migrations/sqlite/0002_redirect_status.sql"),
    ),
    Migration::contract(
        3,
        "without_permanent",
        include_str!("../../migrations/sqlite/0003_without_permanent.sql"),
    ),
    Migration::expand(
        4,
        "details",
        include_str!("../../migrations/sqlite/0004_details.sql"),
    ),
    Migration::expand(
        5,
        "statistics",
        include_str!("../../migrations/sqlite/0005_statistics.sql"),
    ),
    Migration::expand(
        6,
        "click_slots",
        include_str!("../../migrations/sqlite/0006_click_slots.sql"),
    ),
    Migration::expand(
        7,
        "domain_rules",
        include_str!("../../migrations/sqlite/0007_domain_rules.sql"),
    ),
];

/// [`LinkStore`] on SQLite. Linearizable because writes go one after another through one connection and each read
/// begins its snapshot when it begins.
#[derive(Clone, Debug)]
pub struct SqliteLinkStore {
    db: Sqlite,
}

impl SqliteLinkStore {
    /// Brings the file's schema up to date, as far as older programs can follow, and opens the store on it.
    pub async fn open(db: Sqlite) -> Result<Self, SqlError> {
        db.migrate(MIGRATIONS).await?;
        Ok(Self { db })
    }

    /// Takes away what only older programs need. No other program may have the file open.
    pub async fn contract(db: &Sqlite) -> Result<(), SqlError> {
        db.migrate_contract(MIGRATIONS).await
    }
}

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        if error.is_unknown() {
            Self::Unknown(error.to_string())
        } else if error.retryable() {
            Self::Unavailable(error.to_string())
        } else {
            Self::Corrupt(error.to_string())
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        SqlError::from(error).into()
    }
}

#[async_trait]
impl LinkStore for SqliteLinkStore {
    async fn create(&self, link: &Link, record: Option<&NewRecord>) -> Result<Created, StoreError> {
        self.db
            .write("create_link", |tx| scoped(links::create(tx, link, record)))
            .await
    }

    /// One transaction: what a link costs by itself is mostly the wait for the disk.
    async fn create_many(&self, links: &[NewLink]) -> Vec<Result<Created, StoreError>> {
        let made = self
            .db
            .write("create_links", |tx| scoped(links::create_many(tx, links)))
            .await;
        match made {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err::<_, StoreError>(error) => links.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn recall(&self, scope: &RecordScope, now_ms: u64) -> Result<Option<Record>, StoreError> {
        self.db
            .read("recall_idempotency", |conn| {
                scoped(links::recall(conn, scope, now_ms))
            })
            .await
    }

    async fn resolve(&self, code: &Code) -> Result<Option<Link>, StoreError> {
        self.db
            .read("resolve_link", |conn| scoped(links::resolve(conn, code)))
            .await
    }

    async fn find(&self, tenant: &Tenant, code: &Code) -> Result<Option<CountedLink>, StoreError> {
        self.db
            .read("find_link", |conn| scoped(links::find(conn, tenant, code)))
            .await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        before: Option<Id>,
        limit: u32,
    ) -> Result<Vec<CountedLink>, StoreError> {
        self.db
            .read("list_links", |conn| {
                scoped(links::list(conn, tenant, before, limit))
            })
            .await
    }

    async fn replace(&self, link: &Link) -> Result<bool, StoreError> {
        self.db
            .write("replace_link", |tx| scoped(links::replace(tx, link)))
            .await
    }

    async fn delete(&self, tenant: &Tenant, code: &Code) -> Result<bool, StoreError> {
        self.db
            .write("delete_link", |tx| scoped(links::delete(tx, tenant, code)))
            .await
    }

    async fn lease_counters(&self, count: u64, ceiling: u64) -> Result<Range<u64>, StoreError> {
        self.db
            .write("lease_code_counters", |tx| {
                scoped(codes::lease(tx, count, ceiling))
            })
            .await
    }

    async fn key_fingerprint(&self) -> Result<Option<String>, StoreError> {
        self.db
            .read("code_key_fingerprint", |conn| scoped(codes::fingerprint(conn)))
            .await
    }

    async fn pin_key_fingerprint(&self, fingerprint: &str) -> Result<String, StoreError> {
        self.db
            .write("pin_code_key_fingerprint", |tx| {
                scoped(codes::pin(tx, fingerprint))
            })
            .await
    }

    async fn add_clicks(&self, batch: &ClickBatch) -> Result<bool, StoreError> {
        self.db
            .write("add_clicks", |tx| scoped(clicks::add(tx, batch)))
            .await
    }

    async fn collect_garbage(
        &self,
        now_ms: u64,
        events_before_ms: u64,
        rows_max: u32,
    ) -> Result<u64, StoreError> {
        self.db
            .write("collect_garbage", |tx| {
                scoped(clicks::collect_garbage(tx, now_ms, events_before_ms, rows_max))
            })
            .await
    }
}
