-- Keys that sign tokens. A key signs from use_from_ms until its successor's; order is use_from_ms, hence unique.
CREATE TABLE signing_key (
  kid TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  pkcs8 BYTEA NOT NULL,
  use_from_ms BIGINT NOT NULL UNIQUE
);

-- Codes that wait to be exchanged: the SHA-256 of each, never the code. Taking one deletes it.
-- The nonce is the client's own text and may hold a NUL, which TEXT may not.
CREATE TABLE authorization_code (
  code_hash BYTEA NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  challenge TEXT NOT NULL,
  tenant TEXT NOT NULL,
  "user" TEXT NOT NULL,
  scope TEXT NOT NULL,
  nonce BYTEA,
  expires_ms BIGINT NOT NULL
);
CREATE INDEX authorization_code_expiry ON authorization_code (expires_ms);

-- What `orrery token` needs to know of a platform that may not be running.
CREATE TABLE meta (name TEXT COLLATE "C" NOT NULL PRIMARY KEY, value TEXT NOT NULL);

-- One row for each rule that counts or compares many rows: whoever changes what it guards holds it until the commit.
CREATE TABLE guard (name TEXT COLLATE "C" NOT NULL PRIMARY KEY);
INSERT INTO guard (name) VALUES ('signing_key'), ('authorization_code'), ('tenant');
