CREATE TABLE outbox (
    -- Rises with each row, in the order of commits; never reused.
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    -- By hash of the aggregate, as in the stream.
    part INTEGER NOT NULL CHECK (part BETWEEN 0 AND 15),
    aggregate TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT,
    time_ms INTEGER NOT NULL,
    traceparent TEXT,
    tenant TEXT,
    data TEXT NOT NULL,
    -- When the stream had made it durable; NULL until then.
    published_ms INTEGER
) STRICT;

CREATE INDEX outbox_unpublished ON outbox (part, position) WHERE published_ms IS NULL;
CREATE INDEX outbox_published ON outbox (part, published_ms) WHERE published_ms IS NOT NULL;

CREATE TABLE leadership (
    -- The duty.
    name TEXT PRIMARY KEY,
    -- For people who look; NULL once released.
    holder TEXT,
    -- Raised by every taking and release.
    fence INTEGER NOT NULL,
    -- Unix milliseconds. From then on anybody may take it, and the holder's guarded writes are refused.
    until_ms INTEGER NOT NULL
) STRICT;

-- What a captured payment is followed by: one receipt, and whom it was told.
CREATE TABLE receipt (
    tenant TEXT NOT NULL,
    payment_id INTEGER NOT NULL,
    -- The event that it was written for.
    event_id TEXT NOT NULL UNIQUE,
    issued_at_ms INTEGER NOT NULL,
    -- When the payment was found to have gone back whole; NULL while the receipt stands.
    voided_at_ms INTEGER,
    traceparent TEXT,
    PRIMARY KEY (tenant, payment_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE notification (
    -- The event that merchants were told of.
    event_id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    payment_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    -- Endpoints it was put in line for.
    endpoints INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX notification_of_payment ON notification (tenant, payment_id);

-- How far the ledger's links are in the stream.
CREATE TABLE feed (
    shard INTEGER PRIMARY KEY CHECK (shard BETWEEN 0 AND 7),
    -- The last link that is there whole.
    link INTEGER NOT NULL
) STRICT;
