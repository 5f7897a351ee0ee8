//! The SQL that both engines read alike.

/// Columns of a charge, in the order of `rows::ChargeRow`.
macro_rules! charges_where {
    ($rest:literal) => {
        concat!(
            "SELECT id, reference, amount, currency, method, status, captured, refunded, decline_code, ",
            "created_at_ms, updated_at_ms FROM charge WHERE ",
            $rest
        )
    };
}

/// Columns of a movement, in the order of `rows::MovementRow`.
macro_rules! movements_where {
    ($rest:literal) => {
        concat!(
            "SELECT id, charge_id, reference, kind, amount, currency, at_ms FROM movement WHERE ",
            $rest
        )
    };
}

pub(super) const FREE_KEY: &str = "DELETE FROM request WHERE key_hash = $1 AND expires_at_ms <= $2";

/// Waits, on PostgreSQL, for another transaction that has just written the same key.
pub(super) const CLAIM_KEY: &str = "INSERT INTO request (key_hash, fingerprint, answer, expires_at_ms) \
     VALUES ($1, $2, '', $3) ON CONFLICT (key_hash) DO NOTHING";

pub(super) const FIND_KEY: &str = "SELECT fingerprint, answer FROM request WHERE key_hash = $1";

pub(super) const RECALL_KEY: &str =
    "SELECT fingerprint, answer FROM request WHERE key_hash = $1 AND expires_at_ms > $2";

pub(super) const ANSWER_KEY: &str = "UPDATE request SET answer = $2 WHERE key_hash = $1";

pub(super) const FIND_CHARGE: &str = charges_where!("id = $1");

/// SQLite has one writer and needs no lock of a row.
pub(super) const LOCK_CHARGE: &str = charges_where!("id = $1 FOR UPDATE");

pub(super) const CHARGES_OF_REFERENCE: &str =
    charges_where!("reference = $1 ORDER BY created_at_ms DESC, id LIMIT $2");

pub(super) const PUT_CHARGE: &str = "INSERT INTO charge (id, reference, amount, currency, method, status, \
     captured, refunded, decline_code, created_at_ms, updated_at_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
     ON CONFLICT (id) DO UPDATE SET status = excluded.status, captured = excluded.captured, \
     refunded = excluded.refunded, updated_at_ms = excluded.updated_at_ms";

pub(super) const PUT_MOVEMENT: &str = "INSERT INTO movement \
     (id, charge_id, reference, kind, amount, currency, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub(super) const REFUNDS: &str =
    movements_where!("charge_id = $1 AND kind = 'refund' ORDER BY at_ms, id LIMIT $2");

pub(super) const SETTLED: &str = movements_where!(
    "at_ms >= $1 AND at_ms < $2 AND (at_ms > $3 OR (at_ms = $3 AND id > $4)) ORDER BY at_ms, id LIMIT $5"
);

pub(super) const DAYS: &str = "SELECT at_ms / 86400000 AS day, count(*) FROM movement WHERE at_ms < $1 \
     GROUP BY day ORDER BY day DESC LIMIT $2";

pub(super) const PUT_WEBHOOK: &str = "INSERT INTO webhook \
     (id, body, copies, attempts, created_at_ms, next_at_ms) VALUES ($1, $2, $3, 0, $4, $5)";

pub(super) const DUE_WEBHOOKS: &str = "SELECT id, body, copies, attempts FROM webhook WHERE next_at_ms <= $1 \
     ORDER BY next_at_ms, created_at_ms, id LIMIT $2";

pub(super) const TAKE_WEBHOOK: &str = "UPDATE webhook SET attempts = attempts + 1, next_at_ms = $3 \
     WHERE id = $1 AND attempts = $2";

pub(super) const DELETE_WEBHOOK: &str = "DELETE FROM webhook WHERE id = $1";

pub(super) const PENDING_WEBHOOKS: &str = "SELECT count(*) FROM webhook";

pub(super) const FORGET_KEYS: &str = "DELETE FROM request WHERE key_hash IN \
     (SELECT key_hash FROM request WHERE expires_at_ms <= $1 LIMIT 1000)";

pub(super) const FORGET_MOVEMENTS: &str = "DELETE FROM movement WHERE charge_id IN \
     (SELECT id FROM charge WHERE updated_at_ms <= $1 ORDER BY updated_at_ms, id LIMIT 1000)";

pub(super) const FORGET_CHARGES: &str = "DELETE FROM charge WHERE id IN \
     (SELECT id FROM charge WHERE updated_at_ms <= $1 ORDER BY updated_at_ms, id LIMIT 1000)";

pub(super) const FORGET_WEBHOOKS: &str = "DELETE FROM webhook WHERE id IN \
     (SELECT id FROM webhook WHERE created_at_ms <= $1 LIMIT 1000)";
