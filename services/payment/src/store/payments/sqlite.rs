//! The port on SQLite.

use async_trait::async_trait;
use sql::{Sqlite, SqliteConnection};

use super::Payments;
use super::calls::calls;
use super::port::payments_on;
use super::statements::payment_columns;

const TAKE_DUE: &str = payment_columns!(
    "UPDATE payment SET owner = $1, fence = fence + 1, lease_until_ms = $3
     WHERE (tenant, id) IN (SELECT tenant, id FROM payment WHERE due_ms <= $2 AND lease_until_ms <= $2
                                ORDER BY due_ms LIMIT $4) RETURNING",
    ", fence, wakes"
);

/// The file has one writer at a time.
const FIND_FOR_UPDATE: &str = super::statements::FIND;

const FIND_ALL: &str = payment_columns!(
    "SELECT",
    " FROM payment p WHERE p.id IN (SELECT value FROM json_each($1))"
);

calls!(SqliteConnection, sqlite, outbox::append_sqlite, FIND_FOR_UPDATE);

/// [`Payments`] on SQLite.
#[derive(Debug, Clone)]
pub struct SqlitePayments {
    sql: Sqlite,
}

impl SqlitePayments {
    /// On an open database that has the tables.
    pub fn new(sql: Sqlite) -> Self {
        Self { sql }
    }
}

payments_on!(SqlitePayments);
