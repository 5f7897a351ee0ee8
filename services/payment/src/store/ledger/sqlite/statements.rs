//! The statements. Rows to be found come as `{"tenant": [id, ...]}`, rows to be written as an array of arrays: one value to bind, however
//! many they are.

/// A record is over by the caller's clock and by this machine's, as triggers see it: who is ahead ends none early.
pub(super) const CLAIMS: &str = "
    SELECT c.key, c.fingerprint, c.outcome
    FROM json_each($1) k CROSS JOIN claim c ON c.key = unhex(k.value)
    WHERE c.expires_at_ms > min($2, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))";
pub(super) const TAKEN: &str = "
    SELECT j.tenant, j.id
    FROM json_each($1) t CROSS JOIN json_each(t.value) i CROSS JOIN journal j ON j.tenant = t.key AND j.id = i.value";
pub(super) const HOLDS: &str = "
    SELECT h.tenant, h.id, h.debit_account_id, h.credit_account_id, h.amount, h.currency, h.captured, h.voided, h.state,
        h.expires_at_ms, h.created_at_ms
    FROM json_each($1) t CROSS JOIN json_each(t.value) i CROSS JOIN hold h ON h.tenant = t.key AND h.id = i.value";
pub(super) const JOURNALS: &str = "
    SELECT j.tenant, j.id, j.kind, j.at_ms, j.hold_id, j.refers_to, j.details, coalesce(r.amount, 0)
    FROM json_each($1) t CROSS JOIN json_each(t.value) i CROSS JOIN journal j ON j.tenant = t.key AND j.id = i.value
        LEFT JOIN reversed r ON r.tenant = j.tenant AND r.journal_id = j.id";
pub(super) const POSTINGS: &str = "
    SELECT e.tenant, e.journal_id, e.account_id, e.direction, e.amount, e.currency
    FROM json_each($1) t CROSS JOIN json_each(t.value) i
        CROSS JOIN entry e INDEXED BY entry_journal ON e.tenant = t.key AND e.journal_id = i.value
    ORDER BY e.tenant, e.journal_id, e.line";
pub(super) const FACTS: &str = "
    SELECT a.tenant, a.id, a.currency, a.kind, a.not_below_zero, a.not_above_zero, a.parts, a.closed_at_ms IS NOT NULL
    FROM json_each($1) t CROSS JOIN json_each(t.value) i CROSS JOIN account a ON a.tenant = t.key AND a.id = i.value";
pub(super) const BALANCES: &str = "
    SELECT b.tenant, b.account_id, b.part, b.posted, b.hold_debits, b.hold_credits, b.entries, b.last_at_ms
    FROM json_each($1) t CROSS JOIN json_each(t.value) i
        CROSS JOIN balance b ON b.tenant = t.key AND b.account_id = i.value";
pub(super) const HEAD: &str = "SELECT link, hash, at_ms, sealed_ms FROM chain_head WHERE shard = $1";

pub(super) const INSERT_JOURNAL: &str = "
    INSERT INTO journal (tenant, id, kind, at_ms, hold_id, refers_to, details, shard, link, ord)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, $2, $3, key
    FROM json_each($1)";
pub(super) const INSERT_ENTRIES: &str = "
    INSERT INTO entry (tenant, account_id, part, seq, journal_id, line, direction, amount, currency, balance_after, at_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9, $2
    FROM json_each($1)";
pub(super) const UPDATE_BALANCES: &str = "
    UPDATE balance SET posted = v.value ->> 3, hold_debits = v.value ->> 4, hold_credits = v.value ->> 5,
        entries = v.value ->> 6, last_at_ms = v.value ->> 7
    FROM json_each($1) v
    WHERE balance.tenant = v.value ->> 0 AND balance.account_id = v.value ->> 1 AND balance.part = v.value ->> 2";
pub(super) const INSERT_HOLDS: &str = "
    INSERT INTO hold (tenant, id, debit_account_id, credit_account_id, amount, currency, captured, voided, state,
        expires_at_ms, created_at_ms, shard, link)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9, value ->> 10, $2, $3
    FROM json_each($1)";
pub(super) const UPDATE_HOLDS: &str = "
    UPDATE hold SET captured = v.value ->> 2, voided = v.value ->> 3, state = v.value ->> 4, shard = $2, link = $3
    FROM json_each($1) v
    WHERE hold.tenant = v.value ->> 0 AND hold.id = v.value ->> 1";
pub(super) const INSERT_REVERSED: &str = "
    INSERT INTO reversed (tenant, journal_id, amount, shard, link)
    SELECT value ->> 0, value ->> 1, value ->> 2, $2, $3 FROM json_each($1)";
pub(super) const UPDATE_REVERSED: &str = "
    UPDATE reversed SET amount = v.value ->> 2, shard = $2, link = $3
    FROM json_each($1) v
    WHERE reversed.tenant = v.value ->> 0 AND reversed.journal_id = v.value ->> 1";
/// Over a record that has expired; one that counts was found before.
pub(super) const PUT_CLAIMS: &str = "
    INSERT INTO claim (key, fingerprint, outcome, expires_at_ms)
    SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3 FROM json_each($1) WHERE true
    ON CONFLICT (key) DO UPDATE
    SET fingerprint = excluded.fingerprint, outcome = excluded.outcome, expires_at_ms = excluded.expires_at_ms";
pub(super) const INSERT_LINK: &str = "
    INSERT INTO chain_link (shard, link, at_ms, prev_hash, row_count, digests, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub(super) const MOVE_HEAD: &str = "UPDATE chain_head SET link = $2, hash = $3, at_ms = $4 WHERE shard = $1";

pub(super) const SEAL: &str = "UPDATE chain_head SET sealed_ms = $1 WHERE sealed_ms < $1";
pub(super) const UNSEALED: &str = "SELECT count(*) FROM chain_head WHERE sealed_ms < $1";
pub(super) const FORGET_CLAIMS: &str = "
    DELETE FROM claim
    WHERE key IN (
        SELECT key FROM claim WHERE expires_at_ms <= min($1, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
        ORDER BY expires_at_ms LIMIT $2)";

pub(super) const INSERT_ACCOUNT: &str = "
    INSERT INTO account (tenant, id, currency, kind, not_below_zero, not_above_zero, parts, name, metadata, created_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
pub(super) const INSERT_BALANCES: &str = "
    WITH RECURSIVE part (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM part WHERE n + 1 < $3)
    INSERT INTO balance (tenant, account_id, part, posted, hold_debits, hold_credits, entries, last_at_ms)
    SELECT $1, $2, n, 0, 0, 0, 0, 0 FROM part";
pub(super) const ACCOUNT: &str = "
    SELECT tenant, id, currency, kind, not_below_zero, not_above_zero, parts, name, metadata, created_at_ms, closed_at_ms
    FROM account WHERE tenant = $1 AND id = $2";
pub(super) const ACCOUNTS: &str = "
    SELECT tenant, id, currency, kind, not_below_zero, not_above_zero, parts, name, metadata, created_at_ms, closed_at_ms
    FROM account
    WHERE tenant = $1 AND id > $2 AND ($3 IS NULL OR kind = $3) AND ($4 IS NULL OR currency = $4)
    ORDER BY id LIMIT $5";
pub(super) const CHANGE_ACCOUNT: &str = "
    UPDATE account SET name = $3, metadata = $4, closed_at_ms = $5 WHERE tenant = $1 AND id = $2";

pub(super) const BALANCE: &str = "
    SELECT posted, hold_debits, hold_credits, entries, last_at_ms
    FROM balance WHERE tenant = $1 AND account_id = $2 ORDER BY part";
/// Times of a part never go back, so its last entry of a moment is found by halving: no index on time has to be kept.
pub(super) const BALANCE_AS_OF: &str = "
    WITH RECURSIVE search (part, lo, hi) AS (
        SELECT part, 0, entries FROM balance WHERE tenant = $1 AND account_id = $2
        UNION ALL
        SELECT s.part, CASE WHEN e.at_ms <= $3 THEN e.seq ELSE s.lo END,
            CASE WHEN e.at_ms <= $3 THEN s.hi ELSE e.seq - 1 END
        FROM search s CROSS JOIN entry e
            ON e.tenant = $1 AND e.account_id = $2 AND e.part = s.part AND e.seq = (s.lo + s.hi + 1) / 2
        WHERE s.lo < s.hi
    )
    SELECT coalesce(e.balance_after, 0), 0, 0, s.lo, coalesce(e.at_ms, 0)
    FROM search s LEFT JOIN entry e ON e.tenant = $1 AND e.account_id = $2 AND e.part = s.part AND e.seq = s.lo
    WHERE s.lo = s.hi
    ORDER BY s.part";
/// From each part the entries after the cursor, found by halving as above; merged by time, part and sequence.
/// $3 and $4 are the cursor's time and part (-1: from that time on), $5 its sequence, $6 the end, $7 the limit.
pub(super) const ENTRIES: &str = "
    WITH RECURSIVE search (part, through_ms, lo, hi) AS (
        SELECT part, CASE WHEN part > $4 THEN $3 - 1 ELSE $3 END,
            CASE WHEN part = $4 THEN $5 ELSE 0 END, CASE WHEN part = $4 THEN $5 ELSE entries END
        FROM balance WHERE tenant = $1 AND account_id = $2
        UNION ALL
        SELECT s.part, s.through_ms, CASE WHEN e.at_ms <= s.through_ms THEN e.seq ELSE s.lo END,
            CASE WHEN e.at_ms <= s.through_ms THEN s.hi ELSE e.seq - 1 END
        FROM search s CROSS JOIN entry e
            ON e.tenant = $1 AND e.account_id = $2 AND e.part = s.part AND e.seq = (s.lo + s.hi + 1) / 2
        WHERE s.lo < s.hi
    )
    SELECT e.tenant, e.account_id, e.part, e.seq, e.journal_id, e.line, e.direction, e.amount, e.currency,
        e.balance_after, e.at_ms
    FROM search s CROSS JOIN entry e
        ON e.tenant = $1 AND e.account_id = $2 AND e.part = s.part AND e.seq > s.lo AND e.seq <= s.lo + $7
    WHERE s.lo = s.hi AND e.at_ms < $6
    ORDER BY e.at_ms, e.part, e.seq LIMIT $7";
/// From each part the entries before the cursor, found by halving as above; merged from the last that happened on.
/// $3 and $4 are the cursor's time and part (-1: from the last entry on), $5 its sequence, $6 the limit.
pub(super) const LATEST_ENTRIES: &str = "
    WITH RECURSIVE search (part, through_ms, lo, hi) AS (
        SELECT part, CASE WHEN part > $4 THEN $3 - 1 ELSE $3 END,
            CASE WHEN $4 < 0 THEN entries WHEN part = $4 THEN $5 - 1 ELSE 0 END,
            CASE WHEN part = $4 THEN $5 - 1 ELSE entries END
        FROM balance WHERE tenant = $1 AND account_id = $2
        UNION ALL
        SELECT s.part, s.through_ms, CASE WHEN e.at_ms <= s.through_ms THEN e.seq ELSE s.lo END,
            CASE WHEN e.at_ms <= s.through_ms THEN s.hi ELSE e.seq - 1 END
        FROM search s CROSS JOIN entry e
            ON e.tenant = $1 AND e.account_id = $2 AND e.part = s.part AND e.seq = (s.lo + s.hi + 1) / 2
        WHERE s.lo < s.hi
    )
    SELECT e.tenant, e.account_id, e.part, e.seq, e.journal_id, e.line, e.direction, e.amount, e.currency,
        e.balance_after, e.at_ms
    FROM search s CROSS JOIN entry e
        ON e.tenant = $1 AND e.account_id = $2 AND e.part = s.part AND e.seq <= s.lo AND e.seq > s.lo - $6
    WHERE s.lo = s.hi
    ORDER BY e.at_ms DESC, e.part DESC, e.seq DESC LIMIT $6";

/// Of rows with two postings the other account. Only the first three lines are looked at, however many there are.
pub(super) const ROW_SUMMARIES: &str = "
    SELECT j.id, j.kind, j.details,
        (SELECT CASE WHEN count(*) = 2 THEN max(CASE WHEN e.account_id <> $2 THEN e.account_id END) END
         FROM entry e INDEXED BY entry_journal WHERE e.tenant = j.tenant AND e.journal_id = j.id AND e.line < 3)
    FROM json_each($3) x CROSS JOIN journal j ON j.tenant = $1 AND j.id = x.value";

pub(super) const HOLDS_OF_TENANT: &str = "
    SELECT tenant, id, debit_account_id, credit_account_id, amount, currency, captured, voided, state, expires_at_ms,
        created_at_ms
    FROM hold WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3";
pub(super) const HOLDS_OF_ACCOUNT: &str = "
    SELECT tenant, id, debit_account_id, credit_account_id, amount, currency, captured, voided, state, expires_at_ms,
        created_at_ms
    FROM hold
    WHERE tenant = $1 AND id IN (
        SELECT id FROM (SELECT id FROM hold
            WHERE tenant = $1 AND debit_account_id = $4 AND id > $2 ORDER BY id LIMIT $3)
        UNION
        SELECT id FROM (SELECT id FROM hold
            WHERE tenant = $1 AND credit_account_id = $4 AND id > $2 ORDER BY id LIMIT $3))
    ORDER BY id LIMIT $3";
pub(super) const LATEST_HOLDS: &str = "
    SELECT tenant, id, debit_account_id, credit_account_id, amount, currency, captured, voided, state, expires_at_ms,
        created_at_ms
    FROM hold
    WHERE tenant = $1 AND id IN (
        SELECT id FROM (SELECT id FROM hold
            WHERE tenant = $1 AND debit_account_id = $4 AND id <= $2 ORDER BY id DESC LIMIT $3)
        UNION
        SELECT id FROM (SELECT id FROM hold
            WHERE tenant = $1 AND credit_account_id = $4 AND id <= $2 ORDER BY id DESC LIMIT $3))
    ORDER BY id DESC LIMIT $3";
pub(super) const OVERDUE_HOLDS: &str = "
    SELECT tenant, id FROM hold WHERE state = 0 AND expires_at_ms <= $1
    ORDER BY expires_at_ms, tenant, id LIMIT $2";

/// Sums in halves of 32 bits, for parts and accounts may sum past 64.
pub(super) const TRIAL_BALANCE: &str = "
    SELECT currency, kind, count(*),
        coalesce(sum(hi) FILTER (WHERE hi >= 0), 0), coalesce(sum(lo) FILTER (WHERE hi >= 0), 0),
        coalesce(sum(hi) FILTER (WHERE hi < 0), 0), coalesce(sum(lo) FILTER (WHERE hi < 0), 0)
    FROM (
        SELECT a.currency, a.kind, sum(b.posted >> 32) + (sum(b.posted & 4294967295) >> 32) AS hi,
            sum(b.posted & 4294967295) & 4294967295 AS lo
        FROM account a CROSS JOIN balance b ON b.tenant = a.tenant AND b.account_id = a.id
        WHERE a.tenant = $1
        GROUP BY a.id
    )
    GROUP BY currency, kind ORDER BY currency, kind";
pub(super) const TRIAL_BALANCE_AS_OF: &str = "
    WITH RECURSIVE search (account_id, part, lo, hi) AS (
        SELECT account_id, part, 0, entries FROM balance WHERE tenant = $1
        UNION ALL
        SELECT s.account_id, s.part, CASE WHEN e.at_ms <= $2 THEN e.seq ELSE s.lo END,
            CASE WHEN e.at_ms <= $2 THEN s.hi ELSE e.seq - 1 END
        FROM search s CROSS JOIN entry e
            ON e.tenant = $1 AND e.account_id = s.account_id AND e.part = s.part AND e.seq = (s.lo + s.hi + 1) / 2
        WHERE s.lo < s.hi
    ), then_ (account_id, posted) AS (
        SELECT s.account_id, coalesce(e.balance_after, 0)
        FROM search s LEFT JOIN entry e
            ON e.tenant = $1 AND e.account_id = s.account_id AND e.part = s.part AND e.seq = s.lo
        WHERE s.lo = s.hi
    )
    SELECT currency, kind, count(*),
        coalesce(sum(hi) FILTER (WHERE hi >= 0), 0), coalesce(sum(lo) FILTER (WHERE hi >= 0), 0),
        coalesce(sum(hi) FILTER (WHERE hi < 0), 0), coalesce(sum(lo) FILTER (WHERE hi < 0), 0)
    FROM (
        SELECT a.currency, a.kind, sum(b.posted >> 32) + (sum(b.posted & 4294967295) >> 32) AS hi,
            sum(b.posted & 4294967295) & 4294967295 AS lo
        FROM then_ b CROSS JOIN account a ON a.tenant = $1 AND a.id = b.account_id
        GROUP BY a.id
    )
    GROUP BY currency, kind ORDER BY currency, kind";

pub(super) const HEADS: &str = "SELECT shard, link, hash, at_ms, sealed_ms FROM chain_head ORDER BY shard";
pub(super) const LINKS: &str = "
    SELECT shard, link, at_ms, prev_hash, digests, hash
    FROM chain_link WHERE shard = $1 AND link > $2 ORDER BY link LIMIT $3";
pub(super) const LINK_JOURNALS: &str = "
    SELECT j.tenant, j.id, j.kind, j.at_ms, j.hold_id, j.refers_to, j.details, 0
    FROM journal j WHERE j.shard = $1 AND j.link = $2 ORDER BY j.ord";
pub(super) const LINK_ENTRIES: &str = "
    SELECT e.tenant, e.account_id, e.part, e.seq, e.journal_id, e.line, e.direction, e.amount, e.currency,
        e.balance_after, e.at_ms, j.ord
    FROM journal j CROSS JOIN entry e INDEXED BY entry_journal ON e.tenant = j.tenant AND e.journal_id = j.id
    WHERE j.shard = $1 AND j.link = $2
    ORDER BY j.ord, e.line";
