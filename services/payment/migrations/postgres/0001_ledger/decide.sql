-- The rules, command by command: the same as `ledger::decide`.

-- Which part of a split account takes what an id brings, the same as `ledger::part_of`: what tells ids apart (time, and what stands below
-- it) is added, and the golden ratio's share of 2^32 lays neighbours far apart. Nothing here passes 63 bits.
CREATE FUNCTION ledger_part(p_id BIGINT, p_parts SMALLINT) RETURNS SMALLINT LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ((((((p_id >> 22) + (p_id & 4194303)) & 2147483647) * 2654435769) & 4294967295) * p_parts >> 32)::SMALLINT
$$;

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
