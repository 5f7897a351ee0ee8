CREATE TABLE worker_lease (
    -- The worker number in ids. Slots are made in order, so the next unused one is the number of rows.
    slot INTEGER PRIMARY KEY,
    -- For people who look; NULL once released.
    holder TEXT,
    -- Raised by every acquisition and release: the fence.
    epoch INTEGER NOT NULL,
    -- Unix milliseconds. No id of this slot, from any holder so far, carries a later time.
    issue_until_ms INTEGER NOT NULL
) STRICT;
