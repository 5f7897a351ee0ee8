//! The port on PostgreSQL.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use identity::Tenant;
use ids::Id;
use leases::{Leadership, LeadershipStore};
use sql::{PgConnection, Postgres};

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

const NAMED: &str = movement_columns!(" WHERE reference IN (SELECT json_array_elements_text($1::json))");

const EARLIER: &str = "
    SELECT value FROM json_array_elements_text($1::json) AS value
    WHERE EXISTS (SELECT 1 FROM settlement_line l WHERE l.reference = value AND l.day < $2)";

calls!(
    sqlx::Postgres,
    PgConnection,
    sqlx::postgres::PgRow,
    leases::guard_postgres
);

/// [`Reconciliations`] on PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresReconciliations {
    sql: Postgres,
}

impl PostgresReconciliations {
    /// On an open database that has the tables.
    pub fn new(sql: Postgres) -> Self {
        Self { sql }
    }
}

reconciliations_on!(PostgresReconciliations, leases::PostgresLeaderships);
