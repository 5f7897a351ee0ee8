//! Webhooks on SQLite: one writer, so nothing needs a lock of its own.

use std::collections::HashMap;

use async_trait::async_trait;
use idempotency::Outcome;
use identity::Tenant;
use ids::Id;
use sql::{Sqlite, SqliteConnection};

use super::calls::webhooks_on;
use super::statements::{self, Statements};
use super::{
    Attempted, BACKLOG_MAX, Backlog, Delivery, DeliveryFilter, DeliveryState, Endpoint, EndpointChange,
    EndpointState, Event, NewSecret, NotCreated, NotReplayed, Patience, Recorded, RequestClaim, TakeDue,
    Taken, Webhooks, rows,
};
use crate::store::StoreError;

const STATEMENTS: Statements = Statements {
    lock_endpoint: statements::ENDPOINT,
    enabled_endpoints: "SELECT id, kinds FROM webhook_endpoint WHERE tenant = $1 AND state = 0 ORDER BY id",
    lock_tenant: "SELECT $1",
    insert_deliveries: "INSERT INTO webhook_delivery (tenant, endpoint_id, event_id, kind, body, state, next_at_ms, created_at_ms)
         SELECT $1, value, $3, $4, $5, 0, $6, $6 FROM json_each($2) WHERE true
         ON CONFLICT (endpoint_id, event_id) DO NOTHING",
    // So many of the longest due are looked at; what an endpoint has beyond its share waits for the next look, where it is busy.
    pick_due: "WITH candidate AS (
             SELECT id, endpoint_id, next_at_ms FROM webhook_delivery
             WHERE state IN (0, 2) AND next_at_ms <= $1 AND endpoint_id NOT IN (SELECT value FROM json_each($2))
             ORDER BY next_at_ms LIMIT 1000),
         ranked AS (
             SELECT id, next_at_ms, row_number() OVER (PARTITION BY endpoint_id ORDER BY next_at_ms, id) AS place FROM candidate)
         SELECT id FROM ranked WHERE place <= $3 ORDER BY next_at_ms, id LIMIT $4",
    take: "UPDATE webhook_delivery SET attempt = attempt + 1, next_at_ms = $2
         WHERE id IN (SELECT value FROM json_each($1)) RETURNING *",
};

/// [`Webhooks`] on one file.
#[derive(Clone)]
pub struct SqliteWebhooks {
    sql: Sqlite,
}

impl std::fmt::Debug for SqliteWebhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteWebhooks").finish_non_exhaustive()
    }
}

impl SqliteWebhooks {
    /// The port on an open file.
    pub fn new(sql: Sqlite) -> Self {
        Self { sql }
    }
}

/// [`Webhooks::enqueue`] in the caller's transaction: the event is in line exactly if that commits.
pub async fn enqueue_sqlite(tx: &mut SqliteConnection, event: &Event) -> Result<u64, StoreError> {
    enqueue_for_all(tx, event).await
}

webhooks_on!(SqliteWebhooks, SqliteConnection, STATEMENTS);
