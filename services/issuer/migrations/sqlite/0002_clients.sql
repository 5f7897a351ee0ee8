-- Customers that have machine clients. Tenants of people who sign in need no row: they are made by naming them.
CREATE TABLE tenant (
  id TEXT NOT NULL PRIMARY KEY,
  display_name TEXT NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Programs that act for a tenant. The id is the `sub` of their tokens.
CREATE TABLE client (
  id TEXT NOT NULL PRIMARY KEY,
  tenant TEXT NOT NULL REFERENCES tenant (id),
  name TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  disabled_ms INTEGER,
  UNIQUE (tenant, name)
) STRICT, WITHOUT ROWID;

-- What clients prove themselves with: a keyed hash of each key, never the key. secret_id says by which secret it was made.
CREATE TABLE api_key (
  id TEXT NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL REFERENCES client (id),
  hash BLOB NOT NULL,
  secret_id BLOB NOT NULL,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER,
  revoked_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_key_of_client ON api_key (client_id);
