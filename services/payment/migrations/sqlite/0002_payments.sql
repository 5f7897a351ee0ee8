-- Payments and their sagas. `saga` is the whole state as JSON; the columns beside it are what is searched for.
CREATE TABLE payment (
  tenant TEXT NOT NULL,
  id INTEGER NOT NULL UNIQUE,
  payer_account_id INTEGER NOT NULL,
  merchant_account_id INTEGER NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  currency TEXT NOT NULL,
  method TEXT NOT NULL,
  description TEXT,
  -- The record of the vault that says who pays.
  payer TEXT,
  -- The trace of the request that made it: what comes of it is a part of that.
  traceparent TEXT,
  -- Ids of the rows it makes in the journal.
  hold_id INTEGER NOT NULL,
  capture_id INTEGER NOT NULL,
  release_id INTEGER NOT NULL,
  state TEXT NOT NULL,
  saga TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  -- When it is to be taken up; null at rest.
  due_ms INTEGER,
  -- Raised by whoever wakes it, so that a wake is not lost to a save.
  wakes INTEGER NOT NULL DEFAULT 0,
  -- The process that has it, until when, and the fence that its writes carry.
  owner TEXT,
  fence INTEGER NOT NULL DEFAULT 0,
  lease_until_ms INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX payment_due ON payment (due_ms) WHERE due_ms IS NOT NULL;
-- For lists. None begins with the tenant: of a tenant that the planner knows nothing of yet it would take any such index for one payment's key.
CREATE INDEX payment_of_payer ON payment (payer_account_id, tenant, id);
CREATE INDEX payment_of_merchant ON payment (merchant_account_id, tenant, id);
CREATE INDEX payment_in_state ON payment (state, tenant, id);

-- What was tried, in order. The last place is written over when there are more than are kept.
CREATE TABLE payment_step (
  tenant TEXT NOT NULL,
  payment_id INTEGER NOT NULL,
  place INTEGER NOT NULL,
  step TEXT NOT NULL,
  call TEXT NOT NULL,
  began_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  outcome TEXT,
  code TEXT,
  PRIMARY KEY (tenant, payment_id, place)
) STRICT;

CREATE TABLE refund (
  tenant TEXT NOT NULL,
  id INTEGER NOT NULL,
  payment_id INTEGER NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  -- 0 waits or is under way, 1 done, 2 refused
  state INTEGER NOT NULL,
  refused TEXT,
  hold_id INTEGER NOT NULL,
  release_id INTEGER NOT NULL,
  reversal_id INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX refund_of_payment ON refund (tenant, payment_id, id);

-- How much an account has paid in a window of time.
CREATE TABLE velocity (
  tenant TEXT NOT NULL,
  account_id INTEGER NOT NULL,
  window_ms INTEGER NOT NULL,
  payments INTEGER NOT NULL,
  minor INTEGER NOT NULL,
  PRIMARY KEY (tenant, account_id, window_ms)
) STRICT;
CREATE INDEX velocity_window ON velocity (window_ms);

-- What was asked for under an Idempotency-Key, and what became of it.
CREATE TABLE payment_claim (
  key BLOB NOT NULL PRIMARY KEY,
  fingerprint BLOB NOT NULL,
  payment_id INTEGER NOT NULL,
  refund_id INTEGER,
  refused TEXT,
  expires_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX payment_claim_expiry ON payment_claim (expires_at_ms);
