-- Charges: what was authorized, and how much of it was taken and sent back. Minor units.
CREATE TABLE charge (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  reference TEXT COLLATE "C" NOT NULL,
  amount BIGINT NOT NULL CHECK (amount > 0),
  currency TEXT NOT NULL,
  method TEXT NOT NULL,
  status TEXT NOT NULL,
  captured BIGINT NOT NULL CHECK (captured BETWEEN 0 AND amount),
  refunded BIGINT NOT NULL CHECK (refunded BETWEEN 0 AND captured),
  decline_code TEXT,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL
);
CREATE INDEX charge_by_reference ON charge (reference, created_at_ms);
CREATE INDEX charge_by_age ON charge (updated_at_ms);

-- Money that moved: what a settlement lists. Never changed.
CREATE TABLE movement (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  charge_id TEXT COLLATE "C" NOT NULL REFERENCES charge (id),
  reference TEXT COLLATE "C" NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('capture', 'refund')),
  amount BIGINT NOT NULL CHECK (amount > 0),
  currency TEXT NOT NULL,
  at_ms BIGINT NOT NULL
);
CREATE INDEX movement_by_time ON movement (at_ms, id);
CREATE INDEX movement_of_charge ON movement (charge_id, at_ms);

-- What each Idempotency-Key (its SHA-256) was answered, refusals too: written with the effect.
CREATE TABLE request (
  key_hash BYTEA NOT NULL PRIMARY KEY,
  fingerprint BYTEA NOT NULL,
  answer TEXT NOT NULL,
  expires_at_ms BIGINT NOT NULL
);
CREATE INDEX request_by_expiry ON request (expires_at_ms);

-- Webhooks that nobody has answered with 2xx yet: written with the effect that they tell of.
CREATE TABLE webhook (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  body TEXT NOT NULL,
  copies BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  next_at_ms BIGINT NOT NULL
);
CREATE INDEX webhook_due ON webhook (next_at_ms, created_at_ms);
CREATE INDEX webhook_by_age ON webhook (created_at_ms);
