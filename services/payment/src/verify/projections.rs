//! What is derived of the journal, compared by the database itself: each statement lists what differs. They read the same on both
//! engines; amounts are summed in halves of 32 bits, so that no sum passes 64 on the way.

use super::Check;

/// A statement, and what to say of a row that it lists: tenant and number.
pub(super) struct Comparison {
    pub(super) check: Check,
    pub(super) what: &'static str,
    pub(super) statement: &'static str,
}

/// The part that a hold is counted on, as [`part_of`](crate::ledger::part_of) has it.
macro_rules! part {
    () => {
        "(((((h.id >> 22) + (h.id & 4194303)) & 2147483647) * 2654435769) & 4294967295) * a.parts >> 32"
    };
}

pub(super) const COMPARISONS: &[Comparison] = &[
    Comparison {
        check: Check::Chain,
        what: "an entry of this row of the journal is there, and the row is not",
        statement: "SELECT e.tenant, e.journal_id FROM entry e
            LEFT JOIN journal j ON j.tenant = e.tenant AND j.id = e.journal_id
            WHERE j.id IS NULL LIMIT 20",
    },
    Comparison {
        check: Check::Chain,
        what: "this row of the journal is in no chain",
        statement: "SELECT tenant, id FROM journal WHERE shard NOT BETWEEN 0 AND 7 OR link < 1 LIMIT 20",
    },
    Comparison {
        check: Check::Replay,
        what: "this account has entries in a part that has no balance",
        statement: "SELECT e.tenant, e.account_id FROM entry e
            LEFT JOIN balance b ON b.tenant = e.tenant AND b.account_id = e.account_id AND b.part = e.part
            WHERE b.account_id IS NULL LIMIT 20",
    },
    Comparison {
        check: Check::Replay,
        what: "this account has not a balance for each of its parts",
        statement: "SELECT a.tenant, a.id FROM account a
            LEFT JOIN balance b ON b.tenant = a.tenant AND b.account_id = a.id AND b.part < a.parts
            GROUP BY a.tenant, a.id, a.parts HAVING count(b.part) <> a.parts LIMIT 20",
    },
    Comparison {
        check: Check::Projections,
        what: "this hold is not what its rows of the journal say (captured, let go, state)",
        statement: "SELECT h.tenant, h.id FROM hold h LEFT JOIN (
                SELECT j.tenant, j.hold_id,
                    sum(CASE WHEN j.kind = 2 AND j.id = j.hold_id THEN 1 ELSE 0 END) AS placed,
                    sum(CASE WHEN j.kind = 4 THEN 1 ELSE 0 END) AS voids,
                    sum(CASE WHEN j.kind = 5 THEN 1 ELSE 0 END) AS expiries,
                    coalesce(sum(e.amount >> 32), 0) * 4294967296 + coalesce(sum(e.amount & 4294967295), 0) AS captured
                FROM journal j LEFT JOIN entry e ON e.tenant = j.tenant AND e.journal_id = j.id AND e.line = 0
                WHERE j.hold_id IS NOT NULL GROUP BY j.tenant, j.hold_id
            ) said ON said.tenant = h.tenant AND said.hold_id = h.id
            WHERE said.hold_id IS NULL OR said.placed <> 1 OR said.captured <> h.captured
                OR said.voids <> CASE WHEN h.state = 2 THEN 1 ELSE 0 END
                OR said.expiries <> CASE WHEN h.state = 3 THEN 1 ELSE 0 END
                OR h.captured < 0 OR h.voided < 0
                OR (h.state = 0 AND h.amount - h.captured <= h.voided)
                OR (h.state <> 0 AND h.amount - h.captured <> h.voided) LIMIT 20",
    },
    Comparison {
        check: Check::Projections,
        what: "the journal placed this hold, and it is not there, or at another time",
        statement: "SELECT j.tenant, j.id FROM journal j
            LEFT JOIN hold h ON h.tenant = j.tenant AND h.id = j.id
            WHERE j.kind = 2 AND (h.id IS NULL OR h.created_at_ms <> j.at_ms) LIMIT 20",
    },
    Comparison {
        check: Check::Projections,
        what: "this hold's terms (accounts, amount, currency, expiry) are not those that the chain says it was placed with",
        statement: "SELECT said.tenant, said.id FROM (
                SELECT j.tenant, j.id, j.details,
                    '{\"hold\":{\"debit_account_id\":\"' || CAST(h.debit_account_id AS TEXT)
                        || '\",\"credit_account_id\":\"' || CAST(h.credit_account_id AS TEXT)
                        || '\",\"amount\":\"' || CAST(h.amount AS TEXT)
                        || '\",\"currency\":\"' || h.currency
                        || '\",\"expires_at_ms\":' || CAST(h.expires_at_ms AS TEXT) || '},\"details\":' AS terms
                FROM journal j JOIN hold h ON h.tenant = j.tenant AND h.id = j.id
                WHERE j.kind = 2
            ) said
            WHERE substr(said.details, 1, length(said.terms)) <> said.terms LIMIT 20",
    },
    Comparison {
        check: Check::Projections,
        what: "a capture's lines are not its hold's accounts and currency",
        statement: "SELECT h.tenant, h.id FROM journal j
            JOIN hold h ON h.tenant = j.tenant AND h.id = j.hold_id
            CROSS JOIN (SELECT 0 AS line UNION ALL SELECT 1) n
            JOIN entry e ON e.tenant = j.tenant AND e.journal_id = j.id AND e.line = n.line
            WHERE j.kind = 3 AND (e.currency <> h.currency
                OR e.account_id <> CASE WHEN e.direction = 0 THEN h.debit_account_id ELSE h.credit_account_id END) LIMIT 20",
    },
    Comparison {
        check: Check::Sums,
        what: "what is held of this account is not what its open holds sum to",
        statement: concat!("SELECT b.tenant, b.account_id FROM balance b
            LEFT JOIN (
                SELECT h.tenant, h.debit_account_id AS account_id, ", part!(), " AS part,
                    sum((h.amount - h.captured - h.voided) >> 32) * 4294967296
                        + sum((h.amount - h.captured - h.voided) & 4294967295) AS held
                FROM hold h JOIN account a ON a.tenant = h.tenant AND a.id = h.debit_account_id
                WHERE h.state = 0 GROUP BY 1, 2, 3
            ) d ON d.tenant = b.tenant AND d.account_id = b.account_id AND d.part = b.part
            LEFT JOIN (
                SELECT h.tenant, h.credit_account_id AS account_id, ", part!(), " AS part,
                    sum((h.amount - h.captured - h.voided) >> 32) * 4294967296
                        + sum((h.amount - h.captured - h.voided) & 4294967295) AS held
                FROM hold h JOIN account a ON a.tenant = h.tenant AND a.id = h.credit_account_id
                WHERE h.state = 0 GROUP BY 1, 2, 3
            ) c ON c.tenant = b.tenant AND c.account_id = b.account_id AND c.part = b.part
            WHERE b.hold_debits <> coalesce(d.held, 0) OR b.hold_credits <> coalesce(c.held, 0) LIMIT 20"),
    },
    Comparison {
        check: Check::Projections,
        what: "what is recorded as reversed of this row is not what its reversals sum to",
        statement: "SELECT r.tenant, r.journal_id FROM reversed r LEFT JOIN (
                SELECT j.tenant, j.refers_to,
                    sum(e.amount >> 32) * 4294967296 + sum(e.amount & 4294967295) AS amount
                FROM journal j JOIN entry e ON e.tenant = j.tenant AND e.journal_id = j.id AND e.line = 0
                WHERE j.kind = 6 GROUP BY j.tenant, j.refers_to
            ) said ON said.tenant = r.tenant AND said.refers_to = r.journal_id
            WHERE said.amount IS NULL OR said.amount <> r.amount LIMIT 20",
    },
    Comparison {
        check: Check::Projections,
        what: "a reversal points at this row, and nothing is recorded as reversed of it",
        statement: "SELECT j.tenant, j.refers_to FROM journal j
            LEFT JOIN reversed r ON r.tenant = j.tenant AND r.journal_id = j.refers_to
            WHERE j.kind = 6 AND j.refers_to IS NOT NULL AND r.amount IS NULL LIMIT 20",
    },
    Comparison {
        check: Check::Sums,
        what: "this account is beyond its limits",
        statement: "SELECT a.tenant, a.id FROM account a
            JOIN balance b ON b.tenant = a.tenant AND b.account_id = a.id
            WHERE (a.not_below_zero AND CASE WHEN a.kind IN (0, 3)
                    THEN b.posted < b.hold_credits ELSE b.posted > -b.hold_debits END)
                OR (a.not_above_zero AND CASE WHEN a.kind IN (0, 3)
                    THEN b.posted > -b.hold_debits ELSE b.posted < b.hold_credits END) LIMIT 20",
    },
];
