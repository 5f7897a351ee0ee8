-- Keys that sign tokens. A key signs from use_from_ms until its successor's; order is use_from_ms, hence unique.
CREATE TABLE signing_key (
  kid TEXT NOT NULL PRIMARY KEY,
  pkcs8 BLOB NOT NULL,
  use_from_ms INTEGER NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

-- Codes that wait to be exchanged: the SHA-256 of each, never the code. Taking one deletes it.
CREATE TABLE authorization_code (
  code_hash BLOB NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  challenge TEXT NOT NULL,
  tenant TEXT NOT NULL,
  user TEXT NOT NULL,
  scope TEXT NOT NULL,
  nonce TEXT,
  expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX authorization_code_expiry ON authorization_code (expires_ms);

-- What `orrery token` needs to know of a platform that may not be running.
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
