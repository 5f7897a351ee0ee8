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
