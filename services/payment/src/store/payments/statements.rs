//! Statements that both engines take.

macro_rules! payment_columns {
    ($before:literal, $rest:literal) => {
        concat!(
            $before,
            " tenant, id, payer_account_id, merchant_account_id, amount, currency, method, description, payer, ",
            "hold_id, capture_id, release_id, saga, created_at_ms, updated_at_ms, traceparent",
            $rest
        )
    };
}
pub(super) use payment_columns;

macro_rules! refund_columns {
    ($rest:literal) => {
        concat!(
            "SELECT r.tenant, r.id, r.payment_id, r.amount, r.state, r.refused, r.hold_id, r.release_id, r.reversal_id, ",
            "r.created_at_ms, r.ended_at_ms FROM refund r",
            $rest
        )
    };
}

/// Over one that has expired. No row comes back where another counts.
pub(super) const CLAIM: &str = "
    INSERT INTO payment_claim (key, fingerprint, payment_id, refund_id, refused, expires_at_ms)
    VALUES ($1, $2, $3, $4, NULL, $5)
    ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, payment_id = excluded.payment_id,
        refund_id = excluded.refund_id, refused = NULL, expires_at_ms = excluded.expires_at_ms
    WHERE payment_claim.expires_at_ms <= $6
    RETURNING 1";

pub(super) const RECALL: &str =
    "SELECT fingerprint, payment_id, refund_id, refused FROM payment_claim WHERE key = $1";

/// One that is over is fresh.
pub(super) const RECALL_KEPT: &str = "
    SELECT fingerprint, payment_id, refund_id, refused FROM payment_claim WHERE key = $1 AND expires_at_ms > $2";

pub(super) const REFUSE: &str = "UPDATE payment_claim SET refused = $2 WHERE key = $1";

/// Counts one payment in, if it still fits. No row comes back where it does not.
pub(super) const COUNT_IN: &str = "
    INSERT INTO velocity (tenant, account_id, window_ms, payments, minor)
    SELECT $1, $2, $3, 1, $4 WHERE $4 <= $6 AND $5 >= 1
    ON CONFLICT (tenant, account_id, window_ms) DO UPDATE
        SET payments = velocity.payments + 1, minor = velocity.minor + excluded.minor
    WHERE velocity.payments < $5 AND velocity.minor <= $6 - excluded.minor
    RETURNING 1";

/// A window that is forgotten already stays so.
pub(super) const COUNT_OUT: &str = "
    UPDATE velocity SET payments = payments - 1, minor = minor - $4
    WHERE tenant = $1 AND account_id = $2 AND window_ms = $3 AND payments >= 1 AND minor >= $4";

pub(super) const COUNTED: &str =
    "SELECT payments FROM velocity WHERE tenant = $1 AND account_id = $2 AND window_ms = $3";

pub(super) const INSERT: &str = "
    INSERT INTO payment (tenant, id, payer_account_id, merchant_account_id, amount, currency, method, description, payer,
        hold_id, capture_id, release_id, state, saga, created_at_ms, updated_at_ms, due_ms, traceparent)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $15, $16)";

pub(super) const FIND: &str = payment_columns!("SELECT", " FROM payment p WHERE p.tenant = $1 AND p.id = $2");

pub(super) const LIST: &str = payment_columns!(
    "SELECT",
    " FROM payment p WHERE p.tenant = $1 AND p.id < $2 ORDER BY p.id DESC LIMIT $3"
);

pub(super) const LIST_IN_STATE: &str = payment_columns!(
    "SELECT",
    " FROM payment p WHERE p.tenant = $1 AND p.id < $2 AND p.state = $4 ORDER BY p.id DESC LIMIT $3"
);

/// Each side by its own index: an OR over both would read all that the tenant has.
pub(super) const LIST_OF_ACCOUNT: &str = payment_columns!(
    "SELECT",
    " FROM payment p WHERE p.tenant = $1 AND p.id IN (
          SELECT id FROM (SELECT id FROM payment WHERE tenant = $1 AND payer_account_id = $4 AND id < $2 AND ($5 = '' OR state = $5)
              ORDER BY id DESC LIMIT $3) AS paid
          UNION SELECT id FROM (SELECT id FROM payment WHERE tenant = $1 AND merchant_account_id = $4 AND id < $2 AND ($5 = '' OR state = $5)
              ORDER BY id DESC LIMIT $3) AS received)
      ORDER BY p.id DESC LIMIT $3"
);

pub(super) const STEPS: &str = "
    SELECT place, step, call, began_at_ms, ended_at_ms, outcome, code FROM payment_step
    WHERE tenant = $1 AND payment_id = $2 ORDER BY place";

pub(super) const REFUNDS: &str = refund_columns!(" WHERE r.tenant = $1 AND r.payment_id = $2 ORDER BY r.id");

pub(super) const REFUND: &str = refund_columns!(" WHERE r.tenant = $1 AND r.id = $2");

pub(super) const WAITING_REFUND: &str =
    refund_columns!(" WHERE r.tenant = $1 AND r.payment_id = $2 AND r.state = 0 ORDER BY r.id LIMIT 1");

/// Of a payment, what went back or is to.
pub(super) const REFUNDED: &str = "
    SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) FROM refund
    WHERE tenant = $1 AND payment_id = $2 AND state <> 2";

pub(super) const INSERT_REFUND: &str = "
    INSERT INTO refund (tenant, id, payment_id, amount, state, hold_id, release_id, reversal_id, created_at_ms)
    VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8)";

pub(super) const END_REFUND: &str = "
    UPDATE refund SET state = $3, refused = $4, ended_at_ms = $5 WHERE tenant = $1 AND id = $2 AND state = 0";

pub(super) const COUNT_DUE: &str =
    "SELECT count(*) FROM (SELECT 1 AS one FROM payment WHERE due_ms <= $1 LIMIT $2) due";

/// Kept: who takes over after the lease finds it due. Let go ($9): due when it says, or at once where it was woken meanwhile.
pub(super) const SAVE: &str = "
    UPDATE payment SET state = $5, saga = $6, updated_at_ms = $7, lease_until_ms = $8,
        owner = CASE WHEN $9 THEN NULL ELSE owner END,
        due_ms = CASE WHEN NOT $9 THEN due_ms WHEN wakes > $10 THEN $7 ELSE $11 END
    WHERE tenant = $1 AND id = $2 AND owner = $3 AND fence = $4";

pub(super) const BEGIN_STEP: &str = "
    INSERT INTO payment_step (tenant, payment_id, place, step, call, began_at_ms) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (tenant, payment_id, place) DO UPDATE SET step = excluded.step, call = excluded.call,
        began_at_ms = excluded.began_at_ms, ended_at_ms = NULL, outcome = NULL, code = NULL";

pub(super) const END_STEP: &str = "
    UPDATE payment_step SET ended_at_ms = $4, outcome = $5, code = $6
    WHERE tenant = $1 AND payment_id = $2 AND place = $3";

/// What a process that was lost had begun.
pub(super) const INTERRUPT_STEPS: &str = "
    UPDATE payment_step SET ended_at_ms = $3, outcome = 'interrupted'
    WHERE tenant = $1 AND payment_id = $2 AND ended_at_ms IS NULL";

pub(super) const WAKE: &str = "
    UPDATE payment SET wakes = wakes + 1, due_ms = CASE WHEN due_ms < $2 THEN due_ms ELSE $2 END WHERE id = $1";

pub(super) const FORGET_CLAIMS: &str = "
    DELETE FROM payment_claim WHERE key IN
        (SELECT key FROM payment_claim WHERE expires_at_ms <= $1 ORDER BY expires_at_ms LIMIT $2)";

pub(super) const FORGET_WINDOWS: &str = "
    DELETE FROM velocity WHERE (tenant, account_id, window_ms) IN
        (SELECT tenant, account_id, window_ms FROM velocity WHERE window_ms < $1 ORDER BY window_ms LIMIT $2)";

pub(super) const INSERT_MOVEMENT: &str = "
    INSERT INTO movement (reference, kind, tenant, payment_id, amount, currency, at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
