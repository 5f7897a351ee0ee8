//! What the engines are told.

/// The statements that the engines write differently.
#[derive(Debug)]
pub(super) struct Statements {
    /// Endpoint by tenant and id, held against others until the end of the transaction.
    pub(super) lock_endpoint: &'static str,
    /// Ids and kinds of a tenant's enabled endpoints, held against being changed.
    pub(super) enabled_endpoints: &'static str,
    /// Held while endpoints of the tenant are counted.
    pub(super) lock_tenant: &'static str,
    /// Puts one event in line for a list of endpoints.
    pub(super) insert_deliveries: &'static str,
    /// Ids of what is due, held against others who take.
    pub(super) pick_due: &'static str,
    /// Takes a list of deliveries.
    pub(super) take: &'static str,
}

pub(super) const INSERT_ENDPOINT: &str = "INSERT INTO webhook_endpoint (tenant, id, url, kinds, description, state, state_at_ms, secret, claim, fingerprint, created_at_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

pub(super) const FIND_CLAIM: &str =
    "SELECT id, fingerprint FROM webhook_endpoint WHERE tenant = $1 AND claim = $2";

pub(super) const COUNT_ENDPOINTS: &str = "SELECT count(*) FROM webhook_endpoint WHERE tenant = $1";

pub(super) const ENDPOINT: &str = "SELECT * FROM webhook_endpoint WHERE tenant = $1 AND id = $2";

pub(super) const ENDPOINTS: &str =
    "SELECT * FROM webhook_endpoint WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3";

pub(super) const CHANGE_ENDPOINT: &str = "UPDATE webhook_endpoint
     SET url = $3, kinds = $4, description = $5, state = $6, state_at_ms = $7, failing_since_ms = $8, dead_in_a_row = $9
     WHERE tenant = $1 AND id = $2";

pub(super) const ROTATE_SECRET: &str = "UPDATE webhook_endpoint
     SET former_secret = secret, former_until_ms = $4, secret = $3, secret_claim = $5 WHERE tenant = $1 AND id = $2";

pub(super) const SECRET_CLAIM: &str =
    "SELECT secret_claim FROM webhook_endpoint WHERE tenant = $1 AND id = $2";

pub(super) const DELETE_ENDPOINT: &str = "DELETE FROM webhook_endpoint WHERE tenant = $1 AND id = $2";

pub(super) const ACCEPTED: &str = "UPDATE webhook_endpoint SET failing_since_ms = NULL, dead_in_a_row = 0
     WHERE tenant = $1 AND id = $2 AND (failing_since_ms IS NOT NULL OR dead_in_a_row > 0)";

pub(super) const RECORD: &str = "UPDATE webhook_delivery
     SET state = $3, next_at_ms = $4, last_status = $5, last_error = $6, last_at_ms = $7
     WHERE id = $1 AND attempt = $2 AND state IN (0, 2)";

pub(super) const DELIVERY: &str = "SELECT * FROM webhook_delivery WHERE tenant = $1 AND id = $2";

macro_rules! deliveries_where {
    ($which:literal) => {
        concat!(
            "SELECT * FROM webhook_delivery WHERE tenant = $1 AND ($2 = 0 OR endpoint_id = $2) AND ($3 < 0 OR state = $3) ",
            $which,
            " AND id < $4 ORDER BY id DESC LIMIT $5"
        )
    };
}

/// A tenant's, by the index that says what it is written for: an engine that plans before it knows what is asked for takes no other.
pub(super) const DELIVERIES: &str = deliveries_where!("");
/// Of one endpoint.
pub(super) const DELIVERIES_OF_ENDPOINT: &str = deliveries_where!("AND endpoint_id = $2");
/// Those that wait, of which there are few beside those that are over.
pub(super) const DELIVERIES_WAITING: &str = deliveries_where!("AND state IN (0, 2)");
/// Dead letters, likewise.
pub(super) const DELIVERIES_DEAD: &str = deliveries_where!("AND state = 3");

pub(super) const REPLAY: &str = "UPDATE webhook_delivery
     SET state = 0, next_at_ms = $3, first_attempt = attempt WHERE tenant = $1 AND id = $2 AND state IN (1, 3)";

pub(super) const WAITING: &str =
    "SELECT count(*) FROM (SELECT 1 FROM webhook_delivery WHERE state IN (0, 2) LIMIT $1) AS waiting";

pub(super) const DEAD: &str =
    "SELECT count(*) FROM (SELECT 1 FROM webhook_delivery WHERE state = 3 LIMIT $1) AS dead";

pub(super) const FORGET: &str = "DELETE FROM webhook_delivery WHERE id IN (
         SELECT id FROM webhook_delivery WHERE state IN (1, 3) AND last_at_ms < $1 ORDER BY last_at_ms LIMIT $2)";
