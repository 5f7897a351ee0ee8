-- The ledger. What was committed is never changed and never deleted: triggers refuse it, also to whoever opens the file with sqlite3;
-- what is done after dropping them is found by `orrery ledger verify`.
-- Balances are debits minus credits. Times are Unix milliseconds.

CREATE TABLE account (
    tenant TEXT NOT NULL,
    id INTEGER NOT NULL CHECK (id > 0),
    currency TEXT NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 4),
    not_below_zero INTEGER NOT NULL CHECK (not_below_zero IN (0, 1)),
    not_above_zero INTEGER NOT NULL CHECK (not_above_zero IN (0, 1)),
    parts INTEGER NOT NULL DEFAULT 1 CHECK (parts BETWEEN 1 AND 64),
    name TEXT,
    metadata TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    closed_at_ms INTEGER,
    PRIMARY KEY (tenant, id),
    -- A limit is judged on one balance; the parts of a split account have none in common.
    CHECK (parts = 1 OR (not_below_zero = 0 AND not_above_zero = 0))
) STRICT, WITHOUT ROWID;

CREATE TABLE balance (
    tenant TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    part INTEGER NOT NULL CHECK (part BETWEEN 0 AND 63),
    posted INTEGER NOT NULL,
    hold_debits INTEGER NOT NULL CHECK (hold_debits >= 0),
    hold_credits INTEGER NOT NULL CHECK (hold_credits >= 0),
    -- The sequence of the last entry.
    entries INTEGER NOT NULL CHECK (entries >= 0),
    last_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, account_id, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE chain_link (
    shard INTEGER NOT NULL CHECK (shard BETWEEN 0 AND 7),
    link INTEGER NOT NULL CHECK (link > 0),
    at_ms INTEGER NOT NULL,
    prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
    row_count INTEGER NOT NULL CHECK (row_count > 0),
    digests BLOB NOT NULL CHECK (length(digests) = 32 * row_count),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (shard, link)
) STRICT;

CREATE TABLE chain_head (
    shard INTEGER PRIMARY KEY CHECK (shard BETWEEN 0 AND 7),
    link INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    at_ms INTEGER NOT NULL,
    -- Nothing is added at this moment or before.
    sealed_ms INTEGER NOT NULL
) STRICT;

INSERT INTO chain_head (shard, link, hash, at_ms, sealed_ms)
SELECT value, 0, zeroblob(32), 0, 0 FROM json_each('[0,1,2,3,4,5,6,7]');

CREATE TABLE journal (
    tenant TEXT NOT NULL,
    id INTEGER NOT NULL CHECK (id > 0),
    kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 7),
    at_ms INTEGER NOT NULL CHECK (at_ms > 0),
    hold_id INTEGER,
    refers_to INTEGER,
    -- JSON; these very bytes are chained.
    details TEXT NOT NULL,
    shard INTEGER NOT NULL,
    link INTEGER NOT NULL,
    ord INTEGER NOT NULL CHECK (ord >= 0),
    PRIMARY KEY (tenant, id),
    UNIQUE (shard, link, ord),
    -- Kinds 2 to 5 (hold, capture, void, expiry) are about a hold, 6 (reversal) is about an earlier row, the others about nothing.
    CHECK ((kind BETWEEN 2 AND 5) = (hold_id IS NOT NULL) AND (kind = 6) = (refers_to IS NOT NULL)),
    CHECK ((kind = 2) = (hold_id IS NOT NULL AND hold_id = id) AND (refers_to IS NULL OR refers_to <> id)),
    -- A row of the journal without its link is no commit.
    FOREIGN KEY (shard, link) REFERENCES chain_link (shard, link) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

-- Rows that point at another: what they say is held against it when their link is made. Transfers pay nothing for it.
CREATE INDEX journal_pointing ON journal (shard, link, coalesce(hold_id, refers_to)) WHERE kind BETWEEN 2 AND 6;

CREATE TABLE entry (
    tenant TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    seq INTEGER NOT NULL CHECK (seq > 0),
    journal_id INTEGER NOT NULL,
    line INTEGER NOT NULL CHECK (line >= 0),
    direction INTEGER NOT NULL CHECK (direction IN (0, 1)),
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    balance_after INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, account_id, part, seq)
) STRICT, WITHOUT ROWID;

-- Named, since statements name it: by itself SQLite would rather walk all entries of the tenant.
CREATE UNIQUE INDEX entry_journal ON entry (tenant, journal_id, line);

CREATE TABLE hold (
    tenant TEXT NOT NULL,
    id INTEGER NOT NULL CHECK (id > 0),
    debit_account_id INTEGER NOT NULL,
    credit_account_id INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    captured INTEGER NOT NULL CHECK (captured >= 0),
    -- What was let go: by a void, an expiry, or the last capture.
    voided INTEGER NOT NULL CHECK (voided >= 0),
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
    expires_at_ms INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    -- The link whose rows changed it last.
    shard INTEGER NOT NULL,
    link INTEGER NOT NULL,
    PRIMARY KEY (tenant, id),
    CHECK (captured <= amount AND voided <= amount - captured),
    -- Open as long as something of it is held; what is let go is all that is left.
    CHECK ((state = 0) = (captured < amount AND voided < amount - captured)),
    CHECK (voided = CASE WHEN state = 0 THEN 0 ELSE amount - captured END)
) STRICT, WITHOUT ROWID;

CREATE INDEX hold_overdue ON hold (expires_at_ms, tenant, id) WHERE state = 0;
CREATE INDEX hold_debit_account ON hold (tenant, debit_account_id, id);
CREATE INDEX hold_credit_account ON hold (tenant, credit_account_id, id);

-- How much of a row of the journal was reversed.
CREATE TABLE reversed (
    tenant TEXT NOT NULL,
    journal_id INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    -- The link whose rows changed it last.
    shard INTEGER NOT NULL,
    link INTEGER NOT NULL,
    PRIMARY KEY (tenant, journal_id)
) STRICT, WITHOUT ROWID;

-- Idempotency records, by SHA-256 of tenant, user and key.
CREATE TABLE claim (
    key BLOB NOT NULL CHECK (length(key) = 32) PRIMARY KEY,
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    outcome TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX claim_expiry ON claim (expires_at_ms);

-- Append only ---------------------------------------------------------------------------------------------------------------------
-- REPLACE deletes without asking a DELETE trigger, so an insert over what is there is refused by itself.

CREATE TRIGGER journal_is_appended BEFORE INSERT ON journal
WHEN NOT EXISTS (
        SELECT 1 FROM chain_head h
        WHERE h.shard = NEW.shard AND NEW.link = h.link + 1 AND NEW.at_ms >= h.at_ms AND NEW.at_ms > h.sealed_ms)
    OR EXISTS (SELECT 1 FROM journal j WHERE j.tenant = NEW.tenant AND j.id = NEW.id)
    OR EXISTS (SELECT 1 FROM journal j WHERE j.shard = NEW.shard AND j.link = NEW.link AND j.ord = NEW.ord)
BEGIN SELECT RAISE(ABORT, 'journal: rows are only added, to the next link, and never backdated'); END;

CREATE TRIGGER journal_is_not_changed BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'journal: rows are never changed'); END;

CREATE TRIGGER journal_is_not_deleted BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'journal: rows are never deleted'); END;

CREATE TRIGGER entry_is_appended BEFORE INSERT ON entry
WHEN EXISTS (SELECT 1 FROM entry e
        WHERE e.tenant = NEW.tenant AND e.account_id = NEW.account_id AND e.part = NEW.part AND e.seq = NEW.seq)
    OR EXISTS (SELECT 1 FROM entry e INDEXED BY entry_journal
        WHERE e.tenant = NEW.tenant AND e.journal_id = NEW.journal_id AND e.line = NEW.line)
    -- It follows the entry before: in sequence, in time, and by its amount.
    OR NOT CASE WHEN NEW.seq = 1
        THEN NEW.balance_after = CASE NEW.direction WHEN 0 THEN NEW.amount ELSE -NEW.amount END
        ELSE EXISTS (SELECT 1 FROM entry e
            WHERE e.tenant = NEW.tenant AND e.account_id = NEW.account_id AND e.part = NEW.part AND e.seq = NEW.seq - 1
                AND e.at_ms <= NEW.at_ms
                AND NEW.balance_after = e.balance_after + CASE NEW.direction WHEN 0 THEN NEW.amount ELSE -NEW.amount END)
        END
    -- It belongs to a row that is being committed: no link has sealed that one yet.
    OR NOT EXISTS (SELECT 1 FROM journal j JOIN chain_head h ON h.shard = j.shard
        WHERE j.tenant = NEW.tenant AND j.id = NEW.journal_id AND j.at_ms = NEW.at_ms AND j.link = h.link + 1)
    OR NOT EXISTS (SELECT 1 FROM account a
        WHERE a.tenant = NEW.tenant AND a.id = NEW.account_id AND a.currency = NEW.currency
            AND a.closed_at_ms IS NULL AND NEW.part >= 0 AND NEW.part < a.parts)
BEGIN SELECT RAISE(ABORT, 'entry: rows are only added, in sequence, in time, and with the balance that follows'); END;

CREATE TRIGGER entry_is_not_changed BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'entry: rows are never changed'); END;

CREATE TRIGGER entry_is_not_deleted BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'entry: rows are never deleted'); END;

CREATE TRIGGER chain_link_is_appended BEFORE INSERT ON chain_link
WHEN NOT EXISTS (
        SELECT 1 FROM chain_head h
        WHERE h.shard = NEW.shard AND NEW.link = h.link + 1 AND NEW.prev_hash = h.hash
            AND NEW.at_ms >= h.at_ms AND NEW.at_ms > h.sealed_ms)
    OR EXISTS (SELECT 1 FROM chain_link l WHERE l.shard = NEW.shard AND l.link = NEW.link)
    -- It has all rows of the commit, and nothing else.
    OR NEW.row_count <> (SELECT count(*) FROM journal j WHERE j.shard = NEW.shard AND j.link = NEW.link)
    -- Debits equal credits in each row and currency. Summed in halves: whole amounts could pass 64 bits on the way.
    OR EXISTS (
        SELECT 1 FROM journal j
        WHERE j.shard = NEW.shard AND j.link = NEW.link AND EXISTS (
            SELECT 1 FROM entry e INDEXED BY entry_journal
            WHERE e.tenant = j.tenant AND e.journal_id = j.id
            GROUP BY e.currency
            HAVING sum((1 - 2 * e.direction) * (e.amount & 4294967295)) % 4294967296 <> 0
                OR sum((1 - 2 * e.direction) * (e.amount >> 32))
                    + sum((1 - 2 * e.direction) * (e.amount & 4294967295)) / 4294967296 <> 0))
BEGIN SELECT RAISE(ABORT, 'chain_link: a link joins the head, has all its rows, and each of them balances'); END;

-- Rows that point at another, when their link is made: everything else of it stands by then. That captures do not pass their hold is for
-- who writes, and for `orrery ledger verify`: here no trigger stands between the service and its own mistake.
CREATE TRIGGER chain_link_agrees BEFORE INSERT ON chain_link
WHEN EXISTS (
        SELECT 1 FROM journal j LEFT JOIN hold h ON h.tenant = j.tenant AND h.id = j.hold_id
        WHERE j.shard = NEW.shard AND j.link = NEW.link AND j.kind BETWEEN 2 AND 6 AND j.kind <> 6
            AND (h.id IS NULL OR h.shard <> j.shard OR h.link <> j.link
                OR (j.kind = 5 AND j.at_ms < h.expires_at_ms)
                OR (j.kind = 2 AND substr(j.details, 1, instr(j.details, '"details":') + 9) <> '{"hold":{"debit_account_id":"'
                    || h.debit_account_id || '","credit_account_id":"' || h.credit_account_id || '","amount":"' || h.amount
                    || '","currency":"' || h.currency || '","expires_at_ms":' || h.expires_at_ms || '},"details":')
                -- A capture has two lines, on the hold's accounts and as it says; the others have none.
                OR (SELECT count(*) FROM entry e INDEXED BY entry_journal
                    WHERE e.tenant = j.tenant AND e.journal_id = j.id) <> CASE WHEN j.kind = 3 THEN 2 ELSE 0 END
                OR (j.kind = 3 AND (SELECT count(*) FROM entry e INDEXED BY entry_journal
                    WHERE e.tenant = j.tenant AND e.journal_id = j.id AND e.currency = h.currency AND e.direction = e.line
                        AND e.account_id = CASE WHEN e.line = 0 THEN h.debit_account_id ELSE h.credit_account_id END) <> 2)))
    OR EXISTS (
        SELECT 1 FROM journal j
            LEFT JOIN journal o ON o.tenant = j.tenant AND o.id = j.refers_to AND o.kind IN (0, 1, 3, 7)
            LEFT JOIN reversed r ON r.tenant = j.tenant AND r.journal_id = j.refers_to AND r.shard = j.shard AND r.link = j.link
        WHERE j.shard = NEW.shard AND j.link = NEW.link AND j.kind BETWEEN 2 AND 6 AND j.kind = 6
            AND (o.id IS NULL OR r.amount IS NULL
                OR r.amount > (SELECT e.amount FROM entry e INDEXED BY entry_journal
                    WHERE e.tenant = j.tenant AND e.journal_id = o.id AND e.line = 0)
                OR (SELECT count(*) FROM entry e INDEXED BY entry_journal WHERE e.tenant = j.tenant AND e.journal_id = o.id)
                    <> (SELECT count(*) FROM entry e INDEXED BY entry_journal WHERE e.tenant = j.tenant AND e.journal_id = j.id)
                -- Line by line the opposite: two lines in parts, more of them whole.
                OR EXISTS (
                    SELECT 1 FROM entry n INDEXED BY entry_journal
                        LEFT JOIN entry e INDEXED BY entry_journal
                        ON e.tenant = n.tenant AND e.journal_id = o.id AND e.line = n.line
                    WHERE n.tenant = j.tenant AND n.journal_id = j.id
                        AND (e.line IS NULL OR n.account_id <> e.account_id OR n.currency <> e.currency
                            OR n.direction = e.direction OR n.amount > e.amount
                            OR (n.amount < e.amount AND EXISTS (SELECT 1 FROM entry t INDEXED BY entry_journal
                                WHERE t.tenant = j.tenant AND t.journal_id = o.id AND t.line = 2))))))
BEGIN SELECT RAISE(ABORT, 'chain_link: a capture is as its hold says, a reversal the opposite of its row and no more of it'); END;

CREATE TRIGGER chain_link_is_not_changed BEFORE UPDATE ON chain_link
BEGIN SELECT RAISE(ABORT, 'chain_link: rows are never changed'); END;

CREATE TRIGGER chain_link_is_not_deleted BEFORE DELETE ON chain_link
BEGIN SELECT RAISE(ABORT, 'chain_link: rows are never deleted'); END;

CREATE TRIGGER chain_head_is_not_added BEFORE INSERT ON chain_head
BEGIN SELECT RAISE(ABORT, 'chain_head: there is one row a shard, for ever'); END;

-- Nothing is committed at a sealed moment or before: the end of time, sealed, would be the end of the ledger.
CREATE TRIGGER chain_head_is_not_sealed_ahead BEFORE UPDATE OF sealed_ms ON chain_head
WHEN NEW.sealed_ms > OLD.sealed_ms AND NEW.sealed_ms - 60000 > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
BEGIN SELECT RAISE(ABORT, 'chain_head: what has not been is not sealed'); END;

-- It moves to the link after it, and what is sealed stays sealed.
CREATE TRIGGER chain_head_moves_on BEFORE UPDATE ON chain_head
WHEN NEW.shard <> OLD.shard OR NEW.sealed_ms < OLD.sealed_ms
    OR (NEW.link = OLD.link AND (NEW.hash <> OLD.hash OR NEW.at_ms <> OLD.at_ms))
    OR (NEW.link <> OLD.link AND NOT (NEW.link = OLD.link + 1 AND EXISTS (
        SELECT 1 FROM chain_link l
        WHERE l.shard = NEW.shard AND l.link = NEW.link AND l.hash = NEW.hash AND l.at_ms = NEW.at_ms)))
BEGIN SELECT RAISE(ABORT, 'chain_head: it only moves on to the next link'); END;

CREATE TRIGGER chain_head_is_not_deleted BEFORE DELETE ON chain_head
BEGIN SELECT RAISE(ABORT, 'chain_head: rows are never deleted'); END;

-- Idempotency records -------------------------------------------------------------------------------------------------------------
-- Until it is over, a record stays as it is: without it a repeat would move money again. The clock is this machine's, in milliseconds.

CREATE TRIGGER claim_is_not_replaced BEFORE INSERT ON claim
WHEN EXISTS (SELECT 1 FROM claim c
    WHERE c.key = NEW.key AND c.expires_at_ms > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
BEGIN SELECT RAISE(ABORT, 'claim: a record is kept as it is until it expires'); END;

CREATE TRIGGER claim_is_not_changed BEFORE UPDATE ON claim
WHEN OLD.expires_at_ms > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
BEGIN SELECT RAISE(ABORT, 'claim: a record is kept as it is until it expires'); END;

CREATE TRIGGER claim_is_not_deleted BEFORE DELETE ON claim
WHEN OLD.expires_at_ms > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
BEGIN SELECT RAISE(ABORT, 'claim: a record is kept as it is until it expires'); END;

-- Projections ---------------------------------------------------------------------------------------------------------------------

CREATE TRIGGER account_is_added_once BEFORE INSERT ON account
WHEN EXISTS (SELECT 1 FROM account a WHERE a.tenant = NEW.tenant AND a.id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'account: it is there already'); END;

CREATE TRIGGER account_keeps_its_nature BEFORE UPDATE ON account
WHEN NEW.tenant <> OLD.tenant OR NEW.id <> OLD.id OR NEW.currency <> OLD.currency OR NEW.kind <> OLD.kind
    OR NEW.not_below_zero <> OLD.not_below_zero OR NEW.not_above_zero <> OLD.not_above_zero
    OR NEW.parts <> OLD.parts OR NEW.created_at_ms <> OLD.created_at_ms
    OR (OLD.closed_at_ms IS NOT NULL AND NEW.closed_at_ms IS NOT OLD.closed_at_ms)
BEGIN SELECT RAISE(ABORT, 'account: only name and metadata change, and what is closed stays closed'); END;

CREATE TRIGGER account_begins_open BEFORE INSERT ON account
WHEN NEW.closed_at_ms IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'account: it begins open'); END;

-- Nor far ahead of the clock, unless its last entry is: what has not been is the end of nothing.
CREATE TRIGGER account_is_closed BEFORE UPDATE OF closed_at_ms ON account
WHEN NEW.closed_at_ms IS NOT NULL AND OLD.closed_at_ms IS NULL
BEGIN
    SELECT CASE
        WHEN b.posted <> 0 OR b.held <> 0 OR b.last_at_ms > NEW.closed_at_ms
            THEN RAISE(ABORT, 'account: it is closed when nothing is on it or held, and not before its last entry')
        WHEN NEW.closed_at_ms IS NOT b.last_at_ms
            AND NEW.closed_at_ms - 600000 > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
            THEN RAISE(ABORT, 'account: it is not closed at a moment that has not been')
        END
    FROM (SELECT sum(posted) AS posted, max(max(hold_debits, hold_credits)) AS held, max(last_at_ms) AS last_at_ms
        FROM balance WHERE tenant = NEW.tenant AND account_id = NEW.id) b;
END;

CREATE TRIGGER account_is_not_deleted BEFORE DELETE ON account
BEGIN SELECT RAISE(ABORT, 'account: rows are never deleted'); END;

CREATE TRIGGER balance_begins_at_zero BEFORE INSERT ON balance
WHEN NEW.posted <> 0 OR NEW.hold_debits <> 0 OR NEW.hold_credits <> 0 OR NEW.entries <> 0 OR NEW.last_at_ms <> 0
    OR EXISTS (SELECT 1 FROM balance b
        WHERE b.tenant = NEW.tenant AND b.account_id = NEW.account_id AND b.part = NEW.part)
    OR NOT EXISTS (SELECT 1 FROM account a WHERE a.tenant = NEW.tenant AND a.id = NEW.account_id AND NEW.part < a.parts)
BEGIN SELECT RAISE(ABORT, 'balance: a part begins at zero, once'); END;

-- It is what the last entry left.
CREATE TRIGGER balance_follows_entries BEFORE UPDATE ON balance
WHEN NEW.tenant <> OLD.tenant OR NEW.account_id <> OLD.account_id OR NEW.part <> OLD.part
    OR EXISTS (SELECT 1 FROM entry e
        WHERE e.tenant = NEW.tenant AND e.account_id = NEW.account_id AND e.part = NEW.part AND e.seq = NEW.entries + 1)
    OR NOT CASE WHEN NEW.entries = 0
        THEN NEW.posted = 0 AND NEW.last_at_ms = 0
        ELSE EXISTS (SELECT 1 FROM entry e
            WHERE e.tenant = NEW.tenant AND e.account_id = NEW.account_id AND e.part = NEW.part AND e.seq = NEW.entries
                AND e.balance_after = NEW.posted AND e.at_ms = NEW.last_at_ms)
        END
BEGIN SELECT RAISE(ABORT, 'balance: it is what the last entry left'); END;

CREATE TRIGGER balance_is_not_deleted BEFORE DELETE ON balance
BEGIN SELECT RAISE(ABORT, 'balance: rows are never deleted'); END;

CREATE TRIGGER hold_begins_open BEFORE INSERT ON hold
WHEN EXISTS (SELECT 1 FROM hold h WHERE h.tenant = NEW.tenant AND h.id = NEW.id)
    OR NOT EXISTS (SELECT 1 FROM journal j JOIN chain_head c ON c.shard = j.shard
        WHERE j.tenant = NEW.tenant AND j.id = NEW.id AND j.kind = 2 AND j.at_ms = NEW.created_at_ms
            AND j.shard = NEW.shard AND j.link = NEW.link AND j.link = c.link + 1)
BEGIN SELECT RAISE(ABORT, 'hold: it begins with its row of the journal, once'); END;

CREATE TRIGGER hold_only_shrinks BEFORE UPDATE ON hold
WHEN NEW.tenant <> OLD.tenant OR NEW.id <> OLD.id OR NEW.debit_account_id <> OLD.debit_account_id
    OR NEW.credit_account_id <> OLD.credit_account_id OR NEW.amount <> OLD.amount OR NEW.currency <> OLD.currency
    OR NEW.expires_at_ms <> OLD.expires_at_ms OR NEW.created_at_ms <> OLD.created_at_ms
    OR NEW.captured < OLD.captured OR NEW.voided < OLD.voided OR OLD.state <> 0
BEGIN SELECT RAISE(ABORT, 'hold: its terms stay, it only shrinks, and what is over stays over'); END;

-- Once a link, while that one is being made: what moved is captured, and it ends as its rows say.
CREATE TRIGGER hold_agrees_when_placed AFTER INSERT ON hold
WHEN NEW.captured > (SELECT coalesce(sum(e.amount), 0) FROM journal j
        JOIN entry e INDEXED BY entry_journal ON e.tenant = j.tenant AND e.journal_id = j.id AND e.line = 0
        WHERE j.shard = NEW.shard AND j.link = NEW.link AND j.kind BETWEEN 2 AND 6
            AND coalesce(j.hold_id, j.refers_to) = NEW.id AND j.kind = 3 AND j.tenant = NEW.tenant)
    OR NEW.state NOT IN (SELECT coalesce(max(j.kind), 2) - 2 FROM journal j
        WHERE j.shard = NEW.shard AND j.link = NEW.link AND j.kind BETWEEN 2 AND 6
            AND coalesce(j.hold_id, j.refers_to) = NEW.id AND j.kind <> 6 AND j.tenant = NEW.tenant
        UNION ALL SELECT 0 WHERE NEW.captured > 0 OR NEW.state = 0)
BEGIN SELECT RAISE(ABORT, 'hold: captures, voids and expiries in the journal do not come to what it says'); END;

CREATE TRIGGER hold_agrees_when_changed AFTER UPDATE ON hold
WHEN (NEW.shard = OLD.shard AND NEW.link = OLD.link)
    OR (NEW.captured = OLD.captured AND NEW.voided = OLD.voided)
    OR NOT EXISTS (SELECT 1 FROM chain_head c WHERE c.shard = NEW.shard AND c.link + 1 = NEW.link)
    OR NEW.captured - OLD.captured > (SELECT coalesce(sum(e.amount), 0) FROM journal j
        JOIN entry e INDEXED BY entry_journal ON e.tenant = j.tenant AND e.journal_id = j.id AND e.line = 0
        WHERE j.shard = NEW.shard AND j.link = NEW.link AND j.kind BETWEEN 2 AND 6
            AND coalesce(j.hold_id, j.refers_to) = NEW.id AND j.kind = 3 AND j.tenant = NEW.tenant)
    OR NEW.state NOT IN (SELECT coalesce(max(j.kind), 2) - 2 FROM journal j
        WHERE j.shard = NEW.shard AND j.link = NEW.link AND j.kind BETWEEN 2 AND 6
            AND coalesce(j.hold_id, j.refers_to) = NEW.id AND j.kind BETWEEN 3 AND 5 AND j.tenant = NEW.tenant
        UNION ALL SELECT 0 WHERE NEW.captured > OLD.captured)
BEGIN SELECT RAISE(ABORT, 'hold: captures, voids and expiries in the journal do not come to what it says'); END;

CREATE TRIGGER hold_is_not_deleted BEFORE DELETE ON hold
BEGIN SELECT RAISE(ABORT, 'hold: rows are never deleted'); END;

CREATE TRIGGER reversed_is_added_once BEFORE INSERT ON reversed
WHEN EXISTS (SELECT 1 FROM reversed r WHERE r.tenant = NEW.tenant AND r.journal_id = NEW.journal_id)
    OR NOT EXISTS (SELECT 1 FROM journal j WHERE j.tenant = NEW.tenant AND j.id = NEW.journal_id)
BEGIN SELECT RAISE(ABORT, 'reversed: a record begins once, for a row that is there'); END;

CREATE TRIGGER reversed_only_grows BEFORE UPDATE ON reversed
WHEN NEW.tenant <> OLD.tenant OR NEW.journal_id <> OLD.journal_id OR NEW.amount <= OLD.amount
BEGIN SELECT RAISE(ABORT, 'reversed: it only grows'); END;

CREATE TRIGGER reversed_agrees_when_made AFTER INSERT ON reversed
WHEN NOT EXISTS (SELECT 1 FROM chain_head c WHERE c.shard = NEW.shard AND c.link + 1 = NEW.link)
    OR NEW.amount <> (SELECT coalesce(sum(e.amount), 0) FROM journal j
        JOIN entry e INDEXED BY entry_journal ON e.tenant = j.tenant AND e.journal_id = j.id AND e.line = 0
        WHERE j.shard = NEW.shard AND j.link = NEW.link AND j.kind BETWEEN 2 AND 6
            AND coalesce(j.hold_id, j.refers_to) = NEW.journal_id AND j.kind = 6 AND j.tenant = NEW.tenant)
BEGIN SELECT RAISE(ABORT, 'reversed: reversals in the journal do not come to what it says'); END;

CREATE TRIGGER reversed_agrees_when_changed AFTER UPDATE ON reversed
WHEN (NEW.shard = OLD.shard AND NEW.link = OLD.link)
    OR NOT EXISTS (SELECT 1 FROM chain_head c WHERE c.shard = NEW.shard AND c.link + 1 = NEW.link)
    OR NEW.amount - OLD.amount <> (SELECT coalesce(sum(e.amount), 0) FROM journal j
        JOIN entry e INDEXED BY entry_journal ON e.tenant = j.tenant AND e.journal_id = j.id AND e.line = 0
        WHERE j.shard = NEW.shard AND j.link = NEW.link AND j.kind BETWEEN 2 AND 6
            AND coalesce(j.hold_id, j.refers_to) = NEW.journal_id AND j.kind = 6 AND j.tenant = NEW.tenant)
BEGIN SELECT RAISE(ABORT, 'reversed: reversals in the journal do not come to what it says'); END;

CREATE TRIGGER reversed_is_not_deleted BEFORE DELETE ON reversed
BEGIN SELECT RAISE(ABORT, 'reversed: rows are never deleted'); END;
