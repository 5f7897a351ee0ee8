-- Where a tenant's links may lead, all of it in one row: it is read and replaced whole, over the revision it was made from.
CREATE TABLE domain_rules (
    tenant   TEXT    NOT NULL PRIMARY KEY,
    rules    TEXT    NOT NULL,
    revision INTEGER NOT NULL
) WITHOUT ROWID;
