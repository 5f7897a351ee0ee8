-- Where merchants want to be told, and what they are told. Secrets are sealed by the vault's master key.
CREATE TABLE webhook_endpoint (
    tenant text NOT NULL,
    id bigint NOT NULL,
    url text NOT NULL,
    -- A JSON array of event kinds; empty is all.
    kinds text NOT NULL,
    description text NOT NULL,
    -- 0 enabled, 1 disabled by its owner, 2 disabled after failures
    state smallint NOT NULL CHECK (state BETWEEN 0 AND 2),
    state_at_ms bigint NOT NULL,
    secret bytea NOT NULL,
    -- Whoever repeats the request that made it gets this one, and no other.
    secret_claim bytea,
    -- Signs beside the new one until then.
    former_secret bytea,
    former_until_ms bigint,
    -- The first failure since something was accepted, and how many deliveries in a row were given up.
    failing_since_ms bigint,
    dead_in_a_row integer NOT NULL DEFAULT 0,
    -- SHA-256 of who made it under which Idempotency-Key, and what was asked for.
    claim bytea,
    fingerprint bytea,
    created_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, id),
    CHECK ((former_secret IS NULL) = (former_until_ms IS NULL))
);
CREATE UNIQUE INDEX webhook_endpoint_claim ON webhook_endpoint (claim) WHERE claim IS NOT NULL;

CREATE TABLE webhook_delivery (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL,
    endpoint_id bigint NOT NULL,
    -- Goes out as `webhook-id`: the same on every attempt.
    event_id text NOT NULL,
    kind text NOT NULL,
    -- The exact bytes that are signed and sent.
    body bytea NOT NULL,
    -- 0 pending, 1 delivered, 2 failed (and tried again), 3 dead
    state smallint NOT NULL CHECK (state BETWEEN 0 AND 3),
    -- How often it was taken; who records a result says which time was his.
    attempt integer NOT NULL DEFAULT 0,
    -- Attempts before this one belong to an earlier round: it was replayed by hand.
    first_attempt integer NOT NULL DEFAULT 0,
    -- Due from then on; while somebody has it, the end of his lease.
    next_at_ms bigint NOT NULL,
    last_status integer,
    last_error text,
    last_at_ms bigint,
    created_at_ms bigint NOT NULL,
    UNIQUE (endpoint_id, event_id),
    FOREIGN KEY (tenant, endpoint_id) REFERENCES webhook_endpoint (tenant, id) ON DELETE CASCADE
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (next_at_ms) WHERE state IN (0, 2);
CREATE INDEX webhook_delivery_list ON webhook_delivery (tenant, id);
CREATE INDEX webhook_delivery_of_endpoint ON webhook_delivery (tenant, endpoint_id, id);
CREATE INDEX webhook_delivery_waiting ON webhook_delivery (tenant, id) WHERE state IN (0, 2);
CREATE INDEX webhook_delivery_dead ON webhook_delivery (tenant, id) WHERE state = 3;
CREATE INDEX webhook_delivery_over ON webhook_delivery (last_at_ms) WHERE state IN (1, 3);
