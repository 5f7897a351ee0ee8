-- Where merchants want to be told, and what they are told. Secrets are sealed by the vault's master key.
CREATE TABLE webhook_endpoint (
    tenant TEXT NOT NULL,
    id INTEGER NOT NULL,
    url TEXT NOT NULL,
    -- A JSON array of event kinds; empty is all.
    kinds TEXT NOT NULL,
    description TEXT NOT NULL,
    -- 0 enabled, 1 disabled by its owner, 2 disabled after failures
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),
    state_at_ms INTEGER NOT NULL,
    secret BLOB NOT NULL,
    -- Whoever repeats the request that made it gets this one, and no other.
    secret_claim BLOB,
    -- Signs beside the new one until then.
    former_secret BLOB,
    former_until_ms INTEGER,
    -- The first failure since something was accepted, and how many deliveries in a row were given up.
    failing_since_ms INTEGER,
    dead_in_a_row INTEGER NOT NULL DEFAULT 0,
    -- SHA-256 of who made it under which Idempotency-Key, and what was asked for.
    claim BLOB,
    fingerprint BLOB,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, id),
    CHECK ((former_secret IS NULL) = (former_until_ms IS NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX webhook_endpoint_claim ON webhook_endpoint (claim) WHERE claim IS NOT NULL;

CREATE TABLE webhook_delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    endpoint_id INTEGER NOT NULL,
    -- Goes out as `webhook-id`: the same on every attempt.
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- The exact bytes that are signed and sent.
    body BLOB NOT NULL,
    -- 0 pending, 1 delivered, 2 failed (and tried again), 3 dead
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
    -- How often it was taken; who records a result says which time was his.
    attempt INTEGER NOT NULL DEFAULT 0,
    -- Attempts before this one belong to an earlier round: it was replayed by hand.
    first_attempt INTEGER NOT NULL DEFAULT 0,
    -- Due from then on; while somebody has it, the end of his lease.
    next_at_ms INTEGER NOT NULL,
    last_status INTEGER,
    last_error TEXT,
    last_at_ms INTEGER,
    created_at_ms INTEGER NOT NULL,
    UNIQUE (endpoint_id, event_id),
    FOREIGN KEY (tenant, endpoint_id) REFERENCES webhook_endpoint (tenant, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX webhook_delivery_due ON webhook_delivery (next_at_ms) WHERE state IN (0, 2);
CREATE INDEX webhook_delivery_list ON webhook_delivery (tenant, id);
CREATE INDEX webhook_delivery_of_endpoint ON webhook_delivery (tenant, endpoint_id, id);
CREATE INDEX webhook_delivery_waiting ON webhook_delivery (tenant, id) WHERE state IN (0, 2);
CREATE INDEX webhook_delivery_dead ON webhook_delivery (tenant, id) WHERE state = 3;
CREATE INDEX webhook_delivery_over ON webhook_delivery (last_at_ms) WHERE state IN (1, 3);
