-- Charges: what was authorized, and how much of it was taken and sent back. Minor units.
CREATE TABLE charge (
  id TEXT NOT NULL PRIMARY KEY,
  reference TEXT NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  currency TEXT NOT NULL,
  method TEXT NOT NULL,
  status TEXT NOT NULL,
  captured INTEGER NOT NULL CHECK (captured BETWEEN 0 AND amount),
  refunded INTEGER NOT NULL CHECK (refunded BETWEEN 0 AND captured),
  decline_code TEXT,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX charge_by_reference ON charge (reference, created_at_ms);
CREATE INDEX charge_by_age ON charge (updated_at_ms);

-- Money that moved: what a settlement lists. Never changed.
CREATE TABLE movement (
  id TEXT NOT NULL PRIMARY KEY,
  charge_id TEXT NOT NULL REFERENCES charge (id),
  reference TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('capture', 'refund')),
  amount INTEGER NOT NULL CHECK (amount > 0),
  currency TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX movement_by_time ON movement (at_ms, id);
CREATE INDEX movement_of_charge ON movement (charge_id, at_ms);

-- What each Idempotency-Key (its SHA-256) was answered, refusals too: written with the effect.
CREATE TABLE request (
  key_hash BLOB NOT NULL PRIMARY KEY,
  fingerprint BLOB NOT NULL,
  answer TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX request_by_expiry ON request (expires_at_ms);

-- Webhooks that nobody has answered with 2xx yet: written with the effect that they tell of.
CREATE TABLE webhook (
  id TEXT NOT NULL PRIMARY KEY,
  body TEXT NOT NULL,
  copies INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  next_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_due ON webhook (next_at_ms, created_at_ms);
CREATE INDEX webhook_by_age ON webhook (created_at_ms);
