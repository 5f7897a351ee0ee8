-- `permanent` stands in a CHECK, which no ALTER TABLE changes: the table is made anew.
CREATE TABLE links_without_permanent (
    code            TEXT    NOT NULL PRIMARY KEY,
    id              INTEGER NOT NULL,
    tenant          TEXT    NOT NULL,
    url             TEXT    NOT NULL,
    redirect_status INTEGER NOT NULL CHECK (redirect_status IN (301, 302)),
    expires_at_ms   INTEGER,
    tags            TEXT    NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    updated_at_ms   INTEGER NOT NULL,
    revision        INTEGER NOT NULL,
    CHECK (redirect_status = 302 OR expires_at_ms IS NULL)
) WITHOUT ROWID;

INSERT INTO links_without_permanent
    (code, id, tenant, url, redirect_status, expires_at_ms, tags, created_at_ms, updated_at_ms, revision)
SELECT code, id, tenant, url, iif(permanent, 301, 302), expires_at_ms, tags, created_at_ms, updated_at_ms, revision FROM links;

DROP TABLE links;
ALTER TABLE links_without_permanent RENAME TO links;
