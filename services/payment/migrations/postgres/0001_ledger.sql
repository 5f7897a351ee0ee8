-- The ledger. What was committed is never changed and never deleted: triggers refuse it, also to the owner of the tables; what an
-- owner does after switching them off is found by `orrery ledger verify`. Balances are debits minus credits. Times are Unix milliseconds.
--
-- Only the journal, the entries and the links are written; balances, counters and heads follow by trigger. Keys begin with the number,
-- which tells rows apart sooner than the tenant does. 0001 makes no assumption about the schema's name.

-- Functions below run with their owner's rights: nothing of a caller's own may come before the schema's names.
SELECT set_config('search_path', current_schema() || ', pg_temp', true);

CREATE TABLE account (
  tenant TEXT COLLATE "C" NOT NULL,
  id BIGINT NOT NULL CHECK (id > 0),
  currency TEXT COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  kind SMALLINT NOT NULL CHECK (kind BETWEEN 0 AND 4),
  not_below_zero BOOLEAN NOT NULL,
  not_above_zero BOOLEAN NOT NULL,
  parts SMALLINT NOT NULL DEFAULT 1 CHECK (parts BETWEEN 1 AND 64),
  name TEXT,
  metadata TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  closed_at_ms BIGINT,
  PRIMARY KEY (tenant, id),
  -- A limit is judged on one balance; the parts of a split account have none in common.
  CHECK (parts = 1 OR NOT (not_below_zero OR not_above_zero))
);

CREATE TABLE balance (
  tenant TEXT COLLATE "C" NOT NULL,
  account_id BIGINT NOT NULL,
  part SMALLINT NOT NULL CHECK (part BETWEEN 0 AND 63),
  posted BIGINT NOT NULL,
  hold_debits BIGINT NOT NULL CHECK (hold_debits >= 0),
  hold_credits BIGINT NOT NULL CHECK (hold_credits >= 0),
  -- The sequence of the last entry.
  entries BIGINT NOT NULL CHECK (entries >= 0),
  last_at_ms BIGINT NOT NULL,
  -- As the account says: here too, since this is the row that a posting locks.
  closed BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY (account_id, part, tenant)
) WITH (fillfactor = 50);

CREATE TABLE journal (
  tenant TEXT COLLATE "C" NOT NULL,
  id BIGINT NOT NULL CHECK (id > 0),
  kind SMALLINT NOT NULL CHECK (kind BETWEEN 0 AND 7),
  at_ms BIGINT NOT NULL CHECK (at_ms > 0),
  hold_id BIGINT,
  refers_to BIGINT,
  -- JSON; these very bytes are chained.
  details TEXT NOT NULL,
  shard SMALLINT NOT NULL,
  link BIGINT NOT NULL,
  ord INTEGER NOT NULL CHECK (ord >= 0),
  PRIMARY KEY (id, tenant),
  UNIQUE (shard, link, ord),
  -- Kinds 2 to 5 (hold, capture, void, expiry) are about a hold, 6 (reversal) is about an earlier row, the others about nothing.
  CHECK ((kind BETWEEN 2 AND 5) = (hold_id IS NOT NULL) AND (kind = 6) = (refers_to IS NOT NULL)),
  CHECK ((kind = 2) = (hold_id IS NOT NULL AND hold_id = id) AND (refers_to IS NULL OR refers_to <> id))
);
-- Rows that point at another: what they say is held against it when their link is made. Transfers pay nothing for it.
CREATE INDEX journal_pointing ON journal (link, shard) WHERE kind BETWEEN 2 AND 6;

CREATE TABLE entry (
  tenant TEXT COLLATE "C" NOT NULL,
  account_id BIGINT NOT NULL,
  part SMALLINT NOT NULL,
  seq BIGINT NOT NULL CHECK (seq > 0),
  journal_id BIGINT NOT NULL,
  line INTEGER NOT NULL CHECK (line >= 0),
  direction SMALLINT NOT NULL CHECK (direction IN (0, 1)),
  amount BIGINT NOT NULL CHECK (amount > 0),
  currency TEXT COLLATE "C" NOT NULL,
  balance_after BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  PRIMARY KEY (account_id, part, seq, tenant),
  UNIQUE (journal_id, line, tenant)
);

CREATE TABLE hold (
  tenant TEXT COLLATE "C" NOT NULL,
  id BIGINT NOT NULL CHECK (id > 0),
  debit_account_id BIGINT NOT NULL,
  credit_account_id BIGINT NOT NULL,
  amount BIGINT NOT NULL CHECK (amount > 0),
  currency TEXT COLLATE "C" NOT NULL,
  captured BIGINT NOT NULL CHECK (captured >= 0),
  -- What was let go: by a void, an expiry, or the last capture.
  voided BIGINT NOT NULL CHECK (voided >= 0),
  state SMALLINT NOT NULL CHECK (state BETWEEN 0 AND 3),
  expires_at_ms BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  -- The link whose rows changed it last.
  shard SMALLINT NOT NULL,
  link BIGINT NOT NULL,
  PRIMARY KEY (tenant, id),
  CHECK (captured <= amount AND voided <= amount - captured),
  -- Open as long as something of it is held; what is let go is all that is left.
  CHECK ((state = 0) = (captured < amount AND voided < amount - captured)),
  CHECK (voided = CASE WHEN state = 0 THEN 0 ELSE amount - captured END)
) WITH (fillfactor = 80);
CREATE INDEX hold_overdue ON hold (expires_at_ms, tenant, id) WHERE state = 0;
CREATE INDEX hold_debit_account ON hold (tenant, debit_account_id, id);
CREATE INDEX hold_credit_account ON hold (tenant, credit_account_id, id);

-- How much of a row of the journal was reversed.
CREATE TABLE reversed (
  tenant TEXT COLLATE "C" NOT NULL,
  journal_id BIGINT NOT NULL,
  amount BIGINT NOT NULL CHECK (amount > 0),
  -- The link whose rows changed it last.
  shard SMALLINT NOT NULL,
  link BIGINT NOT NULL,
  PRIMARY KEY (tenant, journal_id)
);

-- Idempotency records, by SHA-256 of tenant, user and key: the id of what was made, and an outcome where that does not say it all.
CREATE TABLE claim (
  key BYTEA NOT NULL CHECK (octet_length(key) = 32) PRIMARY KEY,
  fingerprint BYTEA NOT NULL CHECK (octet_length(fingerprint) = 32),
  id BIGINT NOT NULL,
  outcome TEXT,
  expires_at_ms BIGINT NOT NULL
);
CREATE INDEX claim_expiry ON claim (expires_at_ms);

CREATE TABLE chain_link (
  shard SMALLINT NOT NULL CHECK (shard BETWEEN 0 AND 7),
  link BIGINT NOT NULL CHECK (link > 0),
  at_ms BIGINT NOT NULL,
  prev_hash BYTEA NOT NULL CHECK (octet_length(prev_hash) = 32),
  row_count INTEGER NOT NULL CHECK (row_count > 0),
  digests BYTEA NOT NULL CHECK (octet_length(digests) = 32 * row_count),
  hash BYTEA NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (shard, link)
);
-- Hashes do not compress.
ALTER TABLE chain_link ALTER COLUMN digests SET STORAGE EXTERNAL;

CREATE TABLE chain_head (
  shard SMALLINT NOT NULL PRIMARY KEY CHECK (shard BETWEEN 0 AND 7),
  link BIGINT NOT NULL,
  hash BYTEA NOT NULL CHECK (octet_length(hash) = 32),
  at_ms BIGINT NOT NULL,
  -- Nothing is added at this moment or before.
  sealed_ms BIGINT NOT NULL,
  -- The newest link that rows were added for: at each commit it is there.
  opened BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO chain_head (shard, link, hash, at_ms, sealed_ms)
SELECT shard, 0, decode(repeat('00', 32), 'hex'), 0, 0 FROM generate_series(0, 7) AS shard;

-- How far a caller's clock may be behind the server's. Only the owner changes it: unbounded (NULL) is for tests, whose clocks are their own.
CREATE TABLE ledger_clock (
  one BOOLEAN NOT NULL DEFAULT TRUE PRIMARY KEY CHECK (one),
  behind_ms_max BIGINT CHECK (behind_ms_max >= 0)
);
INSERT INTO ledger_clock (behind_ms_max) VALUES (600000);

-- Guards ---------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER journal_is_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('rows are never changed and never deleted');
CREATE TRIGGER entry_is_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('rows are never changed and never deleted');
CREATE TRIGGER chain_link_is_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON chain_link
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('rows are never changed and never deleted');
CREATE TRIGGER account_is_for_ever BEFORE DELETE OR TRUNCATE ON account
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('rows are never deleted');
CREATE TRIGGER account_keeps_its_nature
  BEFORE UPDATE OF tenant, id, currency, kind, not_below_zero, not_above_zero, parts, created_at_ms ON account
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('only name and metadata change, and it may be closed');
CREATE TRIGGER account_stays_closed BEFORE UPDATE OF closed_at_ms ON account
  FOR EACH ROW WHEN (OLD.closed_at_ms IS DISTINCT FROM NEW.closed_at_ms AND OLD.closed_at_ms IS NOT NULL)
  EXECUTE FUNCTION ledger_refuse('what is closed stays closed');
CREATE TRIGGER account_begins_open BEFORE INSERT ON account
  FOR EACH ROW WHEN (NEW.closed_at_ms IS NOT NULL)
  EXECUTE FUNCTION ledger_refuse('it begins open');
CREATE TRIGGER balance_is_for_ever BEFORE DELETE OR TRUNCATE ON balance
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('rows are never deleted');
CREATE TRIGGER balance_begins_at_zero BEFORE INSERT ON balance
  FOR EACH ROW WHEN ((NEW.posted, NEW.hold_debits, NEW.hold_credits, NEW.entries, NEW.last_at_ms, NEW.closed) <> (0, 0, 0, 0, 0, FALSE))
  EXECUTE FUNCTION ledger_refuse('a part begins at zero');
-- Triggers of entry, hold and account change it, nobody else.
CREATE TRIGGER balance_follows BEFORE UPDATE ON balance
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
  EXECUTE FUNCTION ledger_refuse('it is changed by entries, holds and the end of its account, never by itself');
CREATE TRIGGER hold_is_for_ever BEFORE DELETE OR TRUNCATE ON hold
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('rows are never deleted');
CREATE TRIGGER hold_keeps_its_terms
  BEFORE UPDATE OF tenant, id, debit_account_id, credit_account_id, amount, currency, expires_at_ms, created_at_ms ON hold
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('its terms never change');
CREATE TRIGGER hold_only_shrinks BEFORE UPDATE ON hold
  FOR EACH ROW WHEN (OLD.state <> 0 OR NEW.captured < OLD.captured OR NEW.voided < OLD.voided)
  EXECUTE FUNCTION ledger_refuse('it only shrinks, and what is over stays over');
CREATE TRIGGER reversed_is_for_ever BEFORE DELETE OR TRUNCATE ON reversed
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('rows are never deleted');
CREATE TRIGGER reversed_only_grows BEFORE UPDATE ON reversed
  FOR EACH ROW WHEN (NEW.tenant <> OLD.tenant OR NEW.journal_id <> OLD.journal_id OR NEW.amount <= OLD.amount)
  EXECUTE FUNCTION ledger_refuse('it only grows');
CREATE TRIGGER chain_head_is_for_ever BEFORE INSERT OR DELETE OR TRUNCATE ON chain_head
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('there is one row a shard, for ever');
-- Each new link moves it, nobody else.
CREATE TRIGGER chain_head_follows BEFORE UPDATE OF shard, link, hash, at_ms, opened ON chain_head
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
  EXECUTE FUNCTION ledger_refuse('it is moved by the next link, never by itself');
CREATE TRIGGER chain_head_stays_sealed BEFORE UPDATE OF sealed_ms ON chain_head
  FOR EACH ROW WHEN (NEW.sealed_ms < OLD.sealed_ms)
  EXECUTE FUNCTION ledger_refuse('what is sealed stays sealed');
-- Nothing is committed at a sealed moment or before: the end of time, sealed, would be the end of the ledger.
CREATE FUNCTION ledger_head_sealed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM ledger_check_clock(NEW.sealed_ms, 60000);
  RETURN NEW;
END $$;
CREATE TRIGGER chain_head_is_not_sealed_ahead BEFORE UPDATE OF sealed_ms ON chain_head
  FOR EACH ROW WHEN (NEW.sealed_ms > OLD.sealed_ms) EXECUTE FUNCTION ledger_head_sealed();

-- An account ends when nothing is on it or held; the lock on its parts is the one that postings take.
CREATE FUNCTION ledger_account_closed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF EXISTS (
    SELECT FROM (
      SELECT posted, hold_debits, hold_credits, last_at_ms FROM balance
      WHERE account_id = NEW.id AND tenant = NEW.tenant ORDER BY part FOR NO KEY UPDATE) b
    HAVING sum(posted) <> 0 OR sum(hold_debits) + sum(hold_credits) <> 0 OR max(last_at_ms) > NEW.closed_at_ms)
  THEN
    RAISE EXCEPTION 'account: it is closed when nothing is on it or held, and not before its last entry'
      USING ERRCODE = 'restrict_violation';
  END IF;
  UPDATE balance SET closed = TRUE WHERE account_id = NEW.id AND tenant = NEW.tenant;
  RETURN NULL;
END $$;
CREATE TRIGGER account_is_closed AFTER UPDATE OF closed_at_ms ON account
  FOR EACH ROW WHEN (OLD.closed_at_ms IS NULL AND NEW.closed_at_ms IS NOT NULL) EXECUTE FUNCTION ledger_account_closed();

-- A record of a key is over by the caller's clock and by this one: who is ahead ends none early.
CREATE FUNCTION ledger_expired(p_expires_at_ms BIGINT, p_now BIGINT) RETURNS BOOLEAN LANGUAGE sql STABLE AS $$
  SELECT p_expires_at_ms <= p_now AND p_expires_at_ms <= (extract(epoch FROM statement_timestamp()) * 1000)::BIGINT
$$;

-- Until it is over, a record is changed by nobody but the transaction that makes it: without it a repeat would move money again.
CREATE FUNCTION ledger_claim_kept() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_made_by BIGINT;
BEGIN
  -- `age` counts back from this transaction, below zero for a piece of it.
  SELECT pg_current_xact_id()::TEXT::BIGINT - age(c.xmin) INTO v_made_by FROM claim c WHERE c.key = OLD.key;
  IF pg_xact_status(v_made_by::TEXT::XID8) IS DISTINCT FROM 'in progress' THEN
    RAISE EXCEPTION 'claim: a record is kept as it is until it expires' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER claim_is_kept BEFORE UPDATE OR DELETE ON claim
  FOR EACH ROW WHEN (NOT ledger_expired(OLD.expires_at_ms, 9223372036854775807)) EXECUTE FUNCTION ledger_claim_kept();
CREATE TRIGGER claim_is_kept_whole BEFORE TRUNCATE ON claim
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('a record is kept as it is until it expires');

-- New rows of the journal belong to the next link of their shard, at its time.
CREATE FUNCTION ledger_journal_appended() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
  SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  IF EXISTS (
    SELECT FROM (SELECT shard, link, min(at_ms) AS earliest, max(at_ms) AS latest FROM fresh GROUP BY shard, link) f
    LEFT JOIN chain_head h ON h.shard = f.shard
    WHERE h.shard IS NULL OR f.link <> h.link + 1 OR f.earliest <> f.latest
      OR f.earliest < h.at_ms OR f.earliest <= h.sealed_ms)
  THEN
    RAISE EXCEPTION 'journal: rows are added to the next link only, and never backdated' USING ERRCODE = 'restrict_violation';
  END IF;
  UPDATE chain_head h SET opened = h.link + 1 FROM (SELECT DISTINCT shard FROM fresh) f WHERE h.shard = f.shard AND h.opened <= h.link;
  RETURN NULL;
END $$;
CREATE TRIGGER journal_is_appended AFTER INSERT ON journal REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_journal_appended();

-- Rows without their link would be in no chain, and in the way of the next one. Asked once a commit, not for each row as a foreign key would.
CREATE FUNCTION ledger_link_made() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF EXISTS (SELECT FROM chain_head WHERE shard = NEW.shard AND link < NEW.opened) THEN
    RAISE EXCEPTION 'journal: rows are committed with their link only' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER journal_has_its_link AFTER UPDATE OF opened ON chain_head
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_link_made();

-- New entries: whole rows of the journal that no link has sealed yet, balanced; on each part in sequence, each with the balance that
-- follows. What the last one leaves is the part's balance.
CREATE FUNCTION ledger_entry_appended() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
  SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET jit = off SET work_mem = '64MB'
  SET enable_sort = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  v_whole BOOLEAN; v_balanced BOOLEAN; v_one_currency BOOLEAN;
  v_parts BIGINT;
  v_followed BIGINT;
BEGIN
  -- Its rows of the journal are those of links that are opened and not made yet.
  SELECT bool_and(r.whole), bool_and(r.balance = 0), bool_and(r.one_currency) INTO v_whole, v_balanced, v_one_currency FROM (
    SELECT sum(x.signed) AS balance, min(x.currency) = max(x.currency) AS one_currency,
      max(x.open) = 1 AND min(x.line) = 0 AND max(x.line) = count(x.line) - 1 AND min(x.at_ms) = max(x.at_ms) AS whole
    FROM (
      SELECT journal_id, tenant, line, at_ms, currency, CASE direction WHEN 0 THEN amount ELSE -amount END AS signed, 0 AS open
      FROM fresh
      UNION ALL
      SELECT j.id, j.tenant, NULL, j.at_ms, NULL, 0, 1 FROM chain_head h
      CROSS JOIN LATERAL (SELECT id, tenant, at_ms FROM journal WHERE shard = h.shard AND link = h.opened OFFSET 0) j
      WHERE h.opened > h.link) x
    GROUP BY x.journal_id, x.tenant HAVING count(x.line) > 0) r;
  IF NOT v_whole THEN
    RAISE EXCEPTION 'entry: rows are added with their row of the journal only, and never backdated'
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NOT v_one_currency THEN
    v_balanced := NOT EXISTS (
      SELECT FROM fresh GROUP BY journal_id, currency, tenant HAVING sum(CASE direction WHEN 0 THEN amount ELSE -amount END) <> 0);
  END IF;
  IF NOT v_balanced THEN
    RAISE EXCEPTION 'entry: debits and credits differ in a row of the journal' USING ERRCODE = 'restrict_violation';
  END IF;
  WITH parts AS MATERIALIZED (
    SELECT account_id, part, tenant, min(seq) AS first_seq, max(seq) AS last_seq, max(at_ms) AS at_ms,
      min(CASE WHEN before_seq IS NULL THEN balance_after - signed END) AS before,
      (min(CASE WHEN before_seq IS NULL THEN balance_after - signed END) + sum(signed))::BIGINT AS after,
      bool_and(before_seq IS NULL OR (seq = before_seq + 1 AND balance_after - signed = balance_before)) AS sound
    FROM (
      SELECT account_id, part, tenant, seq, at_ms, balance_after,
        CASE direction WHEN 0 THEN amount ELSE -amount END AS signed,
        lag(seq) OVER w AS before_seq, lag(balance_after) OVER w AS balance_before
      FROM fresh WINDOW w AS (PARTITION BY account_id, part, tenant ORDER BY seq)) e
    GROUP BY account_id, part, tenant),
  followed AS (
    UPDATE balance b SET posted = p.after, entries = p.last_seq, last_at_ms = p.at_ms
    FROM parts p CROSS JOIN LATERAL (
      SELECT ctid FROM balance WHERE account_id = p.account_id AND part = p.part AND tenant = p.tenant OFFSET 0) place
    WHERE b.ctid = place.ctid AND p.sound AND b.entries = p.first_seq - 1 AND b.posted = p.before AND b.last_at_ms <= p.at_ms AND NOT b.closed
    RETURNING 1)
  SELECT (SELECT count(*) FROM parts), (SELECT count(*) FROM followed) INTO v_parts, v_followed;
  IF v_parts <> v_followed THEN
    RAISE EXCEPTION 'entry: rows are added in sequence, in time, and with the balance that follows'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER entry_is_appended AFTER INSERT ON entry REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_appended();

-- A link joins the head and moves it. Its hash is made here, over what it says.
CREATE FUNCTION ledger_link_appended() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_head chain_head;
  v_rows BIGINT;
BEGIN
  SELECT * INTO v_head FROM chain_head WHERE shard = NEW.shard FOR UPDATE;
  IF v_head.shard IS NULL OR NEW.link <> v_head.link + 1 OR NEW.prev_hash <> v_head.hash
    OR NEW.at_ms < v_head.at_ms OR NEW.at_ms <= v_head.sealed_ms
  THEN
    RAISE EXCEPTION 'chain_link: a link joins the head, and is never backdated' USING ERRCODE = 'restrict_violation';
  END IF;
  NEW.hash := sha256('\x02'::bytea || int2send(NEW.shard) || int8send(NEW.link) || int8send(NEW.at_ms) || NEW.prev_hash
    || int4send(NEW.row_count) || sha256(NEW.digests));
  UPDATE chain_head SET link = NEW.link, hash = NEW.hash, at_ms = NEW.at_ms WHERE shard = NEW.shard;
  RETURN NEW;
END $$;
CREATE TRIGGER chain_link_is_appended BEFORE INSERT ON chain_link
  FOR EACH ROW EXECUTE FUNCTION ledger_link_appended();

-- Which part of a split account takes what an id brings, the same as `ledger::part_of`: what tells ids apart (time, and what stands below
-- it) is added, and the golden ratio's share of 2^32 lays neighbours far apart. Nothing here passes 63 bits.
CREATE FUNCTION ledger_part(p_id BIGINT, p_parts SMALLINT) RETURNS SMALLINT LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ((((((p_id >> 22) + (p_id & 4194303)) & 2147483647) * 2654435769) & 4294967295) * p_parts >> 32)::SMALLINT
$$;

-- What the rows of a link say of holds, and of rows that were reversed.
CREATE FUNCTION ledger_said_of_holds(p_shard SMALLINT, p_link BIGINT)
RETURNS TABLE (tenant TEXT, id BIGINT, captured BIGINT, captures INTEGER, voids INTEGER, expiries INTEGER)
LANGUAGE sql STABLE SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
  SELECT j.tenant, j.hold_id, coalesce(e.amount, 0), (j.kind = 3)::INTEGER, (j.kind = 4)::INTEGER, (j.kind = 5)::INTEGER
  FROM journal j LEFT JOIN LATERAL (
    SELECT amount FROM entry WHERE journal_id = j.id AND line = 0 AND entry.tenant = j.tenant OFFSET 0) e ON TRUE
  WHERE j.link = p_link AND j.shard = p_shard AND j.kind BETWEEN 2 AND 6 AND j.kind BETWEEN 3 AND 5
$$;
CREATE FUNCTION ledger_said_of_reversals(p_shard SMALLINT, p_link BIGINT)
RETURNS TABLE (tenant TEXT, id BIGINT, amount BIGINT) LANGUAGE sql STABLE SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
  SELECT j.tenant, j.refers_to, coalesce(e.amount, 0)
  FROM journal j LEFT JOIN LATERAL (
    SELECT amount FROM entry WHERE journal_id = j.id AND line = 0 AND entry.tenant = j.tenant OFFSET 0) e ON TRUE
  WHERE j.link = p_link AND j.shard = p_shard AND j.kind BETWEEN 2 AND 6 AND j.kind = 6
$$;

-- A hold and a record of what was reversed change once a link, while that one is being made: by what its rows say, whoever writes it.
CREATE FUNCTION ledger_check_open(p_links BIGINT, p_shard SMALLINT, p_link BIGINT) RETURNS VOID
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF p_links <> 1 OR NOT EXISTS (SELECT FROM chain_head WHERE shard = p_shard AND link + 1 = p_link) THEN
    RAISE EXCEPTION 'holds and reversals follow the rows of the next link, never by themselves' USING ERRCODE = 'restrict_violation';
  END IF;
END $$;

CREATE FUNCTION ledger_hold_agrees() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_links BIGINT; v_shard SMALLINT; v_link BIGINT; v_agrees BOOLEAN;
BEGIN
  SELECT count(DISTINCT (shard, link)), min(shard), min(link) INTO v_links, v_shard, v_link FROM fresh;
  IF v_links = 0 THEN RETURN NULL; END IF;
  PERFORM ledger_check_open(v_links, v_shard, v_link);
  IF TG_OP = 'INSERT' THEN
    v_agrees := NOT EXISTS (SELECT FROM (
        SELECT tenant, id, state, captured, 0 AS captures, 0 AS voids, 0 AS expiries FROM fresh
        UNION ALL
        SELECT tenant, id, NULL, -captured, captures, voids, expiries FROM ledger_said_of_holds(v_shard, v_link)) x
      GROUP BY tenant, id HAVING count(state) > 0 AND NOT (sum(captured) = 0 AND sum(voids) + sum(expiries) <= 1
        AND CASE WHEN sum(voids) = 1 THEN max(state) = 2 WHEN sum(expiries) = 1 THEN max(state) = 3
          WHEN sum(captures) > 0 THEN max(state) <= 1 ELSE max(state) = 0 END));
  ELSE
    v_agrees := NOT EXISTS (SELECT FROM old WHERE shard = v_shard AND link = v_link)
      AND NOT EXISTS (SELECT FROM (
        SELECT tenant, id, state, captured, 0 AS captures, 0 AS voids, 0 AS expiries FROM fresh
        UNION ALL
        SELECT tenant, id, NULL, -captured, 0, 0, 0 FROM old
        UNION ALL
        SELECT tenant, id, NULL, -captured, captures, voids, expiries FROM ledger_said_of_holds(v_shard, v_link)) x
      GROUP BY tenant, id HAVING count(state) > 0 AND NOT (sum(captured) = 0 AND sum(voids) + sum(expiries) <= 1
        AND CASE WHEN sum(voids) = 1 THEN max(state) = 2 WHEN sum(expiries) = 1 THEN max(state) = 3
          WHEN sum(captures) > 0 THEN max(state) <= 1 ELSE FALSE END));
  END IF;
  IF NOT v_agrees THEN
    RAISE EXCEPTION 'hold: captures, voids and expiries in the journal do not come to what it says' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER hold_agrees_when_placed AFTER INSERT ON hold REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_hold_agrees();
CREATE TRIGGER hold_agrees_when_changed AFTER UPDATE ON hold REFERENCING OLD TABLE AS old NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_hold_agrees();

CREATE FUNCTION ledger_reversed_agrees() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_links BIGINT; v_shard SMALLINT; v_link BIGINT; v_agrees BOOLEAN;
BEGIN
  SELECT count(DISTINCT (shard, link)), min(shard), min(link) INTO v_links, v_shard, v_link FROM fresh;
  IF v_links = 0 THEN RETURN NULL; END IF;
  PERFORM ledger_check_open(v_links, v_shard, v_link);
  IF TG_OP = 'INSERT' THEN
    v_agrees := NOT EXISTS (SELECT FROM (
        SELECT tenant, journal_id AS id, amount, 1 AS fresh FROM fresh
        UNION ALL SELECT tenant, id, -amount, 0 FROM ledger_said_of_reversals(v_shard, v_link)) x
      GROUP BY tenant, id HAVING sum(x.fresh) > 0 AND sum(amount) <> 0);
  ELSE
    v_agrees := NOT EXISTS (SELECT FROM old WHERE shard = v_shard AND link = v_link)
      AND NOT EXISTS (SELECT FROM (
        SELECT tenant, journal_id AS id, amount, 1 AS fresh FROM fresh
        UNION ALL SELECT tenant, journal_id, -amount, 0 FROM old
        UNION ALL SELECT tenant, id, -amount, 0 FROM ledger_said_of_reversals(v_shard, v_link)) x
      GROUP BY tenant, id HAVING sum(x.fresh) > 0 AND sum(amount) <> 0);
  END IF;
  IF NOT v_agrees THEN
    RAISE EXCEPTION 'reversed: reversals in the journal do not come to what it says' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER reversed_agrees_when_made AFTER INSERT ON reversed REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_reversed_agrees();
CREATE TRIGGER reversed_agrees_when_changed AFTER UPDATE ON reversed REFERENCING OLD TABLE AS old NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_reversed_agrees();

-- What is wrong with a row about a hold, or NULL.
CREATE FUNCTION ledger_trouble_of_hold(j journal) RETURNS TEXT LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
  SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  h hold;
  v_lines BIGINT; v_fitting BIGINT; v_same BOOLEAN; v_terms TEXT;
BEGIN
  SELECT * INTO h FROM hold WHERE tenant = j.tenant AND id = j.hold_id;
  IF h.id IS NULL THEN RETURN 'there is no such hold'; END IF;
  IF (h.shard, h.link) <> (j.shard, j.link) THEN RETURN 'it is about a hold that does not say so'; END IF;
  SELECT count(*), count(*) FILTER (WHERE currency = h.currency
      AND (line, direction, account_id) IN ((0, 0, h.debit_account_id), (1, 1, h.credit_account_id))), min(amount) = max(amount)
  INTO v_lines, v_fitting, v_same FROM entry WHERE journal_id = j.id AND tenant = j.tenant;
  IF j.kind = 3 AND (v_lines, v_fitting, v_same) IS DISTINCT FROM (2::BIGINT, 2::BIGINT, TRUE) THEN
    RETURN 'a capture has two lines, on the accounts of its hold and as it says';
  ELSIF j.kind <> 3 AND v_lines > 0 THEN
    RETURN 'only a capture moves what is held';
  ELSIF j.kind = 5 AND j.at_ms < h.expires_at_ms THEN
    RETURN 'a hold does not expire before its time';
  ELSIF j.kind = 2 THEN
    -- As `Command::chained_details` writes them.
    v_terms := format('{"hold":{"debit_account_id":"%s","credit_account_id":"%s","amount":"%s","currency":"%s","expires_at_ms":%s},"details":',
      h.debit_account_id, h.credit_account_id, h.amount, h.currency, h.expires_at_ms);
    IF left(j.details, length(v_terms)) <> v_terms THEN RETURN 'a hold is placed with the terms that it has'; END IF;
  END IF;
  RETURN NULL;
END $$;

-- What is wrong with a reversal, or NULL.
CREATE FUNCTION ledger_trouble_of_reversal(j journal) RETURNS TEXT LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  v_kind SMALLINT; v_lines BIGINT; v_first BIGINT; v_done BIGINT; v_own BIGINT; v_opposite BIGINT; v_same BOOLEAN;
BEGIN
  SELECT kind INTO v_kind FROM journal WHERE id = j.refers_to AND tenant = j.tenant;
  IF v_kind IS NULL THEN RETURN 'there is no row that it could reverse'; END IF;
  IF v_kind NOT IN (0, 1, 3, 7) THEN RETURN 'only what moved money first is reversed'; END IF;
  SELECT count(*), max(amount) FILTER (WHERE line = 0) INTO v_lines, v_first FROM entry
  WHERE journal_id = j.refers_to AND tenant = j.tenant;
  -- Two lines are reversed in parts, more of them whole.
  SELECT count(*), count(o.line), min(n.amount) = max(n.amount) INTO v_own, v_opposite, v_same FROM entry n
  LEFT JOIN LATERAL (
    SELECT line FROM entry e WHERE e.journal_id = j.refers_to AND e.line = n.line AND e.tenant = j.tenant
      AND e.account_id = n.account_id AND e.currency = n.currency AND e.direction <> n.direction
      AND CASE WHEN v_lines = 2 THEN n.amount <= e.amount ELSE n.amount = e.amount END OFFSET 0) o ON TRUE
  WHERE n.journal_id = j.id AND n.tenant = j.tenant;
  IF v_own <> v_lines OR v_opposite <> v_lines OR (v_lines = 2 AND NOT v_same) THEN
    RETURN 'a reversal is the opposite of the row that it reverses, line by line';
  END IF;
  SELECT amount INTO v_done FROM reversed WHERE tenant = j.tenant AND journal_id = j.refers_to AND (shard, link) = (j.shard, j.link);
  IF v_done IS NULL THEN RETURN 'it is not recorded how much is reversed with it'; END IF;
  IF v_done > v_first THEN RETURN 'more would be reversed than was moved'; END IF;
  RETURN NULL;
END $$;

-- Rows that point at another, when their link is made: everything else of it stands by then. Whoever calls or writes may say what he
-- likes of the row pointed at; it is read here.
CREATE FUNCTION ledger_link_points() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
  SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  v_row RECORD;
BEGIN
  SELECT x.* INTO v_row FROM journal j CROSS JOIN LATERAL (
    SELECT j.tenant, j.id, CASE
      WHEN j.kind = 6 THEN ledger_trouble_of_reversal(j)
      ELSE ledger_trouble_of_hold(j) END AS trouble OFFSET 0) x
  WHERE j.link = NEW.link AND j.shard = NEW.shard AND j.kind BETWEEN 2 AND 6 AND x.trouble IS NOT NULL LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'journal row % of tenant %: %', v_row.id, v_row.tenant, v_row.trouble USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER chain_link_agrees BEFORE INSERT ON chain_link
  FOR EACH ROW EXECUTE FUNCTION ledger_link_points();

-- What is held of an account follows its holds.
CREATE FUNCTION ledger_hold_changed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
  SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF EXISTS (SELECT FROM fresh f LEFT JOIN LATERAL (
      SELECT at_ms, shard, link FROM journal WHERE id = f.id AND tenant = f.tenant AND kind = 2 OFFSET 0) j ON TRUE
      WHERE (j.at_ms, j.shard, j.link) IS DISTINCT FROM (f.created_at_ms, f.shard, f.link)) THEN
      RAISE EXCEPTION 'hold: it begins with its row of the journal' USING ERRCODE = 'restrict_violation';
    END IF;
    UPDATE balance b SET hold_debits = b.hold_debits + c.debits, hold_credits = b.hold_credits + c.credits
    FROM (
      SELECT h.tenant, s.account_id, ledger_part(h.id, a.parts) AS part, sum(s.debits) AS debits, sum(s.credits) AS credits
      FROM (SELECT *, amount - captured - voided AS held FROM fresh) h
      CROSS JOIN LATERAL (VALUES (h.debit_account_id, h.held, 0), (h.credit_account_id, 0, h.held)) AS s(account_id, debits, credits)
      CROSS JOIN LATERAL (SELECT parts FROM account WHERE tenant = h.tenant AND id = s.account_id OFFSET 0) a
      GROUP BY 1, 2, 3) c
    CROSS JOIN LATERAL (
      SELECT ctid FROM balance WHERE account_id = c.account_id AND part = c.part AND tenant = c.tenant OFFSET 0) place
    WHERE b.ctid = place.ctid;
  ELSE
    UPDATE balance b SET hold_debits = b.hold_debits + c.debits, hold_credits = b.hold_credits + c.credits
    FROM (
      SELECT h.tenant, s.account_id, ledger_part(h.id, a.parts) AS part, sum(s.debits) AS debits, sum(s.credits) AS credits
      FROM (
        SELECT *, -captured - voided AS held FROM fresh
        UNION ALL SELECT *, captured + voided FROM old) h
      CROSS JOIN LATERAL (VALUES (h.debit_account_id, h.held, 0), (h.credit_account_id, 0, h.held)) AS s(account_id, debits, credits)
      CROSS JOIN LATERAL (SELECT parts FROM account WHERE tenant = h.tenant AND id = s.account_id OFFSET 0) a
      GROUP BY 1, 2, 3) c
    CROSS JOIN LATERAL (
      SELECT ctid FROM balance WHERE account_id = c.account_id AND part = c.part AND tenant = c.tenant OFFSET 0) place
    WHERE b.ctid = place.ctid;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER hold_is_placed AFTER INSERT ON hold REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_hold_changed();
CREATE TRIGGER hold_is_taken_from AFTER UPDATE ON hold REFERENCING OLD TABLE AS old NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_hold_changed();

-- Decisions ------------------------------------------------------------------------------------------------------------------------

-- A refusal as `ledger::Refusal` reads it.
CREATE FUNCTION ledger_refusal(p_status SMALLINT, p_account BIGINT, p_id BIGINT, p_about BIGINT, p_rest BIGINT)
RETURNS TEXT LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
  SELECT CASE
    WHEN p_status BETWEEN 10 AND 15 THEN format('{"code":"%s","account_id":"%s"}',
      (ARRAY['account_not_found', 'account_closed', 'currency_mismatch', 'insufficient_funds', 'limit_exceeded', 'balance_overflow'])
        [p_status - 9], p_account)
    WHEN p_status = 16 THEN '{"code":"unbalanced"}'
    WHEN p_status = 17 THEN format('{"code":"id_taken","id":"%s"}', p_id)
    WHEN p_status BETWEEN 18 AND 21 THEN format('{"code":"%s","hold_id":"%s"}',
      (ARRAY['hold_not_found', 'hold_not_open', 'hold_expired', 'hold_not_expired'])[p_status - 17], p_about)
    WHEN p_status = 22 THEN format('{"code":"capture_exceeds_hold","hold_id":"%s","remaining":"%s"}', p_about, p_rest)
    WHEN p_status = 23 THEN format('{"code":"transfer_not_found","journal_id":"%s"}', p_about)
    WHEN p_status = 24 THEN format('{"code":"not_reversible","journal_id":"%s"}', p_about)
    WHEN p_status = 25 THEN format('{"code":"reversal_exceeds","journal_id":"%s","remaining":"%s"}', p_about, p_rest)
    WHEN p_status = 26 THEN '{"code":"not_alone"}'
  END
$$;

-- Decides commands one by one, in memory: no statement here touches a table. Only where it is not plain that all may pass.
-- Statuses: 0 accepted, 1 and 2 replays (of a success, of a refusal), 3 the key is another request's, from 10 on refusals.
-- Arrays: c_ by command, p_ by posting, a_ by account, s_ by slot (part of an account), h_ by hold, r_ by reversed row.
-- No hold is captured that is over at `p_latest`, and none expires that is not over at `p_now`.
CREATE FUNCTION ledger_decide(
  p_now BIGINT, p_latest BIGINT,
  INOUT c_status SMALLINT[], c_pre SMALLINT[], c_action SMALLINT[], c_same INTEGER[], c_hold INTEGER[], c_refers INTEGER[],
  INOUT c_amount BIGINT[], c_last BOOLEAN[], c_first INTEGER[],
  p_acct INTEGER[], p_slot INTEGER[], p_signed BIGINT[], p_currency SMALLINT[],
  a_flags SMALLINT[], a_currency SMALLINT[], s_acct INTEGER[],
  s_posted BIGINT[], s_debits BIGINT[], s_credits BIGINT[],
  INOUT h_state SMALLINT[], INOUT h_amount BIGINT[], INOUT h_captured BIGINT[], INOUT h_voided BIGINT[], h_expires BIGINT[],
  h_debit INTEGER[], h_credit INTEGER[], h_debit_slot INTEGER[], h_credit_slot INTEGER[], h_currency SMALLINT[],
  INOUT r_done BIGINT[], r_total BIGINT[], r_command INTEGER[], r_two BOOLEAN[],
  -- The account that a refusal names, and what was left; a hold as it stood then.
  OUT n_acct INTEGER[], OUT n_rest BIGINT[], OUT n_captured BIGINT[], OUT n_voided BIGINT[], OUT n_state SMALLINT[])
LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
DECLARE
  n CONSTANT INTEGER := cardinality(c_action);
  c_made BOOLEAN[] := array_fill(FALSE, ARRAY[n]);
  v_code SMALLINT; v_acct INTEGER; v_rest BIGINT; v_amount BIGINT; v_let_go BIGINT; v_held BIGINT; v_done BIGINT;
  v_action SMALLINT; v_flags SMALLINT; v_slot INTEGER; v_delta BIGINT;
  h INTEGER; r INTEGER; v_steps INTEGER;
  -- What a command did to the slots, to be taken back: one entry a step.
  u_slot INTEGER[]; u_what SMALLINT[]; u_delta BIGINT[];
BEGIN
  n_acct := array_fill(NULL::INTEGER, ARRAY[n]);
  n_rest := array_fill(NULL::BIGINT, ARRAY[n]);
  n_captured := n_rest; n_voided := n_rest;
  n_state := array_fill(NULL::SMALLINT, ARRAY[n]);
  u_slot := array_fill(0, ARRAY[2100]);
  u_what := array_fill(0::SMALLINT, ARRAY[2100]);
  u_delta := array_fill(0::BIGINT, ARRAY[2100]);
  FOR i IN 1..n LOOP
    CONTINUE WHEN c_status[i] <> 0;
    v_code := 0; v_acct := NULL; v_rest := NULL; v_held := 0; v_let_go := 0;
    v_action := c_action[i]; v_amount := c_amount[i]; h := c_hold[i]; r := c_refers[i];
    -- Steps 1 to v_steps of u_: what changes which slot (0 posted, 1 held debits, 2 held credits) by how much.
    v_steps := 0;
    -- All or nothing (else such a batch comes in pieces) an id is the first one's that wants it, whatever becomes of that one.
    IF c_same[i] > 0 THEN
      v_code := 17;
    ELSIF c_pre[i] <> 0 THEN
      v_code := CASE WHEN c_pre[i] = 24 AND r_command[r] > 0 AND NOT c_made[r_command[r]] THEN 23 ELSE c_pre[i] END;
    ELSIF v_action IN (2, 3, 4) THEN
      v_rest := h_amount[h] - h_captured[h] - h_voided[h];
      IF h_state[h] < 0 THEN v_code := 18;
      ELSIF h_state[h] <> 0 THEN v_code := 19;
      ELSIF v_action = 2 THEN
        IF v_amount = 0 THEN v_amount := v_rest; END IF;
        IF h_expires[h] <= p_latest THEN v_code := 20;
        ELSIF v_amount > v_rest THEN v_code := 22;
        ELSIF c_last[i] THEN v_let_go := v_rest - v_amount;
        END IF;
        v_held := -v_amount - v_let_go;
      ELSIF v_action = 4 AND p_now < h_expires[h] THEN v_code := 21;
      ELSE v_let_go := v_rest; v_held := -v_rest;
      END IF;
    ELSIF v_action = 5 THEN
      IF r_command[r] > 0 AND NOT c_made[r_command[r]] THEN v_code := 23;
      ELSE
        v_rest := CASE WHEN r_command[r] > 0 AND r_two[r] THEN c_amount[r_command[r]] ELSE r_total[r] END - r_done[r];
        v_done := CASE WHEN v_amount = 0 THEN v_rest ELSE v_amount END;
        IF v_done > v_rest OR v_done = 0 THEN v_code := 25; END IF;
        v_amount := CASE WHEN r_two[r] THEN v_done ELSE 1 END;
      END IF;
    END IF;
    -- The accounts of new obligations. A hold keeps its accounts open and of its currency.
    IF v_code = 0 AND v_action IN (0, 5) THEN
      FOR j IN c_first[i]..c_first[i + 1] - 1 LOOP
        v_acct := p_acct[j];
        v_flags := a_flags[v_acct];
        v_code := CASE WHEN v_flags & 16 <> 0 THEN 10 WHEN v_flags & 8 <> 0 THEN 11
          WHEN a_currency[v_acct] <> p_currency[j] THEN 12 ELSE 0 END;
        EXIT WHEN v_code <> 0;
      END LOOP;
    ELSIF v_code = 0 AND v_action = 1 THEN
      v_held := v_amount;
      FOR k IN 1..2 LOOP
        v_acct := CASE k WHEN 1 THEN h_debit[h] ELSE h_credit[h] END;
        v_flags := a_flags[v_acct];
        v_code := CASE WHEN v_flags & 16 <> 0 THEN 10 WHEN v_flags & 8 <> 0 THEN 11
          WHEN a_currency[v_acct] <> h_currency[h] THEN 12 ELSE 0 END;
        EXIT WHEN v_code <> 0;
      END LOOP;
    END IF;
    IF v_code = 0 THEN
      IF v_held <> 0 THEN
        u_slot[1] := h_debit_slot[h]; u_what[1] := 1; u_delta[1] := v_held;
        u_slot[2] := h_credit_slot[h]; u_what[2] := 2; u_delta[2] := v_held;
        v_steps := 2;
      END IF;
      FOR j IN c_first[i]..c_first[i + 1] - 1 LOOP
        v_steps := v_steps + 1;
        u_slot[v_steps] := p_slot[j]; u_what[v_steps] := 0;
        -- A capture and a reversal of two lines have their amount from here.
        u_delta[v_steps] := CASE WHEN v_action IN (2, 5) THEN p_signed[j] * v_amount ELSE p_signed[j] END;
      END LOOP;
      FOR k IN 1..v_steps LOOP
        v_slot := u_slot[k]; v_delta := u_delta[k]; v_acct := s_acct[v_slot]; v_flags := a_flags[v_acct];
        CASE u_what[k]
        WHEN 0 THEN
          IF (v_delta > 0 AND s_posted[v_slot] > 9223372036854775807 - v_delta)
            OR (v_delta < 0 AND s_posted[v_slot] < (-9223372036854775807 - 1) - v_delta)
          THEN v_code := 15; ELSE s_posted[v_slot] := s_posted[v_slot] + v_delta; END IF;
        WHEN 1 THEN
          IF v_delta > 0 AND s_debits[v_slot] > 9223372036854775807 - v_delta
          THEN v_code := 15; ELSE s_debits[v_slot] := s_debits[v_slot] + v_delta; END IF;
        ELSE
          IF v_delta > 0 AND s_credits[v_slot] > 9223372036854775807 - v_delta
          THEN v_code := 15; ELSE s_credits[v_slot] := s_credits[v_slot] + v_delta; END IF;
        END CASE;
        -- Flags: 1 not below zero, 2 not above zero, 4 grows by debits. Two floors and two ceilings of debits minus credits.
        IF v_code = 0 AND v_flags & 3 <> 0 THEN
          v_code := CASE
            WHEN v_flags & 1 <> 0 AND CASE WHEN v_flags & 4 <> 0 THEN s_posted[v_slot] < s_credits[v_slot]
              ELSE s_posted[v_slot] > -s_debits[v_slot] END THEN 13
            WHEN v_flags & 2 <> 0 AND CASE WHEN v_flags & 4 <> 0 THEN s_posted[v_slot] > -s_debits[v_slot]
              ELSE s_posted[v_slot] < s_credits[v_slot] END THEN 14
            ELSE 0 END;
          v_steps := CASE WHEN v_code = 0 THEN v_steps ELSE k END;
        ELSIF v_code <> 0 THEN
          v_steps := k - 1;
        END IF;
        EXIT WHEN v_code <> 0;
      END LOOP;
      IF v_code <> 0 THEN
        FOR k IN REVERSE v_steps..1 LOOP
          v_slot := u_slot[k];
          CASE u_what[k]
          WHEN 0 THEN s_posted[v_slot] := s_posted[v_slot] - u_delta[k];
          WHEN 1 THEN s_debits[v_slot] := s_debits[v_slot] - u_delta[k];
          ELSE s_credits[v_slot] := s_credits[v_slot] - u_delta[k];
          END CASE;
        END LOOP;
      END IF;
    END IF;
    c_status[i] := v_code;
    IF v_code <> 0 THEN
      n_acct[i] := v_acct; n_rest[i] := v_rest;
      CONTINUE;
    END IF;
    c_made[i] := TRUE;
    c_amount[i] := v_amount;
    IF v_action = 1 THEN
      h_state[h] := 0; h_amount[h] := v_amount; h_captured[h] := 0; h_voided[h] := 0;
    ELSIF v_action IN (2, 3, 4) THEN
      IF v_action = 2 THEN h_captured[h] := h_captured[h] + v_amount; END IF;
      h_voided[h] := h_voided[h] + v_let_go;
      IF h_captured[h] + h_voided[h] = h_amount[h] THEN h_state[h] := v_action - 1; END IF;
    ELSIF v_action = 5 THEN
      r_done[r] := r_done[r] + v_done;
    END IF;
    IF v_action BETWEEN 1 AND 4 THEN
      n_captured[i] := h_captured[h]; n_voided[i] := h_voided[h]; n_state[i] := h_state[h];
    END IF;
  END LOOP;
END $$;

-- A caller's clock may be behind: no time goes back by that. One that is far ahead would take the times of the ledger along, for good, and
-- would let records of keys and holds expire early. `store::ledger` names the two numbers, `CLOCK_AHEAD_MS_MAX` and `SEAL_AHEAD_MS_MAX`.
CREATE FUNCTION ledger_check_clock(p_now BIGINT, p_ahead_ms_max BIGINT) RETURNS VOID
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_ahead_ms CONSTANT NUMERIC := p_now - floor(extract(epoch FROM clock_timestamp()) * 1000);
BEGIN
  IF p_now IS NULL THEN
    RAISE EXCEPTION 'a moment is missing' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF v_ahead_ms > p_ahead_ms_max THEN
    RAISE EXCEPTION 'a moment is % ms ahead of the database server''s clock, more than the % ms that clocks may differ by: set the clocks',
      v_ahead_ms, p_ahead_ms_max USING ERRCODE = 'invalid_parameter_value';
  END IF;
END $$;

-- By which clock holds are over: the later of the caller's and this one, so that nobody captures by a clock that is behind; and one that is
-- far behind (`CLOCK_BEHIND_MS_MAX`) is refused, for it would date back what comes now. Where the owner said so, the clock is the caller's.
CREATE FUNCTION ledger_clock_of(p_now BIGINT) RETURNS BIGINT LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_here_ms CONSTANT BIGINT := floor(extract(epoch FROM clock_timestamp()) * 1000);
  v_behind_ms_max BIGINT;
BEGIN
  PERFORM ledger_check_clock(p_now, 600000);
  SELECT behind_ms_max INTO v_behind_ms_max FROM ledger_clock;
  IF NOT FOUND THEN v_behind_ms_max := 600000; END IF;
  IF v_behind_ms_max IS NULL THEN RETURN p_now; END IF;
  IF v_here_ms::NUMERIC - p_now > v_behind_ms_max THEN
    RAISE EXCEPTION 'a moment is % ms behind the database server''s clock, more than the % ms that clocks may differ by: set the clocks',
      v_here_ms::NUMERIC - p_now, v_behind_ms_max USING ERRCODE = 'invalid_parameter_value';
  END IF;
  RETURN greatest(p_now, v_here_ms);
END $$;

-- One batch: all of its locks, its decision and its rows in one call, so that no lock outlives it by a round trip.
-- Locks: claims by key, holds by id, reversed rows by id, parts of accounts by id, then the chain's head.
-- `p_plain`: only transactions, each id once, nothing refused beforehand.
CREATE FUNCTION ledger_commit(
  p_now BIGINT, p_shard SMALLINT, p_together BOOLEAN, p_doomed BOOLEAN, p_plain BOOLEAN,
  t_name TEXT[], m_code TEXT[],
  c_tenant SMALLINT[], c_id BIGINT[], c_kind SMALLINT[], c_details TEXT[], c_pre SMALLINT[], c_action SMALLINT[], c_same INTEGER[],
  c_hold INTEGER[], c_refers INTEGER[], c_about BIGINT[], c_amount BIGINT[], c_last BOOLEAN[], c_first INTEGER[],
  k_command INTEGER[], k_key BYTEA[], k_fingerprint BYTEA[], k_expires BIGINT[],
  a_tenant SMALLINT[], a_id BIGINT[],
  p_command INTEGER[], p_line INTEGER[], p_acct INTEGER[], p_signed BIGINT[], p_currency SMALLINT[],
  h_tenant SMALLINT[], h_id BIGINT[], h_debit INTEGER[], h_credit INTEGER[], h_currency SMALLINT[], h_expires BIGINT[],
  r_tenant SMALLINT[], r_id BIGINT[], r_total BIGINT[], r_command INTEGER[], r_two BOOLEAN[],
  OUT settled_ms BIGINT, OUT status SMALLINT[], OUT ids BIGINT[], OUT notes TEXT[], OUT amounts BIGINT[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET jit = off SET work_mem = '64MB' SET plan_cache_mode = force_generic_plan
-- Tables are probed by their keys in the order of the arrays, which is that of the locks, whatever statistics say of them when the plan is
-- made: hence LATERAL with OFFSET or FOR UPDATE, which no join order turns around.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
DECLARE
  n CONSTANT INTEGER := cardinality(c_id);
  v_plain BOOLEAN := p_plain AND NOT p_doomed;
  v_keys BYTEA[]; v_claimed BOOLEAN := FALSE;
  v_row RECORD;
  v_head chain_head;
  v_about_none CONSTANT BYTEA := int8send(0) || int8send(0);
  v_found INTEGER; v_shut BOOLEAN; v_digests BYTEA; v_accepted INTEGER;
  t_bytes BYTEA[]; s_bytes BYTEA[]; p_bytes BYTEA[];
  a_flags SMALLINT[]; a_currency SMALLINT[]; a_parts SMALLINT[];
  s_ord INTEGER[]; s_acct INTEGER[]; s_part SMALLINT[]; p_slot INTEGER[];
  s_posted BIGINT[]; s_debits BIGINT[]; s_credits BIGINT[]; s_entries BIGINT[]; s_last BIGINT[];
  h_debit_slot INTEGER[]; h_credit_slot INTEGER[];
  h_state SMALLINT[]; h_was SMALLINT[]; h_amount BIGINT[]; h_captured BIGINT[]; h_voided BIGINT[];
  r_done BIGINT[]; r_was BIGINT[];
  -- The walk over the lines.
  p_after BIGINT[]; p_seq BIGINT[]; w_posted BIGINT[]; w_entries BIGINT[];
  v_limited BOOLEAN; v_mixed BOOLEAN; v_decided BOOLEAN := FALSE;
  v_slot INTEGER; v_signed BIGINT; v_flags SMALLINT; v_command INTEGER;
  d RECORD;
BEGIN
  PERFORM ledger_clock_of(p_now);
  -- 0. What is told agrees with itself: nothing is left out, a command's lines are its own, and nothing is named twice.
  IF num_nulls(p_shard, p_together, p_doomed, p_plain) > 0 OR c_first[1] IS DISTINCT FROM 1
    OR c_first[n + 1] IS DISTINCT FROM cardinality(p_command) + 1
    OR EXISTS (
      SELECT FROM generate_subscripts(c_id, 1) i
      WHERE (c_first[i] <= c_first[i + 1] AND c_action[i] BETWEEN 0 AND 5 AND c_details[i] IS NOT NULL AND c_kind[i] IS NOT NULL) IS NOT TRUE)
    OR EXISTS (
      SELECT FROM generate_subscripts(p_command, 1) j
      WHERE (j < c_first[p_command[j] + 1] AND p_line[j] = j - c_first[p_command[j]] AND p_line[j] >= 0) IS NOT TRUE)
    OR (SELECT count(DISTINCT (x.tenant, x.id)) FROM unnest(a_tenant, a_id) AS x(tenant, id)) < cardinality(a_id)
    OR (SELECT count(DISTINCT (x.tenant, x.id)) FROM unnest(h_tenant, h_id) AS x(tenant, id)) < cardinality(h_id)
    OR (SELECT count(DISTINCT (x.tenant, x.id)) FROM unnest(r_tenant, r_id) AS x(tenant, id)) < cardinality(r_id)
  THEN
    RAISE EXCEPTION 'ledger_commit: what it is told does not agree with itself' USING ERRCODE = 'restrict_violation';
  END IF;
  status := array_fill(0::SMALLINT, ARRAY[n]);
  -- 1. Claims. A racing copy waits here for the other's end, and then finds its record.
  -- In a large batch most likely all are new, and an insert that need not ask is cheaper by a third.
  IF cardinality(k_key) >= 256 THEN
    BEGIN
      INSERT INTO claim (key, fingerprint, id, expires_at_ms)
      SELECT k.key, k.fingerprint, c_id[k.command], k.expires
      FROM unnest(k_key, k_fingerprint, k_expires, k_command) WITH ORDINALITY AS k(key, fingerprint, expires, command, ord)
      ORDER BY k.ord;
      v_claimed := TRUE;
    EXCEPTION WHEN unique_violation THEN NULL;
    END;
  END IF;
  IF cardinality(k_key) > 0 AND NOT v_claimed THEN
    WITH made AS (
      INSERT INTO claim AS c (key, fingerprint, id, expires_at_ms)
      SELECT k.key, k.fingerprint, c_id[k.command], k.expires
      FROM unnest(k_key, k_fingerprint, k_expires, k_command) WITH ORDINALITY AS k(key, fingerprint, expires, command, ord)
      ORDER BY k.ord
      ON CONFLICT (key) DO UPDATE
        SET fingerprint = excluded.fingerprint, id = excluded.id, outcome = NULL, expires_at_ms = excluded.expires_at_ms
        WHERE ledger_expired(c.expires_at_ms, p_now)
      RETURNING c.key)
    SELECT array_agg(key) INTO v_keys FROM made;
    IF coalesce(cardinality(v_keys), 0) < cardinality(k_key) THEN
      v_plain := FALSE;
      ids := c_id;
      notes := array_fill(NULL::TEXT, ARRAY[n]);
      FOR v_row IN
        SELECT k.command, c.fingerprint = k.fingerprint AS mine, c.id, c.outcome
        FROM unnest(k_key, k_fingerprint, k_command) AS k(key, fingerprint, command)
        CROSS JOIN LATERAL (SELECT * FROM claim WHERE claim.key = k.key OFFSET 0) c
        WHERE k.key NOT IN (SELECT unnest(v_keys))
      LOOP
        status[v_row.command] := CASE WHEN NOT v_row.mine THEN 3 WHEN v_row.outcome LIKE '{"code"%' THEN 2 ELSE 1 END;
        IF v_row.mine THEN
          ids[v_row.command] := v_row.id;
          notes[v_row.command] := v_row.outcome;
        END IF;
      END LOOP;
    END IF;
  END IF;
  -- A replay wants no id. Whoever wants one that a replay was thought to want is planned again.
  IF EXISTS (SELECT FROM unnest(c_same) AS s(same) WHERE s.same > 0 AND status[s.same] <> 0) THEN
    RAISE EXCEPTION 'a record of a key came into being meanwhile' USING ERRCODE = 'unique_violation';
  END IF;
  -- Ids that are taken. One that a racing transaction takes meanwhile is a unique violation, and the caller asks again.
  FOR v_row IN
    SELECT c.ord FROM unnest(c_id, c_tenant) WITH ORDINALITY AS c(id, tenant, ord)
    CROSS JOIN LATERAL (SELECT FROM journal j WHERE j.id = c.id AND j.tenant = t_name[c.tenant] OFFSET 0) taken
  LOOP
    v_plain := FALSE;
    IF status[v_row.ord] = 0 THEN status[v_row.ord] := 17; END IF;
  END LOOP;
  IF EXISTS (
    SELECT FROM unnest(r_command) AS r(command)
    WHERE r.command > 0 AND (status[r.command] = 17 OR (status[r.command] = 1 AND ids[r.command] = c_id[r.command])))
  THEN
    RAISE EXCEPTION 'a row to be reversed came into being meanwhile' USING ERRCODE = 'unique_violation';
  END IF;
  -- 2. Holds, and rows to be reversed.
  IF cardinality(h_id) > 0 THEN
    h_state := array_fill((-1)::SMALLINT, ARRAY[cardinality(h_id)]);
    h_amount := array_fill(0::BIGINT, ARRAY[cardinality(h_id)]);
    h_captured := h_amount; h_voided := h_amount;
    FOR v_row IN
      SELECT x.ord, h.* FROM unnest(h_tenant, h_id) WITH ORDINALITY AS x(tenant, hold_id, ord)
      CROSS JOIN LATERAL (
        SELECT * FROM hold WHERE hold.tenant = t_name[x.tenant] AND hold.id = x.hold_id FOR NO KEY UPDATE) h
    LOOP
      IF v_row.debit_account_id <> a_id[h_debit[v_row.ord]] OR v_row.credit_account_id <> a_id[h_credit[v_row.ord]] THEN
        -- Whoever wants its id for a hold on other accounts is refused already; planned again is what would act on it.
        IF EXISTS (SELECT FROM unnest(c_hold, status) AS c(hold, status) WHERE c.hold = v_row.ord AND c.status = 0) THEN
          RAISE EXCEPTION 'a hold came into being meanwhile' USING ERRCODE = 'unique_violation';
        END IF;
        CONTINUE;
      END IF;
      h_state[v_row.ord] := v_row.state; h_amount[v_row.ord] := v_row.amount; h_expires[v_row.ord] := v_row.expires_at_ms;
      h_captured[v_row.ord] := v_row.captured; h_voided[v_row.ord] := v_row.voided;
    END LOOP;
  END IF;
  h_was := h_state;
  IF cardinality(r_id) > 0 THEN
    PERFORM FROM unnest(r_tenant, r_id) AS x(tenant, id) CROSS JOIN LATERAL (
      SELECT FROM journal j WHERE j.id = x.id AND j.tenant = t_name[x.tenant] FOR NO KEY UPDATE) locked;
    SELECT array_agg(coalesce(v.amount, 0) ORDER BY x.ord) INTO r_done
    FROM unnest(r_tenant, r_id) WITH ORDINALITY AS x(tenant, id, ord)
    LEFT JOIN LATERAL (SELECT amount FROM reversed WHERE tenant = t_name[x.tenant] AND journal_id = x.id OFFSET 0) v ON TRUE;
  END IF;
  r_was := r_done;
  -- 3. What never changes of the accounts; then their parts, which say whether they are closed.
  SELECT array_agg(a.flags), array_agg(a.currency), array_agg(a.parts) INTO a_flags, a_currency, a_parts FROM (
    SELECT CASE WHEN a.id IS NULL THEN 16
        ELSE a.not_below_zero::INTEGER + 2 * a.not_above_zero::INTEGER + CASE WHEN a.kind IN (0, 3) THEN 4 ELSE 0 END
      END::SMALLINT AS flags,
      coalesce(array_position(m_code, a.currency), 0)::SMALLINT AS currency, coalesce(a.parts, 1::SMALLINT) AS parts
    FROM unnest(a_tenant, a_id) WITH ORDINALITY AS x(tenant, id, ord)
    LEFT JOIN LATERAL (SELECT * FROM account WHERE account.tenant = t_name[x.tenant] AND account.id = x.id OFFSET 0) a ON TRUE
  ) a;
  IF 1 = ALL (a_parts) THEN
    SELECT array_agg(i), array_agg(0::SMALLINT) INTO s_acct, s_part FROM generate_series(1, cardinality(a_id)) i;
    p_slot := p_acct; h_debit_slot := h_debit; h_credit_slot := h_credit;
  ELSE
    WITH wanted AS MATERIALIZED (
      SELECT 1 AS what, j AS place, p_acct[j] AS acct, ledger_part(c_id[p_command[j]], a_parts[p_acct[j]]) AS part
      FROM generate_subscripts(p_acct, 1) j
      UNION ALL SELECT 2, h, h_debit[h], ledger_part(h_id[h], a_parts[h_debit[h]]) FROM generate_subscripts(h_id, 1) h
      UNION ALL SELECT 3, h, h_credit[h], ledger_part(h_id[h], a_parts[h_credit[h]]) FROM generate_subscripts(h_id, 1) h),
    numbered AS MATERIALIZED (
      SELECT what, place, acct, part, (dense_rank() OVER (ORDER BY acct, part))::INTEGER AS slot FROM wanted)
    SELECT array_agg(slot ORDER BY place) FILTER (WHERE what = 1), array_agg(slot ORDER BY place) FILTER (WHERE what = 2),
      array_agg(slot ORDER BY place) FILTER (WHERE what = 3),
      (SELECT array_agg(acct ORDER BY slot) FROM (SELECT DISTINCT slot, acct FROM numbered) x),
      (SELECT array_agg(part ORDER BY slot) FROM (SELECT DISTINCT slot, part FROM numbered) x)
    INTO p_slot, h_debit_slot, h_credit_slot, s_acct, s_part FROM numbered;
  END IF;
  p_slot := coalesce(p_slot, '{}');
  SELECT array_agg(ord), array_agg(posted), array_agg(hold_debits), array_agg(hold_credits), array_agg(entries), array_agg(last_at_ms),
    bool_or(closed)
  INTO s_ord, s_posted, s_debits, s_credits, s_entries, s_last, v_shut FROM (
    SELECT s.ord::INTEGER, b.posted, b.hold_debits, b.hold_credits, b.entries, b.last_at_ms, b.closed
    FROM unnest(s_acct, s_part) WITH ORDINALITY AS s(acct, part, ord)
    CROSS JOIN LATERAL (
      SELECT * FROM balance WHERE account_id = a_id[s.acct] AND part = s.part AND tenant = t_name[a_tenant[s.acct]]
      FOR NO KEY UPDATE) b
  ) b;
  v_found := coalesce(cardinality(s_ord), 0);
  IF v_found < cardinality(s_acct) OR v_shut THEN
    v_plain := FALSE;
    SELECT array_agg(coalesce(s_posted[f.place], 0) ORDER BY s.ord), array_agg(coalesce(s_debits[f.place], 0) ORDER BY s.ord),
      array_agg(coalesce(s_credits[f.place], 0) ORDER BY s.ord), array_agg(coalesce(s_entries[f.place], 0) ORDER BY s.ord),
      array_agg(coalesce(s_last[f.place], 0) ORDER BY s.ord)
    INTO s_posted, s_debits, s_credits, s_entries, s_last
    FROM generate_subscripts(s_acct, 1) AS s(ord) CROSS JOIN LATERAL (SELECT array_position(s_ord, s.ord)) AS f(place);
    FOR v_row IN
      SELECT s.acct, b.closed FROM unnest(s_acct, s_part) AS s(acct, part)
      LEFT JOIN LATERAL (
        SELECT closed FROM balance WHERE account_id = a_id[s.acct] AND part = s.part AND tenant = t_name[a_tenant[s.acct]] OFFSET 0
      ) b ON TRUE
      WHERE b.closed IS NOT FALSE
    LOOP
      a_flags[v_row.acct] := a_flags[v_row.acct] | CASE WHEN v_row.closed THEN 8 ELSE 16 END;
    END LOOP;
  END IF;
  -- 4. What each line leaves of its slot, in memory. Where nothing is hurt on the way, all commands are accepted; else they are decided
  -- one by one, and the lines of those that are accepted are gone through again.
  p_after := array_fill(0::BIGINT, ARRAY[cardinality(p_slot)]);
  p_seq := p_after;
  v_accepted := n;
  -- Far from the ends of 64 bits sums need no care.
  v_plain := v_plain AND (SELECT max(s) < 2::BIGINT << 61 AND min(s) > -(2::BIGINT << 61) FROM unnest(s_posted) s)
    AND (SELECT coalesce(sum(abs(s)), 0) < 2::BIGINT << 61 FROM unnest(p_signed) s);
  v_limited := EXISTS (SELECT FROM unnest(a_flags) f WHERE f & 27 <> 0);
  v_mixed := cardinality(m_code) <> 1 OR 1 <> ANY (a_currency);
  LOOP
    IF NOT v_plain THEN
      v_decided := TRUE;
      ids := coalesce(ids, c_id);
      notes := coalesce(notes, array_fill(NULL::TEXT, ARRAY[n]));
      d := ledger_decide(p_now, ledger_clock_of(p_now), status, c_pre, c_action, c_same, c_hold, c_refers, c_amount, c_last, c_first,
        p_acct, p_slot, p_signed, p_currency, a_flags, a_currency, s_acct, s_posted, s_debits, s_credits,
        h_state, h_amount, h_captured, h_voided, h_expires, h_debit, h_credit, h_debit_slot, h_credit_slot, h_currency,
        r_done, r_total, r_command, r_two);
      status := d.c_status; amounts := d.c_amount;
      h_state := d.h_state; h_amount := d.h_amount; h_captured := d.h_captured; h_voided := d.h_voided; r_done := d.r_done;
      IF p_together AND (p_doomed OR 2 <= ANY (status)) THEN
        status := ARRAY(SELECT CASE s WHEN 0 THEN 26 ELSE s END FROM unnest(status) WITH ORDINALITY AS s(s, ord) ORDER BY ord);
      END IF;
      SELECT array_agg(CASE WHEN s.status >= 10
          THEN ledger_refusal(s.status, a_id[d.n_acct[ord]], c_id[ord], c_about[ord], d.n_rest[ord])
        WHEN s.status = 0 AND d.n_state[ord] IS NOT NULL
          THEN format('{"captured":"%s","released":"%s","state":%s}', d.n_captured[ord], d.n_voided[ord], d.n_state[ord])
        ELSE notes[ord] END ORDER BY ord), count(*) FILTER (WHERE s.status = 0)
      INTO notes, v_accepted FROM unnest(status) WITH ORDINALITY AS s(status, ord);
      UPDATE claim c SET outcome = notes[k.command] FROM unnest(k_key, k_command) AS k(key, command)
      CROSS JOIN LATERAL (SELECT ctid FROM claim WHERE key = k.key OFFSET 0) place
      WHERE c.ctid = place.ctid AND notes[k.command] IS NOT NULL AND (status[k.command] = 0 OR status[k.command] >= 10);
      IF v_accepted = 0 THEN
        settled_ms := p_now;
        RETURN;
      END IF;
    END IF;
    w_posted := s_posted; w_entries := s_entries;
    FOR j IN 1..cardinality(p_slot) LOOP
      v_slot := p_slot[j];
      v_signed := p_signed[j];
      IF v_plain THEN
        IF v_mixed AND a_currency[s_acct[v_slot]] <> p_currency[j] THEN v_plain := FALSE; EXIT; END IF;
        w_posted[v_slot] := w_posted[v_slot] + v_signed;
        IF v_limited THEN
          v_flags := a_flags[s_acct[v_slot]];
          IF v_flags & 27 <> 0 AND (v_flags & 24 <> 0
            OR (v_flags IN (2, 3, 5, 7) AND w_posted[v_slot] < s_credits[v_slot])
            OR (v_flags IN (1, 3, 6, 7) AND w_posted[v_slot] > -s_debits[v_slot]))
          THEN v_plain := FALSE; EXIT; END IF;
        END IF;
      ELSE
        v_command := p_command[j];
        CONTINUE WHEN status[v_command] <> 0;
        IF c_action[v_command] IN (2, 5) THEN
          v_signed := v_signed * amounts[v_command];
          p_signed[j] := v_signed;
        END IF;
        w_posted[v_slot] := w_posted[v_slot] + v_signed;
      END IF;
      w_entries[v_slot] := w_entries[v_slot] + 1;
      p_after[j] := w_posted[v_slot];
      p_seq[j] := w_entries[v_slot];
    END LOOP;
    EXIT WHEN v_plain OR v_decided;
  END LOOP;
  -- 5. The head, last: links of a shard are committed in their order. No time goes back on it or on a part.
  SELECT * INTO v_head FROM chain_head WHERE shard = p_shard FOR UPDATE;
  settled_ms := greatest(p_now, v_head.at_ms, v_head.sealed_ms + 1);
  IF v_plain THEN
    settled_ms := greatest(settled_ms, (SELECT max(l) FROM unnest(s_last) l));
  ELSE
    settled_ms := greatest(settled_ms, (
      SELECT max(s_last[p.slot]) FROM unnest(p_command, p_slot) AS p(command, slot) WHERE status[p.command] = 0), (
      SELECT max(greatest(s_last[h_debit_slot[c.hold]], s_last[h_credit_slot[c.hold]]))
      FROM unnest(status, c_hold) AS c(status, hold) WHERE c.status = 0 AND c.hold > 0));
  END IF;
  -- 6. Rows, and the digests of their canonical bytes (README of the service): what accounts and tenants add to these is made once.
  INSERT INTO journal (tenant, id, kind, at_ms, hold_id, refers_to, details, shard, link, ord)
  SELECT t_name[c.tenant], c.id, c.kind, settled_ms, h_id[c.hold], r_id[c.refers], c.details, p_shard, v_head.link + 1, c.place
  FROM (
    SELECT x.*, row_number() OVER (ORDER BY x.ord) - 1 AS place
    FROM unnest(c_tenant, c_id, c_kind, c_details, c_hold, c_refers, status)
      WITH ORDINALITY AS x(tenant, id, kind, details, hold, refers, status, ord)
    WHERE x.status = 0) c
  ORDER BY c.tenant, c.id;
  -- In the order of accounts: their newest entries lie side by side.
  INSERT INTO entry (tenant, account_id, part, seq, journal_id, line, direction, amount, currency, balance_after, at_ms)
  SELECT t_name[a_tenant[p.acct]], a_id[p.acct], s_part[p.slot], p.seq, c_id[p.command], p.line, CASE WHEN p.signed > 0 THEN 0 ELSE 1 END,
    abs(p.signed), m_code[p.currency], p.after, settled_ms
  FROM unnest(p_command, p_line, p_acct, p_slot, p_signed, p_currency, p_seq, p_after)
    AS p(command, line, acct, slot, signed, currency, seq, after)
  WHERE status[p.command] = 0
  ORDER BY p.slot, p.seq;
  SELECT array_agg('\x01'::BYTEA || int2send(octet_length(t)::SMALLINT) || convert_to(t, 'UTF8') || int8send(settled_ms) ORDER BY ord)
  INTO t_bytes FROM unnest(t_name) WITH ORDINALITY AS x(t, ord);
  SELECT array_agg(int8send(a_id[s_acct[s]]) || int2send(s_part[s]) || convert_to(m_code[a_currency[s_acct[s]]], 'UTF8')) INTO s_bytes
  FROM generate_subscripts(s_acct, 1) s;
  SELECT array_agg(s_bytes[p_slot[j]] || int8send(p_seq[j]) || int8send(p_signed[j]) || int8send(p_after[j])) INTO p_bytes
  FROM generate_subscripts(p_slot, 1) j;
  -- In the order of the commands, as they are counted up: to sort them would cost as much as a third of their hashes.
  SELECT string_agg(sha256(t_bytes[c_tenant[i]] || int8send(c_id[i]) || int2send(c_kind[i])
      || CASE WHEN v_plain THEN v_about_none
        ELSE int8send(coalesce(h_id[c_hold[i]], 0)) || int8send(coalesce(r_id[c_refers[i]], 0)) END
      || int4send(octet_length(c_details[i])) || convert_to(c_details[i], 'UTF8') || int4send(c_first[i + 1] - c_first[i])
      || CASE c_first[i + 1] - c_first[i] WHEN 0 THEN ''::BYTEA WHEN 2 THEN p_bytes[c_first[i]] || p_bytes[c_first[i] + 1]
        ELSE (SELECT string_agg(p_bytes[j], ''::BYTEA ORDER BY j) FROM generate_series(c_first[i], c_first[i + 1] - 1) j) END), ''::BYTEA), count(*)
  INTO v_digests, v_found FROM generate_subscripts(c_id, 1) i WHERE status[i] = 0;
  -- 7. Holds and reversals; what they do to balances is a trigger's.
  IF NOT v_plain THEN
    UPDATE hold h SET captured = h_captured[x.ord], voided = h_voided[x.ord], state = h_state[x.ord], shard = p_shard,
      link = v_head.link + 1
    FROM unnest(h_tenant, h_id) WITH ORDINALITY AS x(tenant, hold_id, ord)
    CROSS JOIN LATERAL (SELECT ctid FROM hold WHERE tenant = t_name[x.tenant] AND id = x.hold_id OFFSET 0) place
    WHERE h.ctid = place.ctid AND h_was[x.ord] = 0
      AND (h.captured <> h_captured[x.ord] OR h.voided <> h_voided[x.ord]);
    INSERT INTO hold (tenant, id, debit_account_id, credit_account_id, amount, currency, captured, voided, state, expires_at_ms,
      created_at_ms, shard, link)
    SELECT t_name[x.tenant], x.id, a_id[h_debit[x.ord]], a_id[h_credit[x.ord]], h_amount[x.ord], m_code[h_currency[x.ord]],
      h_captured[x.ord], h_voided[x.ord], h_state[x.ord], h_expires[x.ord], settled_ms,
      p_shard, v_head.link + 1
    FROM unnest(h_tenant, h_id) WITH ORDINALITY AS x(tenant, id, ord)
    WHERE h_was[x.ord] < 0 AND h_state[x.ord] >= 0;
    INSERT INTO reversed AS v (tenant, journal_id, amount, shard, link)
    SELECT t_name[x.tenant], x.id, r_done[x.ord], p_shard, v_head.link + 1 FROM unnest(r_tenant, r_id) WITH ORDINALITY AS x(tenant, id, ord)
    WHERE r_done[x.ord] > r_was[x.ord]
    ON CONFLICT (tenant, journal_id) DO UPDATE
      SET amount = excluded.amount, shard = excluded.shard, link = excluded.link;
  END IF;
  INSERT INTO chain_link (shard, link, at_ms, prev_hash, row_count, digests)
  VALUES (p_shard, v_head.link + 1, settled_ms, v_head.hash, v_found, v_digests);
END $$;

-- Accounts, seals, housekeeping ----------------------------------------------------------------------------------------------------

-- The status is 0 for a new account, 17 for an id that is taken; 1 to 3 as of `ledger_commit`, with the record's id and outcome.
CREATE FUNCTION ledger_create_account(
  p_now BIGINT, p_key BYTEA, p_fingerprint BYTEA, p_expires BIGINT, p_outcome TEXT, p_tenant TEXT, p_id BIGINT, p_currency TEXT,
  p_kind SMALLINT, p_not_below_zero BOOLEAN, p_not_above_zero BOOLEAN, p_parts SMALLINT, p_name TEXT, p_metadata TEXT,
  OUT status SMALLINT, OUT made_id BIGINT, OUT note TEXT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  v_claim claim;
BEGIN
  PERFORM ledger_clock_of(p_now);
  IF p_key IS NOT NULL THEN
    INSERT INTO claim AS c (key, fingerprint, id, outcome, expires_at_ms) VALUES (p_key, p_fingerprint, p_id, p_outcome, p_expires)
    ON CONFLICT (key) DO UPDATE
      SET fingerprint = excluded.fingerprint, id = excluded.id, outcome = excluded.outcome, expires_at_ms = excluded.expires_at_ms
      WHERE ledger_expired(c.expires_at_ms, p_now);
    IF NOT FOUND THEN
      SELECT * INTO v_claim FROM claim WHERE key = p_key;
      status := CASE WHEN v_claim.fingerprint <> p_fingerprint THEN 3 WHEN v_claim.outcome LIKE '{"code"%' THEN 2 ELSE 1 END;
      made_id := v_claim.id;
      note := v_claim.outcome;
      RETURN;
    END IF;
  END IF;
  made_id := p_id;
  INSERT INTO account (tenant, id, currency, kind, not_below_zero, not_above_zero, parts, name, metadata, created_at_ms)
  VALUES (p_tenant, p_id, p_currency, p_kind, p_not_below_zero, p_not_above_zero, p_parts, p_name, p_metadata, p_now)
  ON CONFLICT (tenant, id) DO NOTHING;
  IF NOT FOUND THEN
    status := 17;
    note := ledger_refusal(17::SMALLINT, NULL, p_id, NULL, NULL);
    UPDATE claim SET outcome = note WHERE key = p_key;
    RETURN;
  END IF;
  INSERT INTO balance (tenant, account_id, part, posted, hold_debits, hold_credits, entries, last_at_ms)
  SELECT p_tenant, p_id, part, 0, 0, 0, 0, 0 FROM generate_series(0, p_parts - 1) part;
  status := 0;
END $$;

-- Answers 0 when it is done, 1 when there is no such account, 2 when it is to be closed and is not empty. The lock on its parts is the
-- one that postings take: what is in flight is waited for, what comes later sees it closed.
CREATE FUNCTION ledger_change_account(
  p_now BIGINT, p_tenant TEXT, p_id BIGINT, p_rename BOOLEAN, p_name TEXT, p_metadata TEXT, p_close BOOLEAN)
RETURNS SMALLINT LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  v_empty BOOLEAN; v_last_ms BIGINT;
BEGIN
  PERFORM ledger_clock_of(p_now);
  IF p_close THEN
    SELECT sum(b.posted) = 0 AND sum(b.hold_debits) + sum(b.hold_credits) = 0, max(b.last_at_ms) INTO v_empty, v_last_ms FROM (
      SELECT posted, hold_debits, hold_credits, last_at_ms FROM balance
      WHERE account_id = p_id AND tenant = p_tenant ORDER BY part FOR NO KEY UPDATE) b;
    IF v_empty IS NULL THEN RETURN 1; END IF;
    IF NOT v_empty THEN RETURN 2; END IF;
  END IF;
  UPDATE account SET name = CASE WHEN p_rename THEN p_name ELSE name END, metadata = coalesce(p_metadata, metadata),
    closed_at_ms = CASE WHEN p_close THEN coalesce(closed_at_ms, greatest(p_now, v_last_ms)) ELSE closed_at_ms END
  WHERE tenant = p_tenant AND id = p_id;
  RETURN CASE WHEN FOUND THEN 0 ELSE 1 END;
END $$;

CREATE FUNCTION ledger_seal(p_at_ms BIGINT) RETURNS VOID LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  -- What is sealed stays so: most calls find it done.
  IF EXISTS (SELECT FROM chain_head WHERE sealed_ms < p_at_ms) THEN
    PERFORM ledger_check_clock(p_at_ms, 60000);
    PERFORM FROM chain_head ORDER BY shard FOR UPDATE;
    UPDATE chain_head SET sealed_ms = p_at_ms WHERE sealed_ms < p_at_ms;
  END IF;
END $$;

CREATE FUNCTION ledger_forget_claims(p_now BIGINT, p_limit BIGINT) RETURNS BIGINT
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  v_forgotten BIGINT;
BEGIN
  PERFORM ledger_check_clock(p_now, 600000);
  -- Ones that a command is about to renew are left to it.
  DELETE FROM claim WHERE key = ANY (ARRAY(
    SELECT key FROM claim WHERE expires_at_ms <= p_now AND ledger_expired(expires_at_ms, p_now)
    ORDER BY expires_at_ms LIMIT p_limit FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS v_forgotten = ROW_COUNT;
  RETURN v_forgotten;
END $$;

-- The sequence of a part's last entry at `p_at_ms` or before; 0 where there is none. Times grow with sequences, so halving finds it in
-- a few probes of the primary key, and no index on time is paid for by every posting.
CREATE FUNCTION ledger_seq_at(p_tenant TEXT, p_account BIGINT, p_part SMALLINT, p_at_ms BIGINT) RETURNS BIGINT
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  v_low BIGINT := 0;
  v_high BIGINT;
  v_middle BIGINT;
BEGIN
  SELECT CASE WHEN last_at_ms <= p_at_ms THEN -entries ELSE entries END INTO v_high FROM balance
  WHERE account_id = p_account AND part = p_part AND tenant = p_tenant;
  -- Most ask for a moment after the last entry.
  IF v_high <= 0 THEN RETURN -v_high; END IF;
  WHILE v_low < v_high LOOP
    v_middle := (v_low + v_high + 1) / 2;
    IF (SELECT at_ms FROM entry WHERE account_id = p_account AND part = p_part AND seq = v_middle AND tenant = p_tenant) <= p_at_ms THEN
      v_low := v_middle;
    ELSE
      v_high := v_middle - 1;
    END IF;
  END LOOP;
  RETURN v_low;
END $$;

-- Rights ---------------------------------------------------------------------------------------------------------------------------

-- The service needs no more than this role has: it reads, and it calls. Who migrates owns the tables; give the service a login that is
-- a member of `orrery_payment`, and no password of the owner's. Without the right to make roles this is left to an administrator.
DO $$
DECLARE
  v_schema CONSTANT TEXT := quote_ident(current_schema());
  v_function TEXT;
BEGIN
  FOR v_function IN
    SELECT p.oid::regprocedure::TEXT FROM pg_proc p
    WHERE p.pronamespace = current_schema()::regnamespace AND p.proname LIKE 'ledger\_%'
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
  END LOOP;
  BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'orrery_payment') THEN
      CREATE ROLE orrery_payment NOLOGIN;
    END IF;
  EXCEPTION
    -- Another schema's migration made it meanwhile.
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
      RAISE NOTICE 'the role orrery_payment was not made: this user may not make roles';
  END;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'orrery_payment') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO orrery_payment', v_schema);
    GRANT SELECT ON account, balance, journal, entry, hold, reversed, claim, chain_link, chain_head, ledger_clock TO orrery_payment;
    FOR v_function IN
      SELECT p.oid::regprocedure::TEXT FROM pg_proc p
      WHERE p.pronamespace = current_schema()::regnamespace AND p.proname IN
        ('ledger_commit', 'ledger_create_account', 'ledger_change_account', 'ledger_seal', 'ledger_forget_claims', 'ledger_seq_at',
         'ledger_expired')
    LOOP
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO orrery_payment', v_function);
    END LOOP;
    -- Tables of later steps are no ledger: there it may write.
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO orrery_payment', v_schema);
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT USAGE ON SEQUENCES TO orrery_payment', v_schema);
  END IF;
END $$;

SELECT set_config('search_path', current_schema(), true);
