//! The port on SQLite.

use async_trait::async_trait;
use identity::Tenant;
use ids::Id;
use sql::{Sqlite, SqliteConnection};

use super::calls::receipts_on;
use super::told::{self, Paid};
use super::{Effect, Happened, Receipt, Receipts, Told};
use crate::store::StoreError;
use crate::store::webhooks::enqueue_sqlite;

/// [`Receipts`] on SQLite.
#[derive(Debug, Clone)]
pub struct SqliteReceipts {
    sql: Sqlite,
}

impl SqliteReceipts {
    /// On an open database that has the tables.
    pub fn new(sql: Sqlite) -> Self {
        Self { sql }
    }
}

receipts_on!(
    SqliteReceipts,
    SqliteConnection,
    outbox::append_sqlite,
    enqueue_sqlite
);
