-- Payments and their sagas. `saga` is the whole state as JSON; the columns beside it are what is searched for.
CREATE TABLE payment (
  tenant TEXT COLLATE "C" NOT NULL,
  id BIGINT NOT NULL UNIQUE,
  payer_account_id BIGINT NOT NULL,
  merchant_account_id BIGINT NOT NULL,
  amount BIGINT NOT NULL CHECK (amount > 0),
  currency TEXT COLLATE "C" NOT NULL,
  method TEXT NOT NULL,
  description TEXT,
  -- The record of the vault that says who pays.
  payer TEXT,
  -- The trace of the request that made it: what comes of it is a part of that.
  traceparent TEXT,
  -- Ids of the rows it makes in the journal.
  hold_id BIGINT NOT NULL,
  capture_id BIGINT NOT NULL,
  release_id BIGINT NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  saga TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL,
  -- When it is to be taken up; null at rest.
  due_ms BIGINT,
  -- Raised by whoever wakes it, so that a wake is not lost to a save.
  wakes BIGINT NOT NULL DEFAULT 0,
  -- The process that has it, until when, and the fence that its writes carry.
  owner TEXT,
  fence BIGINT NOT NULL DEFAULT 0,
  lease_until_ms BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX payment_due ON payment (due_ms) WHERE due_ms IS NOT NULL;
-- For lists. None begins with the tenant: of a tenant that the planner knows nothing of yet it would take any such index for one payment's key.
CREATE INDEX payment_of_payer ON payment (payer_account_id, tenant, id);
CREATE INDEX payment_of_merchant ON payment (merchant_account_id, tenant, id);
CREATE INDEX payment_in_state ON payment (state, tenant, id);

-- What was tried, in order. The last place is written over when there are more than are kept.
CREATE TABLE payment_step (
  tenant TEXT COLLATE "C" NOT NULL,
  payment_id BIGINT NOT NULL,
  place BIGINT NOT NULL,
  step TEXT NOT NULL,
  call TEXT NOT NULL,
  began_at_ms BIGINT NOT NULL,
  ended_at_ms BIGINT,
  outcome TEXT,
  code TEXT,
  PRIMARY KEY (tenant, payment_id, place)
);

CREATE TABLE refund (
  tenant TEXT COLLATE "C" NOT NULL,
  id BIGINT NOT NULL,
  payment_id BIGINT NOT NULL,
  amount BIGINT NOT NULL CHECK (amount > 0),
  -- 0 waits or is under way, 1 done, 2 refused
  state SMALLINT NOT NULL,
  refused TEXT,
  hold_id BIGINT NOT NULL,
  release_id BIGINT NOT NULL,
  reversal_id BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  ended_at_ms BIGINT,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX refund_of_payment ON refund (tenant, payment_id, id);

-- How much an account has paid in a window of time.
CREATE TABLE velocity (
  tenant TEXT COLLATE "C" NOT NULL,
  account_id BIGINT NOT NULL,
  window_ms BIGINT NOT NULL,
  payments BIGINT NOT NULL,
  minor BIGINT NOT NULL,
  PRIMARY KEY (tenant, account_id, window_ms)
);
CREATE INDEX velocity_window ON velocity (window_ms);

-- What was asked for under an Idempotency-Key, and what became of it.
CREATE TABLE payment_claim (
  key BYTEA NOT NULL PRIMARY KEY,
  fingerprint BYTEA NOT NULL,
  payment_id BIGINT NOT NULL,
  refund_id BIGINT,
  refused TEXT,
  expires_at_ms BIGINT NOT NULL
);
CREATE INDEX payment_claim_expiry ON payment_claim (expires_at_ms);
