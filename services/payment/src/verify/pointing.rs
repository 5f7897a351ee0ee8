//! Rows that point at another, held against it: what a caller said of the row that he captured or reversed is not what counts. They read
//! the same on both engines, as [`projections`](super::projections) do. Sums are compared by halves of 32 bits, exactly.

use super::Check;
use super::projections::Comparison;

/// What the first lines of a kind's rows sum to, by what they point at: in halves.
macro_rules! moved {
    ($kind:literal, $at:literal) => {
        concat!(
            "(SELECT s.tenant, s.id, s.high + (s.low >> 32) AS high, s.low & 4294967295 AS low FROM (
                SELECT j.tenant, j.",
            $at,
            " AS id, CAST(sum(e.amount >> 32) AS BIGINT) AS high, CAST(sum(e.amount & 4294967295) AS BIGINT) AS low
                FROM journal j JOIN entry e ON e.tenant = j.tenant AND e.journal_id = j.id AND e.line = 0
                WHERE j.kind = ",
            $kind,
            " GROUP BY j.tenant, j.",
            $at,
            ") s) said "
        )
    };
}

pub(super) const COMPARISONS: &[Comparison] = &[
    Comparison {
        check: Check::Projections,
        what: "this row points at a hold or at another row, and its kind does not, or the other way round",
        statement: "SELECT tenant, id FROM journal
            WHERE (kind BETWEEN 2 AND 5) <> (hold_id IS NOT NULL) OR (kind = 6) <> (refers_to IS NOT NULL)
                OR (kind = 2) <> (hold_id IS NOT NULL AND hold_id = id) LIMIT 20",
    },
    Comparison {
        check: Check::Projections,
        what: "this row is about a hold that was never placed",
        statement: "SELECT j.tenant, j.id FROM journal j
            LEFT JOIN journal h ON h.tenant = j.tenant AND h.id = j.hold_id AND h.kind = 2
            WHERE j.kind BETWEEN 3 AND 5 AND h.id IS NULL LIMIT 20",
    },
    Comparison {
        check: Check::Projections,
        what: "more was captured of this hold than it held",
        statement: concat!(
            "SELECT h.tenant, h.id FROM hold h JOIN ",
            moved!("3", "hold_id"),
            "ON said.tenant = h.tenant AND said.id = h.id
            WHERE (said.high, said.low) > (h.amount >> 32, h.amount & 4294967295) LIMIT 20"
        ),
    },
    Comparison {
        check: Check::Projections,
        what: "this capture was made after its hold's time was over, or while the ledger's time was far ahead of the clock",
        // Two clocks decide it that may each differ from the database's. More than that is no difference of clocks, unless one of them was wrong
        // before: the ledger's time does not go back when it is set right, and holds that are placed meanwhile are judged by the clock.
        statement: "SELECT j.tenant, j.id FROM journal j
            JOIN hold h ON h.tenant = j.tenant AND h.id = j.hold_id
            WHERE j.kind = 3 AND j.at_ms - 1200000 >= h.expires_at_ms LIMIT 20",
    },
    Comparison {
        check: Check::Projections,
        what: "this row says that its hold's time was over, and it was not",
        statement: "SELECT j.tenant, j.id FROM journal j
            JOIN hold h ON h.tenant = j.tenant AND h.id = j.hold_id
            WHERE j.kind = 5 AND j.at_ms < h.expires_at_ms LIMIT 20",
    },
    Comparison {
        check: Check::Projections,
        what: "this reversal points at no row that moved money first",
        statement: "SELECT j.tenant, j.id FROM journal j
            LEFT JOIN journal o ON o.tenant = j.tenant AND o.id = j.refers_to AND o.kind IN (0, 1, 3, 7)
            WHERE j.kind = 6 AND o.id IS NULL LIMIT 20",
    },
    Comparison {
        check: Check::Projections,
        what: "more was reversed of this row than it moved",
        statement: concat!(
            "SELECT e.tenant, e.journal_id FROM ",
            moved!("6", "refers_to"),
            "JOIN entry e ON e.tenant = said.tenant AND e.journal_id = said.id AND e.line = 0
            WHERE (said.high, said.low) > (e.amount >> 32, e.amount & 4294967295) LIMIT 20"
        ),
    },
    Comparison {
        check: Check::Projections,
        what: "a line of this reversal is not the opposite of a line of the row that it reverses",
        // A row of two lines is reversed in parts, one of more lines whole.
        statement: "SELECT j.tenant, j.id FROM journal j
            JOIN entry n ON n.tenant = j.tenant AND n.journal_id = j.id
            JOIN journal o ON o.tenant = j.tenant AND o.id = j.refers_to AND o.kind IN (0, 1, 3, 7)
            LEFT JOIN entry e ON e.tenant = o.tenant AND e.journal_id = o.id AND e.line = n.line
                AND e.account_id = n.account_id AND e.currency = n.currency AND e.direction <> n.direction
                AND n.amount <= e.amount
            LEFT JOIN entry third ON third.tenant = o.tenant AND third.journal_id = o.id AND third.line = 2
            WHERE j.kind = 6 AND (e.line IS NULL OR (n.amount < e.amount AND third.line IS NOT NULL)) LIMIT 20",
    },
    Comparison {
        check: Check::Projections,
        what: "a line of the row that this reversal reverses has no opposite in it",
        statement: "SELECT j.tenant, j.id FROM journal j
            JOIN entry e ON e.tenant = j.tenant AND e.journal_id = j.refers_to
            LEFT JOIN entry n ON n.tenant = j.tenant AND n.journal_id = j.id AND n.line = e.line
            WHERE j.kind = 6 AND n.line IS NULL LIMIT 20",
    },
    Comparison {
        check: Check::Projections,
        what: "this account is closed, and something is on it, held or posted since",
        statement: "SELECT a.tenant, a.id FROM account a
            JOIN balance b ON b.tenant = a.tenant AND b.account_id = a.id
            WHERE a.closed_at_ms IS NOT NULL GROUP BY a.tenant, a.id, a.closed_at_ms
            HAVING sum(b.posted >> 32) * 4294967296 + sum(b.posted & 4294967295) <> 0
                OR max(b.hold_debits) > 0 OR max(b.hold_credits) > 0 OR max(b.last_at_ms) > a.closed_at_ms LIMIT 20",
    },
];

/// The file has the end of an account in one place.
pub(super) const POSTGRES: &[Comparison] = &[Comparison {
    check: Check::Projections,
    what: "this account and the balance of a part of it do not agree on whether it is closed",
    statement: "SELECT a.tenant, a.id FROM account a
        JOIN balance b ON b.tenant = a.tenant AND b.account_id = a.id
        WHERE b.closed <> (a.closed_at_ms IS NOT NULL) LIMIT 20",
}];
