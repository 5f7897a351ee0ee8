-- Clustered as the tables of a wide-column store would be: one table a query, the partition key first.

-- Redirects: by code alone, for whoever follows a link has no tenant.
CREATE TABLE links (
    code          TEXT    NOT NULL PRIMARY KEY,
    id            INTEGER NOT NULL,
    tenant        TEXT    NOT NULL,
    url           TEXT    NOT NULL,
    permanent     INTEGER NOT NULL,
    expires_at_ms INTEGER,
    tags          TEXT    NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    revision      INTEGER NOT NULL,
    CHECK (permanent = 0 OR expires_at_ms IS NULL)
) WITHOUT ROWID;

-- A tenant's list, newest first.
CREATE TABLE links_by_tenant (
    tenant TEXT    NOT NULL,
    id     INTEGER NOT NULL,
    code   TEXT    NOT NULL,
    PRIMARY KEY (tenant, id DESC)
) WITHOUT ROWID;

-- Counts stand by link id, not by code: who claims a freed alias starts from zero.
CREATE TABLE link_clicks (
    tenant     TEXT    NOT NULL,
    link_id    INTEGER NOT NULL,
    clicks     INTEGER NOT NULL,
    last_at_ms INTEGER,
    PRIMARY KEY (tenant, link_id)
) WITHOUT ROWID;

-- Click events that are already in the counts.
CREATE TABLE applied_events (
    event_id      TEXT    NOT NULL PRIMARY KEY,
    applied_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX applied_events_by_age ON applied_events (applied_at_ms);

-- What a repeated request is answered with.
CREATE TABLE idempotency (
    tenant        TEXT    NOT NULL,
    user          TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    fingerprint   BLOB    NOT NULL,
    answer        TEXT    NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, user, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (expires_at_ms);

-- The next counter that no process has leased, and the fingerprint of the key that turns counters into codes.
CREATE TABLE code_space (
    id              INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    next_counter    INTEGER NOT NULL,
    key_fingerprint TEXT
);
INSERT INTO code_space (id, next_counter) VALUES (1, 0);
