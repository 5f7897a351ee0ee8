-- What is written is only added to, in order and in time; balances, counters and heads follow.

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
-- Nor far ahead of the clock, unless its last entry is: what has not been is the end of nothing.
CREATE FUNCTION ledger_account_closed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_empty BOOLEAN; v_last_ms BIGINT;
BEGIN
  SELECT sum(posted) = 0 AND sum(hold_debits) + sum(hold_credits) = 0, max(last_at_ms) INTO v_empty, v_last_ms FROM (
    SELECT posted, hold_debits, hold_credits, last_at_ms FROM balance
    WHERE account_id = NEW.id AND tenant = NEW.tenant ORDER BY part FOR NO KEY UPDATE) b;
  IF NOT v_empty OR v_last_ms > NEW.closed_at_ms THEN
    RAISE EXCEPTION 'account: it is closed when nothing is on it or held, and not before its last entry'
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.closed_at_ms IS DISTINCT FROM v_last_ms THEN
    PERFORM ledger_check_clock(NEW.closed_at_ms, 600000);
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
