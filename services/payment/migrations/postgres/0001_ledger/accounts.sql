-- Accounts, seals, housekeeping.

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
