-- The ledger. What was committed is never changed and never deleted: triggers refuse it, also to the owner of the tables; what an
-- owner does after switching them off is found by `orrery ledger verify`. Balances are debits minus credits. Times are Unix milliseconds.
--
-- Only the journal, the entries and the links are written; balances, counters and heads follow by trigger. Keys begin with the number,
-- which tells rows apart sooner than the tenant does. The files beside this one are one step with it, in the order that `store::database` gives them.

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
