-- Customers that have machine clients. Tenants of people who sign in need no row: they are made by naming them.
CREATE TABLE tenant (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  display_name TEXT NOT NULL,
  created_ms BIGINT NOT NULL
);

-- Programs that act for a tenant. The id is the `sub` of their tokens.
CREATE TABLE client (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant TEXT COLLATE "C" NOT NULL REFERENCES tenant (id),
  name TEXT COLLATE "C" NOT NULL,
  scopes TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  disabled_ms BIGINT,
  UNIQUE (tenant, name)
);

-- What clients prove themselves with: a keyed hash of each key, never the key. secret_id says by which secret it was made.
CREATE TABLE api_key (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  client_id TEXT COLLATE "C" NOT NULL REFERENCES client (id),
  hash BYTEA NOT NULL,
  secret_id BYTEA NOT NULL,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT,
  revoked_ms BIGINT
);
CREATE INDEX api_key_of_client ON api_key (client_id);
