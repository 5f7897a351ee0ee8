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
