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
