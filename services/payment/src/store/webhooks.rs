//! The port of webhooks: merchants' endpoints, and what is delivered to them.

mod calls;
mod endpoint;
mod postgres;
mod rows;
mod sqlite;
mod statements;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use idempotency::{Fingerprint, Outcome};
use identity::Tenant;
use ids::Id;

use super::{Database, StoreError};

pub use postgres::{PostgresWebhooks, enqueue_postgres};
pub use sqlite::{SqliteWebhooks, enqueue_sqlite};

/// Whether an endpoint gets anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// It does.
    Enabled,
    /// Its owner said no.
    Disabled,
    /// It failed for too long.
    Failed,
}

impl EndpointState {
    /// As the API has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Failed => "disabled_after_failures",
        }
    }
}

/// A secret that was followed by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerSecret {
    /// Sealed.
    pub sealed: Vec<u8>,
    /// Signs no more from then on.
    pub until_ms: u64,
}

/// Where a merchant wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whose.
    pub tenant: Tenant,
    /// Its id.
    pub id: Id,
    /// Judged when it was given, and again at each delivery.
    pub url: String,
    /// Which kinds of events; none is all.
    pub kinds: Vec<String>,
    /// For people.
    pub description: String,
    /// Whether it gets anything.
    pub state: EndpointState,
    /// Since when.
    pub state_at_ms: u64,
    /// What signs, sealed.
    pub secret: Vec<u8>,
    /// What signs too, for a while.
    pub former: Option<FormerSecret>,
    /// The first failure since something was accepted.
    pub failing_since_ms: Option<u64>,
    /// Deliveries given up since something was accepted.
    pub dead_in_a_row: u32,
    /// When it was made.
    pub created_at_ms: u64,
}

/// Who asked under which key, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestClaim {
    /// SHA-256 of tenant, user and key.
    pub key: [u8; 32],
    /// What was asked.
    pub fingerprint: Fingerprint,
}

/// Why an endpoint was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCreated {
    /// As many as a tenant may have.
    #[error("a tenant has at most {max} webhook endpoints; delete one first")]
    TooMany {
        /// How many.
        max: u32,
    },
    /// The key was used for something else.
    #[error("this Idempotency-Key was used with another request")]
    KeyReused,
}

/// What changes of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointChange {
    /// Another address.
    pub url: Option<String>,
    /// Other kinds.
    pub kinds: Option<Vec<String>>,
    /// Another text.
    pub description: Option<String>,
    /// On or off. On forgets what failed before.
    pub enabled: Option<bool>,
}

/// A secret that follows the present one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// Sealed.
    pub sealed: Vec<u8>,
    /// Until when the present one signs too.
    pub former_until_ms: u64,
    /// Of the request: repeated, it finds what it made.
    pub claim: Option<[u8; 32]>,
}

/// Something that merchants are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whose endpoints.
    pub tenant: Tenant,
    /// Unique in the tenant; goes out as `webhook-id`, so without a full stop.
    pub id: String,
    /// Such as `payment.captured`.
    pub kind: String,
    /// The bytes that are signed and sent.
    pub body: Bytes,
    /// Now, by the caller's clock.
    pub at_ms: u64,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Nobody has tried.
    Pending,
    /// A 2xx came back.
    Delivered,
    /// It failed, and is tried again.
    Failed,
    /// It was given up. It may be replayed by hand.
    Dead,
}

impl DeliveryState {
    /// As the API has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Failed, Self::Dead]
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// Whether there will be another attempt.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Pending | Self::Failed)
    }
}

/// One event for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: Id,
    /// Whose.
    pub tenant: Tenant,
    /// Where to.
    pub endpoint_id: Id,
    /// The event.
    pub event_id: String,
    /// Its kind.
    pub kind: String,
    /// What is sent.
    pub body: Bytes,
    /// How far it is.
    pub state: DeliveryState,
    /// Attempts so far, of all rounds.
    pub attempt: u32,
    /// Attempts of this round: a replay begins another.
    pub attempt_of_round: u32,
    /// Due from then on.
    pub next_at_ms: u64,
    /// What the last attempt got, if it got an answer.
    pub last_status: Option<u16>,
    /// What went wrong with it.
    pub last_error: Option<String>,
    /// When that was.
    pub last_at_ms: Option<u64>,
    /// When it was put here.
    pub created_at_ms: u64,
}

/// A delivery that is somebody's for a while, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// With this attempt counted.
    pub delivery: Delivery,
    /// As it is now.
    pub endpoint: Endpoint,
}

/// What to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeDue {
    /// Due by then.
    pub now_ms: u64,
    /// Nobody else takes them before that.
    pub lease_until_ms: u64,
    /// At most so many.
    pub limit: u32,
    /// At most so many of one endpoint.
    pub each_max: u32,
    /// None of these endpoints.
    pub busy: Vec<Id>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// [`DeliveryState::Delivered`], [`DeliveryState::Failed`] or [`DeliveryState::Dead`].
    pub state: DeliveryState,
    /// When it is tried again, if it is.
    pub next_at_ms: u64,
    /// The answer's, if there was one.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// Now.
    pub at_ms: u64,
    /// Whether it says anything about the endpoint: not when it was not called.
    pub counts: bool,
}

/// When an endpoint has failed for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// So many deliveries in a row given up.
    pub dead_max: u32,
    /// So long since the first failure without anything accepted.
    pub failing_ms_max: u64,
}

/// What a recorded attempt did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It stands.
    Done,
    /// It stands, and the endpoint is disabled by it.
    Disabled,
    /// Somebody else has taken it since, or it is gone: nothing was written.
    Lost,
}

/// Why a delivery was not replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReplayed {
    /// There is none.
    #[error("there is no such delivery")]
    NotFound,
    /// Enable it first.
    #[error("its endpoint is disabled; enable it first")]
    EndpointDisabled,
}

/// Which deliveries to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Of this endpoint.
    pub endpoint_id: Option<Id>,
    /// In this state.
    pub state: Option<DeliveryState>,
}

/// How much waits, and how much was given up; both counted up to [`BACKLOG_MAX`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Waiting for an attempt.
    pub waiting: u64,
    /// Given up.
    pub dead: u64,
}

/// No backlog is counted further.
pub const BACKLOG_MAX: u64 = 10_000;

/// Endpoints and deliveries. Every call is one atomic step, and what returned `Ok` outlives a crash. After [`StoreError::Unknown`] each
/// may be repeated: with its claim where it makes something, and as it is where it does not.
///
/// A delivery is taken by counting its attempt up and moving its due time to the end of the lease; a result is recorded only by who had
/// the last attempt. So a process that dies costs a repetition, which receivers tell by `webhook-id`, and never a delivery.
#[async_trait]
pub trait Webhooks: Send + Sync + std::fmt::Debug + 'static {
    /// Makes an endpoint, unless the tenant has `max` already. The same claim gives what it made before.
    async fn create_endpoint(
        &self,
        endpoint: &Endpoint,
        claim: Option<RequestClaim>,
        max: u32,
    ) -> Result<Result<Outcome<Endpoint>, NotCreated>, StoreError>;

    /// One endpoint.
    async fn endpoint(&self, tenant: &Tenant, id: Id) -> Result<Option<Endpoint>, StoreError>;

    /// Endpoints by id, after `after`.
    async fn endpoints(
        &self,
        tenant: &Tenant,
        after: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Endpoint>, StoreError>;

    /// Changes an endpoint, and gives it as it is then.
    async fn change_endpoint(
        &self,
        tenant: &Tenant,
        id: Id,
        change: &EndpointChange,
        now_ms: u64,
    ) -> Result<Option<Endpoint>, StoreError>;

    /// Another secret signs from now on, the present one too until then, and one before that no more.
    async fn rotate_secret(
        &self,
        tenant: &Tenant,
        id: Id,
        secret: &NewSecret,
    ) -> Result<Option<Endpoint>, StoreError>;

    /// Takes an endpoint away with its deliveries; says whether it was there.
    async fn delete_endpoint(&self, tenant: &Tenant, id: Id) -> Result<bool, StoreError>;

    /// Puts an event in line for every enabled endpoint that wants it, or for the one named, whatever it wants. What is in line already is
    /// not put there twice. Says how many were added.
    async fn enqueue(&self, event: &Event, only: Option<Id>) -> Result<u64, StoreError>;

    /// Takes what is due, the longest due first.
    async fn take_due(&self, ask: &TakeDue) -> Result<Vec<Taken>, StoreError>;

    /// Records what became of the attempt that `taken` was.
    async fn record(
        &self,
        taken: &Delivery,
        result: &Attempted,
        patience: Patience,
    ) -> Result<Recorded, StoreError>;

    /// One delivery.
    async fn delivery(&self, tenant: &Tenant, id: Id) -> Result<Option<Delivery>, StoreError>;

    /// Deliveries, the newest first, before `before`.
    async fn deliveries(
        &self,
        tenant: &Tenant,
        filter: DeliveryFilter,
        before: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// Puts a delivery in line again, as if it were new. One that waits is left as it is.
    async fn replay(
        &self,
        tenant: &Tenant,
        id: Id,
        now_ms: u64,
    ) -> Result<Result<Delivery, NotReplayed>, StoreError>;

    /// What waits and what was given up, of all tenants.
    async fn backlog(&self) -> Result<Backlog, StoreError>;

    /// Forgets deliveries that were over before `before_ms`, at most `limit`; says how many.
    async fn forget_deliveries(&self, before_ms: u64, limit: u32) -> Result<u64, StoreError>;
}

/// The port on an open database.
pub type SharedWebhooks = Arc<dyn Webhooks>;

/// The port on `database`.
pub fn open(database: &Database) -> SharedWebhooks {
    match database {
        Database::Sqlite(sql) => Arc::new(SqliteWebhooks::new(sql.clone())),
        Database::Postgres(sql) => Arc::new(PostgresWebhooks::new(sql.clone())),
    }
}
