//! The port on PostgreSQL, for as many processes as share it.

use async_trait::async_trait;
use sql::{PgConnection, Postgres};

use super::Payments;
use super::calls::calls;
use super::port::payments_on;
use super::statements::payment_columns;

/// Those that another process is taking are passed over.
const TAKE_DUE: &str = payment_columns!(
    "UPDATE payment p SET owner = $1, fence = p.fence + 1, lease_until_ms = $3
     FROM (SELECT tenant AS whose, id AS number FROM payment WHERE due_ms <= $2 AND lease_until_ms <= $2
           ORDER BY due_ms LIMIT $4 FOR UPDATE SKIP LOCKED) due
     WHERE p.tenant = due.whose AND p.id = due.number RETURNING",
    ", fence, wakes"
);

const FIND_FOR_UPDATE: &str = payment_columns!(
    "SELECT",
    " FROM payment p WHERE p.tenant = $1 AND p.id = $2 FOR UPDATE"
);

const FIND_ALL: &str = payment_columns!(
    "SELECT",
    " FROM payment p WHERE p.id IN (SELECT value::bigint FROM json_array_elements_text($1::json))"
);

calls!(PgConnection, postgres, outbox::append_postgres, FIND_FOR_UPDATE);

/// [`Payments`] on PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresPayments {
    sql: Postgres,
}

impl PostgresPayments {
    /// On an open database that has the tables.
    pub fn new(sql: Postgres) -> Self {
        Self { sql }
    }
}

payments_on!(PostgresPayments);
