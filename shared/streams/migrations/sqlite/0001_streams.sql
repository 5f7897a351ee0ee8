-- Where each partition ends, and what it holds: the kept positions are (head - events, head], without gaps.
CREATE TABLE head (
    stream TEXT NOT NULL,
    part   INTEGER NOT NULL,
    head   INTEGER NOT NULL,
    events INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (stream, part)
) STRICT, WITHOUT ROWID;

-- An ordinary table: rows are large, and a clustered one would move them about.
CREATE TABLE event (
    stream       TEXT NOT NULL,
    part         INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    published_ms INTEGER NOT NULL,
    id           TEXT NOT NULL,
    source       TEXT NOT NULL,
    type         TEXT NOT NULL,
    key          TEXT NOT NULL,
    subject      TEXT,
    time_ms      INTEGER NOT NULL,
    traceparent  TEXT,
    tenant       TEXT,
    data         TEXT NOT NULL,
    PRIMARY KEY (stream, part, position)
) STRICT;

CREATE INDEX event_by_id ON event (stream, id, published_ms);

-- How far each group is. `deliveries` counts those of the first event past `acked`; every other event up to `attempted`
-- was delivered once. `inherited` is what `attempted` was when the present holder took over.
CREATE TABLE progress (
    stream         TEXT NOT NULL,
    grp            TEXT NOT NULL,
    part           INTEGER NOT NULL,
    acked          INTEGER NOT NULL,
    attempted      INTEGER NOT NULL,
    inherited      INTEGER NOT NULL,
    deliveries     INTEGER NOT NULL,
    owner          TEXT NOT NULL,
    epoch          INTEGER NOT NULL,
    lease_until_ms INTEGER NOT NULL,
    PRIMARY KEY (stream, grp, part)
) STRICT, WITHOUT ROWID;

-- A copy of the event: the original may be collected before anybody looks.
CREATE TABLE dead_letter (
    letter       INTEGER PRIMARY KEY AUTOINCREMENT,
    grp          TEXT NOT NULL,
    deliveries   INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    died_ms      INTEGER NOT NULL,
    replayed_ms  INTEGER,
    stream       TEXT NOT NULL,
    part         INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    published_ms INTEGER NOT NULL,
    id           TEXT NOT NULL,
    source       TEXT NOT NULL,
    type         TEXT NOT NULL,
    key          TEXT NOT NULL,
    subject      TEXT,
    time_ms      INTEGER NOT NULL,
    traceparent  TEXT,
    tenant       TEXT,
    data         TEXT NOT NULL
) STRICT;

CREATE INDEX dead_letter_by_stream ON dead_letter (stream, letter);
CREATE INDEX dead_letter_waiting ON dead_letter (stream) WHERE replayed_ms IS NULL;
