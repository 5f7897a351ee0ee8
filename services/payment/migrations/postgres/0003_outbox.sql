CREATE TABLE outbox (
    -- Rises with each row; of one aggregate, in the order of its commits. Of different aggregates it is no order of commits.
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- By hash of the aggregate, as in the stream.
    part smallint NOT NULL CHECK (part BETWEEN 0 AND 15),
    aggregate text NOT NULL,
    id text NOT NULL UNIQUE,
    source text NOT NULL,
    kind text NOT NULL,
    subject text,
    time_ms bigint NOT NULL,
    traceparent text,
    tenant text,
    data text NOT NULL,
    -- When the stream had made it durable; NULL until then.
    published_ms bigint
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX outbox_unpublished ON outbox (part, position) WHERE published_ms IS NULL;
CREATE INDEX outbox_published ON outbox (part, published_ms) WHERE published_ms IS NOT NULL;

CREATE TABLE leadership (
    -- The duty.
    name text PRIMARY KEY,
    -- For people who look; NULL once released.
    holder text,
    -- Raised by every taking and release.
    fence bigint NOT NULL,
    -- Unix milliseconds. From then on anybody may take it, and the holder's guarded writes are refused.
    until_ms bigint NOT NULL,
    -- Makes the fence a key: raising it waits for the guarded writes that are under way, renewing the time does not.
    UNIQUE (name, fence)
);

-- What a captured payment is followed by: one receipt, and whom it was told.
CREATE TABLE receipt (
    tenant text COLLATE "C" NOT NULL,
    payment_id bigint NOT NULL,
    -- The event that it was written for.
    event_id text NOT NULL UNIQUE,
    issued_at_ms bigint NOT NULL,
    -- When the payment was found to have gone back whole; NULL while the receipt stands.
    voided_at_ms bigint,
    traceparent text,
    PRIMARY KEY (tenant, payment_id)
);

CREATE TABLE notification (
    -- The event that merchants were told of.
    event_id text PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    payment_id bigint NOT NULL,
    kind text NOT NULL,
    -- Endpoints it was put in line for.
    endpoints bigint NOT NULL,
    at_ms bigint NOT NULL
);
CREATE INDEX notification_of_payment ON notification (tenant, payment_id);

-- How far the ledger's links are in the stream.
CREATE TABLE feed (
    shard smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND 7),
    -- The last link that is there whole.
    link bigint NOT NULL
);
