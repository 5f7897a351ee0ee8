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
