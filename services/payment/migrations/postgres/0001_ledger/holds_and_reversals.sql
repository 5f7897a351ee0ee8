-- Holds, and rows that were reversed: what a link's rows say of them, and that they change by that only.

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
