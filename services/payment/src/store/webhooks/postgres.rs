//! Webhooks on PostgreSQL, for as many processes as share it. An endpoint's row is locked before those of its deliveries.

use std::collections::HashMap;

use async_trait::async_trait;
use idempotency::Outcome;
use identity::Tenant;
use ids::Id;
use sql::{PgConnection, Postgres};

use super::calls::webhooks_on;
use super::statements::{self, Statements};
use super::{
    Attempted, BACKLOG_MAX, Backlog, Delivery, DeliveryFilter, DeliveryState, Endpoint, EndpointChange,
    EndpointState, Event, NewSecret, NotCreated, NotReplayed, Patience, Recorded, RequestClaim, TakeDue,
    Taken, Webhooks, rows,
};
use crate::store::StoreError;

const STATEMENTS: Statements = Statements {
    lock_endpoint: "SELECT * FROM webhook_endpoint WHERE tenant = $1 AND id = $2 FOR NO KEY UPDATE",
    // Held so that nobody disables one between the look and the insert.
    enabled_endpoints: "SELECT id, kinds FROM webhook_endpoint WHERE tenant = $1 AND state = 0 ORDER BY id FOR SHARE",
    lock_tenant: "SELECT pg_advisory_xact_lock(hashtextextended('webhook_endpoint/' || $1, 0))",
    insert_deliveries: "INSERT INTO webhook_delivery (tenant, endpoint_id, event_id, kind, body, state, next_at_ms, created_at_ms)
         SELECT $1, value::bigint, $3, $4, $5, 0, $6, $6 FROM json_array_elements_text($2::json)
         ON CONFLICT (endpoint_id, event_id) DO NOTHING",
    // So many of the longest due are looked at; what an endpoint has beyond its share waits for the next look, where it is busy. The
    // conditions stand at the lock again: what another process has taken meanwhile is due no more.
    pick_due: "WITH candidate AS (
             SELECT id, endpoint_id, next_at_ms FROM webhook_delivery
             WHERE state IN (0, 2) AND next_at_ms <= $1
               AND endpoint_id NOT IN (SELECT value::bigint FROM json_array_elements_text($2::json))
             ORDER BY next_at_ms LIMIT 1000),
         ranked AS (
             SELECT id, row_number() OVER (PARTITION BY endpoint_id ORDER BY next_at_ms, id) AS place FROM candidate)
         SELECT d.id FROM webhook_delivery d JOIN ranked r ON r.id = d.id
         WHERE r.place <= $3 AND d.state IN (0, 2) AND d.next_at_ms <= $1
         ORDER BY d.next_at_ms, d.id LIMIT $4 FOR UPDATE OF d SKIP LOCKED",
    take: "UPDATE webhook_delivery SET attempt = attempt + 1, next_at_ms = $2
         WHERE id IN (SELECT value::bigint FROM json_array_elements_text($1::json)) RETURNING *",
};

/// [`Webhooks`] on one schema.
#[derive(Clone)]
pub struct PostgresWebhooks {
    sql: Postgres,
}

impl std::fmt::Debug for PostgresWebhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresWebhooks").finish_non_exhaustive()
    }
}

impl PostgresWebhooks {
    /// The port on an open schema.
    pub fn new(sql: Postgres) -> Self {
        Self { sql }
    }
}

/// [`Webhooks::enqueue`] in the caller's transaction: the event is in line exactly if that commits.
pub async fn enqueue_postgres(tx: &mut PgConnection, event: &Event) -> Result<u64, StoreError> {
    enqueue_for_all(tx, event).await
}

webhooks_on!(PostgresWebhooks, PgConnection, STATEMENTS);
