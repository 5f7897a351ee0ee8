//! The port on PostgreSQL, for as many processes as share it.

use async_trait::async_trait;
use identity::Tenant;
use ids::Id;
use sql::{PgConnection, Postgres};

use super::calls::receipts_on;
use super::told::{self, Paid};
use super::{Effect, Happened, Receipt, Receipts, Told};
use crate::store::StoreError;
use crate::store::webhooks::enqueue_postgres;

/// [`Receipts`] on PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresReceipts {
    sql: Postgres,
}

impl PostgresReceipts {
    /// On an open database that has the tables.
    pub fn new(sql: Postgres) -> Self {
        Self { sql }
    }
}

receipts_on!(
    PostgresReceipts,
    PgConnection,
    outbox::append_postgres,
    enqueue_postgres
);
