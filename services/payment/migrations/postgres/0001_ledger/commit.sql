-- Clocks, and the one call by which money moves.

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
