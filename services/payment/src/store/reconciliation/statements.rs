//! Statements that both engines take.

macro_rules! movement_columns {
    ($rest:literal) => {
        concat!(
            "SELECT tenant, reference, kind, payment_id, amount, currency, at_ms FROM movement",
            $rest
        )
    };
}
pub(super) use movement_columns;

macro_rules! break_columns {
    ($rest:literal) => {
        concat!(
            "SELECT tenant, id, day, kind, movement, reference, charge_id, payment_id, expected, expected_currency, found, ",
            "found_currency, state, note, adjustment_id, resolved_at_ms FROM reconciliation_break",
            $rest
        )
    };
}

pub(super) const REACHED: &str = "SELECT max(day) FROM reconciliation";

pub(super) const FIRST: &str = "SELECT min(at_ms) FROM movement";

pub(super) const MOVEMENTS: &str = movement_columns!(
    " WHERE (at_ms, reference) > ($1, $2) AND at_ms < $3 ORDER BY at_ms, reference LIMIT $4"
);

pub(super) const RECORD: &str = "
    INSERT INTO reconciliation (day, lines, fits, at_ms, fence) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";

pub(super) const LOOK: &str =
    "INSERT INTO reconciliation_look (fence, at_ms) VALUES ($1, $2) RETURNING place";

pub(super) const FORGET_LOOKS: &str = "DELETE FROM reconciliation_look WHERE place <= $1";

pub(super) const INSERT_LINES: &str =
    "INSERT INTO settlement_line (day, place, charge_id, reference, kind, amount, currency) ";

pub(super) const INSERT_BREAKS: &str = "
    INSERT INTO reconciliation_break (tenant, id, day, kind, movement, reference, charge_id, payment_id, expected,
        expected_currency, found, found_currency, state) ";

pub(super) const LISTED: &str = "SELECT kind, reference FROM reconciliation_break WHERE day = $1";

pub(super) const LIST: &str =
    "SELECT day, lines, fits, at_ms FROM reconciliation WHERE $1 = '' OR day < $1 ORDER BY day DESC LIMIT $2";

pub(super) const BREAKS: &str = break_columns!(" WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3");

pub(super) const BREAKS_OF_DAY: &str =
    break_columns!(" WHERE tenant = $1 AND id > $2 AND day = $4 ORDER BY id LIMIT $3");

pub(super) const BREAK: &str = break_columns!(" WHERE tenant = $1 AND id = $2");

pub(super) const RESOLVE: &str = "
    UPDATE reconciliation_break SET state = $3, note = $4, adjustment_id = $5, resolved_at_ms = $6
    WHERE tenant = $1 AND id = $2 AND state = 0 AND (adjustment_id IS NULL OR adjustment_id = $5)";

pub(super) const PLAN: &str = "
    UPDATE reconciliation_break SET adjustment_id = $3, adjustment = $4
    WHERE tenant = $1 AND id = $2 AND state = 0 AND adjustment_id IS NULL";

pub(super) const PLANNED: &str =
    "SELECT adjustment_id, adjustment FROM reconciliation_break WHERE tenant = $1 AND id = $2";

pub(super) const DROP_PLAN: &str = "
    UPDATE reconciliation_break SET adjustment_id = NULL, adjustment = NULL
    WHERE tenant = $1 AND id = $2 AND state = 0 AND adjustment_id = $3";
