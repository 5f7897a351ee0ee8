//! The port on SQLite.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use identity::Tenant;
use ids::Id;
use leases::{Leadership, LeadershipStore};
use sql::{Sqlite, SqliteConnection};

use super::calls::calls;
use super::port::reconciliations_on;
use super::statements::movement_columns;
use super::{
    Break, BreakState, MOVEMENTS_MAX, NewReconciliation, Planned, REFERENCES_MAX, Reconciliation,
    Reconciliations, Resolution,
};
use crate::processor::SettlementKind;
use crate::reconciliation::{BreakKind, Movement};
use crate::store::StoreError;

const NAMED: &str = movement_columns!(" WHERE reference IN (SELECT value FROM json_each($1))");

const EARLIER: &str = "
    SELECT value FROM json_each($1)
    WHERE EXISTS (SELECT 1 FROM settlement_line l WHERE l.reference = value AND l.day < $2)";

calls!(
    sqlx::Sqlite,
    SqliteConnection,
    sqlx::sqlite::SqliteRow,
    leases::guard_sqlite
);

/// [`Reconciliations`] on SQLite.
#[derive(Debug, Clone)]
pub struct SqliteReconciliations {
    sql: Sqlite,
}

impl SqliteReconciliations {
    /// On an open database that has the tables.
    pub fn new(sql: Sqlite) -> Self {
        Self { sql }
    }
}

reconciliations_on!(SqliteReconciliations, leases::SqliteLeaderships);
