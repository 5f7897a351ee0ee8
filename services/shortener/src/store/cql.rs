//! The wide-column engine: a keyspace on ScyllaDB or Apache Cassandra.
//!
//! A condition guards one partition, so a method here is a row of steps, each of which can be done again:
//!
//! - **Claims.** A code's row never goes: a deleted link leaves its id. A claim asks for "no row" or for "deleted, and this id", and no
//!   id comes twice, so a claim that was once refused is refused for ever, however late a copy of it arrives.
//! - **Plans.** An idempotency key first takes down the whole link and what its claim asks for, on condition that the key
//!   is new. Whoever finds a plan, in this process or another, carries it out: the same link, hence one effect. How it ended is
//!   what the first of them says in the key's row, and nobody is answered before that is said. One thing remains: a link that
//!   was made and deleted, and its code claimed by another, all before anybody has said so, looks refused to a process that
//!   carries the plan out only then. If it says so first, it answers "taken" and the key is free again, and whoever made
//!   the link answers that the outcome is unknown. Nobody was ever told of that link by its key.
//! - **Lists.** A tenant's row is written before the claim and taken away after the deletion. A row without its link is skipped.
//! - **Counts.** A link's row is changed over its version and names the events that are in the sum until these are marked as
//!   finished; an event is, after its last link. The mark is read *after* the row: a mark that is not there yet was not there when
//!   somebody took names out of the row, so a missing name says that the event is not in the sum.
//!
//! What is written under a condition is never written without one. A conditional write whose answer did not come is made
//! again until the deadline: the row in its way tells whether it was done.

mod call;
mod clicks;
mod codes;
mod contract;
mod domain_rules;
mod links;
mod listing;
mod plans;
mod rows;
mod slots;
mod statistics;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use identity::Tenant;
use ids::Id;
use tokio::sync::Mutex;
use wide::{Migration, Statement, Wide, WideError};

use self::call::Call;
use super::{ClickBatch, Created, LinkStore, NewRecord, Record, RecordScope, StoreError};
use crate::link::{Code, CountedLink, Link};

pub use domain_rules::CqlDomainRules;
pub use slots::CqlSlots;
pub use statistics::CqlStatistics;

/// The schema, step by step.
pub const MIGRATIONS: &[Migration] = &[
    Migration::expand(1, "links", include_str!("../../migrations/cql/0001_links.cql")),
    Migration::expand(
        2,
        "redirect_status",
        include_str!("../../migrations/cql/0002_redirect_status.cql"),
    ),
    Migration::contract(
        3,
        "without_permanent",
        include_str!("../../migrations/cql/0003_without_permanent.cql"),
    ),
    Migration::expand(
        4,
        "details",
        include_str!("../../migrations/cql/0004_details.cql"),
    ),
    Migration::expand(
        5,
        "statistics",
        include_str!("../../migrations/cql/0005_statistics.cql"),
    ),
    Migration::expand(
        6,
        "click_slots",
        include_str!("../../migrations/cql/0006_click_slots.cql"),
    ),
    Migration::expand(
        7,
        "domain_rules",
        include_str!("../../migrations/cql/0007_domain_rules.cql"),
    ),
];

/// All that is sent, each with its levels.
pub const STATEMENTS: &[&Statement] = &[
    &links::RESOLVE,
    &links::SETTLE,
    &links::CLAIM,
    &links::CLAIM_AGAIN,
    &links::REPLACE,
    &links::DELETE,
    &listing::LIST,
    &listing::LISTED,
    &listing::ENTER,
    &listing::LEAVE,
    &plans::RECALL,
    &plans::SETTLE,
    &plans::PLAN,
    &plans::PLAN_AGAIN,
    &plans::DONE,
    &plans::REFUSED,
    &clicks::COUNTS,
    &clicks::SETTLE,
    &clicks::FIRST,
    &clicks::ADD,
    &clicks::DROP,
    &clicks::FINISHED,
    &clicks::FINISH,
    &codes::COUNTER,
    &codes::LEASE,
    &codes::FINGERPRINT,
    &codes::PIN,
    &domain_rules::FIND,
    &domain_rules::FIRST,
    &domain_rules::REPLACE,
    &slots::LEDGER,
    &slots::FIRST,
    &slots::CHANGE,
    &slots::DROP,
    &statistics::HEAD,
    &statistics::PUT_HEAD,
    &statistics::PAGE,
    &statistics::PUT_PAGE,
    &statistics::RANGE_OF_PAGES,
    &statistics::FORGET,
    &statistics::VISITOR_KEY,
    &statistics::MAKE_VISITOR_KEY,
];

/// What is sent to bring an older keyspace to this schema.
pub const CONTRACT: &[&Statement] = &[&contract::SCAN, &contract::FOUND, &contract::FILL];

/// Ids of counted events are kept this long at least: longer than anything is redelivered.
const EVENT_IDS_KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// [`LinkStore`] on CQL. Linearizable by code because every write of a code's row is conditional, and because a read asks a
/// quorum, as the commit of each write does.
#[derive(Clone, Debug)]
pub struct CqlLinkStore {
    wide: Wide,
    space: Arc<str>,
    event_ids_kept_ms: u64,
    /// Copies of this process take turns at the one row of counters, where they would only refuse each other.
    leasing: Arc<Mutex<()>>,
}

impl CqlLinkStore {
    /// Brings the keyspace's schema up to date, as far as older programs can follow, has every statement prepared, and opens
    /// the store on it.
    pub async fn open(wide: Wide) -> Result<Self, WideError> {
        wide.migrate(MIGRATIONS).await?;
        wide.prepare(STATEMENTS).await?;
        Ok(Self {
            wide,
            space: "codes".into(),
            event_ids_kept_ms: EVENT_IDS_KEPT_MS,
            leasing: Arc::default(),
        })
    }

    /// Keeps the ids of counted events for `kept_ms`, and never for less than a week.
    #[must_use]
    pub fn keeping_event_ids(mut self, kept_ms: u64) -> Self {
        self.event_ids_kept_ms = kept_ms.max(EVENT_IDS_KEPT_MS);
        self
    }

    /// Takes its counters and its key's fingerprint from another row. For tests that share a keyspace: two spaces with one
    /// key would give the same codes.
    #[must_use]
    pub fn in_code_space(mut self, space: &str) -> Self {
        self.space = space.into();
        self
    }

    /// Whether the keyspace can be written now.
    pub async fn probe(&self) -> Result<(), WideError> {
        self.wide.probe().await
    }

    /// Takes away what only older programs need; nobody may have the keyspace open.
    /// Cut short, it goes on where it was when it is called again.
    pub async fn contract(wide: &Wide) -> Result<(), StoreError> {
        contract::contract(wide).await
    }

    fn call(&self) -> Call<'_> {
        Call::begin(&self.wide)
    }
}

impl From<WideError> for StoreError {
    fn from(error: WideError) -> Self {
        if error.is_unknown() {
            Self::Unknown(error.to_string())
        } else if error.retryable() {
            Self::Unavailable(error.to_string())
        } else {
            Self::Corrupt(error.to_string())
        }
    }
}

#[async_trait]
impl LinkStore for CqlLinkStore {
    async fn create(&self, link: &Link, record: Option<&NewRecord>) -> Result<Created, StoreError> {
        let call = self.call();
        match record {
            Some(record) => plans::create(&call, link, record).await,
            None => links::create(&call, link).await,
        }
    }

    async fn recall(&self, scope: &RecordScope, now_ms: u64) -> Result<Option<Record>, StoreError> {
        plans::recall(&self.call(), scope, now_ms).await
    }

    async fn resolve(&self, code: &Code) -> Result<Option<Link>, StoreError> {
        links::resolve(&self.call(), code).await
    }

    async fn find(&self, tenant: &Tenant, code: &Code) -> Result<Option<CountedLink>, StoreError> {
        listing::find(&self.call(), tenant, code).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        before: Option<Id>,
        limit: u32,
    ) -> Result<Vec<CountedLink>, StoreError> {
        listing::list(&self.call(), tenant, before, limit).await
    }

    async fn replace(&self, link: &Link) -> Result<bool, StoreError> {
        links::replace(&self.call(), link).await
    }

    async fn delete(&self, tenant: &Tenant, code: &Code) -> Result<bool, StoreError> {
        links::delete(&self.call(), tenant, code).await
    }

    async fn lease_counters(&self, count: u64, ceiling: u64) -> Result<Range<u64>, StoreError> {
        // Its time begins before its turn: nobody waits for longer than those before it may take.
        let call = self.call();
        let _turn = self.leasing.lock().await;
        codes::lease(&call, &self.space, count, ceiling).await
    }

    async fn key_fingerprint(&self) -> Result<Option<String>, StoreError> {
        codes::fingerprint(&self.call(), &self.space).await
    }

    async fn pin_key_fingerprint(&self, fingerprint: &str) -> Result<String, StoreError> {
        codes::pin(&self.call(), &self.space, fingerprint).await
    }

    async fn add_clicks(&self, batch: &ClickBatch) -> Result<bool, StoreError> {
        clicks::add(&self.call(), batch, self.event_ids_kept_ms).await
    }

    /// Rows end by themselves here, some time after they stopped to count.
    async fn collect_garbage(&self, _: u64, _: u64, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}
