//! The port of reconciliation.

mod calls;
mod port;
mod postgres;
mod sqlite;
mod statements;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use identity::Tenant;
use ids::Id;
use leases::{Leadership, LeadershipStore};
use serde::{Deserialize, Serialize};

pub use postgres::PostgresReconciliations;
pub use sqlite::SqliteReconciliations;

use super::{Database, StoreError};
use crate::ledger::{Amount, Currency};
use crate::processor::{SettlementKind, SettlementRow};
use crate::reconciliation::{BreakKind, Movement};

/// References that are looked for in one call at most.
pub const REFERENCES_MAX: usize = 500;

/// Movements that are read in one call at most.
pub const MOVEMENTS_MAX: u32 = 5_000;

/// A day that was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    /// `2026-11-22`, UTC.
    pub day: String,
    /// Lines of its settlement.
    pub lines: u64,
    /// Those that fit the ledger.
    pub fits: u64,
    /// When it was judged, Unix milliseconds.
    pub at_ms: u64,
}

/// What was done about a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakState {
    /// Nothing yet.
    Open,
    /// A row of the ledger sets it right.
    Adjusted,
    /// It was explained.
    Noted,
}

impl BreakState {
    /// As the store keeps it.
    pub const fn code(self) -> i16 {
        match self {
            Self::Open => 0,
            Self::Adjusted => 1,
            Self::Noted => 2,
        }
    }

    /// Read back from the store.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Open, Self::Adjusted, Self::Noted]
            .into_iter()
            .find(|state| state.code() == code)
    }
}

/// A difference between settlement and ledger, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// Whose payment it is about; the operator's where it is about none of ours.
    pub tenant: Tenant,
    /// A Snowflake.
    pub id: Id,
    /// Of which day.
    pub day: String,
    /// What kind.
    pub kind: BreakKind,
    /// Of what movement.
    pub movement: SettlementKind,
    /// Its reference.
    pub reference: String,
    /// The processor's name for the charge.
    pub charge_id: Option<String>,
    /// Our payment.
    pub payment_id: Option<Id>,
    /// What the ledger moved.
    pub expected: Option<(i64, Currency)>,
    /// What the settlement says.
    pub found: Option<(i64, Currency)>,
    /// Where it stands.
    pub state: BreakState,
    /// What somebody said about it.
    pub note: Option<String>,
    /// The row of the ledger that sets it right.
    pub adjustment_id: Option<Id>,
    /// Unix milliseconds.
    pub resolved_at_ms: Option<u64>,
}

/// A day, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReconciliation {
    /// The day.
    pub of: Reconciliation,
    /// Its settlement.
    pub lines: Vec<SettlementRow>,
    /// Where they differ; all open.
    pub breaks: Vec<Break>,
}

/// A row of the ledger that sets a break right, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// Debited.
    pub debit_account_id: Id,
    /// Credited.
    pub credit_account_id: Id,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

/// An adjustment that a break is marked with before it is posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The id of the row it makes.
    pub row: Id,
    /// What it is.
    pub adjustment: Adjustment,
}

/// What is done about a break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// [`BreakState::Adjusted`] or [`BreakState::Noted`].
    pub state: BreakState,
    /// Why.
    pub note: Option<String>,
    /// The row of the ledger.
    pub adjustment_id: Option<Id>,
}

/// Settlements and what they were judged to be. Every call is one atomic step.
#[async_trait]
pub trait Reconciliations: Send + Sync + std::fmt::Debug + 'static {
    /// Who may judge.
    fn leaderships(&self) -> Arc<dyn LeadershipStore>;

    /// The newest day that was judged, and when the first movement of all was.
    async fn reached(&self) -> Result<(Option<String>, Option<u64>), StoreError>;

    /// Movements of all tenants in a stretch of time, by moment and reference, after `after`; at most `limit` and [`MOVEMENTS_MAX`].
    async fn movements(
        &self,
        range: Range<u64>,
        after: Option<&Movement>,
        limit: u32,
    ) -> Result<Vec<Movement>, StoreError>;

    /// Movements by reference, at most [`REFERENCES_MAX`]; what is unknown is left out.
    async fn named(&self, references: &[String]) -> Result<Vec<Movement>, StoreError>;

    /// Which of these references settlements of days before `day` have, at most [`REFERENCES_MAX`].
    async fn earlier(&self, references: &[String], day: &str) -> Result<BTreeSet<String>, StoreError>;

    /// Records that the leader looks whether a day is due. [`StoreError::Fenced`], and nothing written, by a leader that leads no more.
    async fn looked(&self, leadership: &Leadership, now_ms: u64) -> Result<(), StoreError>;

    /// Records a day whole. [`StoreError::Fenced`], and nothing written, by a leader that leads no more. A day that is recorded stays as it is.
    async fn record(
        &self,
        leadership: &Leadership,
        now_ms: u64,
        new: &NewReconciliation,
    ) -> Result<(), StoreError>;

    /// Which differences of a day are listed, of whatever tenant and whatever was done about them: kind and reference.
    async fn listed(&self, day: &str) -> Result<BTreeSet<(BreakKind, String)>, StoreError>;

    /// Lists breaks of a day that is not over. [`StoreError::Fenced`], and nothing written, by a leader that leads no more.
    async fn record_early(
        &self,
        leadership: &Leadership,
        now_ms: u64,
        breaks: &[Break],
    ) -> Result<(), StoreError>;

    /// Days, the newest first, before `before`.
    async fn list(&self, before: Option<&str>, limit: u32) -> Result<Vec<Reconciliation>, StoreError>;

    /// Breaks of a tenant, by id, of one day where one is given.
    async fn breaks(
        &self,
        tenant: &Tenant,
        day: Option<&str>,
        after: Option<Id>,
        limit: u32,
    ) -> Result<Vec<Break>, StoreError>;

    /// One break.
    async fn find_break(&self, tenant: &Tenant, id: Id) -> Result<Option<Break>, StoreError>;

    /// Marks an open break with an adjustment before it is posted; `false` where it is not open, or has another already.
    async fn plan(&self, tenant: &Tenant, id: Id, planned: &Planned) -> Result<bool, StoreError>;

    /// The adjustment that a break is marked with, posted or not.
    async fn planned(&self, tenant: &Tenant, id: Id) -> Result<Option<Planned>, StoreError>;

    /// Takes the mark away again, where it is still this one: the ledger refused it.
    async fn drop_plan(&self, tenant: &Tenant, id: Id, row: Id) -> Result<(), StoreError>;

    /// Records what was done about an open break; `false` where it is not open, not there, or marked with another adjustment.
    async fn resolve(
        &self,
        tenant: &Tenant,
        id: Id,
        resolution: &Resolution,
        now_ms: u64,
    ) -> Result<bool, StoreError>;
}

/// The port on an open database.
pub type SharedReconciliations = Arc<dyn Reconciliations>;

/// The port on this database.
pub fn open(database: &Database) -> SharedReconciliations {
    match database {
        Database::Sqlite(sql) => Arc::new(SqliteReconciliations::new(sql.clone())),
        Database::Postgres(sql) => Arc::new(PostgresReconciliations::new(sql.clone())),
    }
}
