-- How often links with a cap may still be followed, and which process may: see the port's words. Old programs know no caps.
CREATE TABLE click_slots (
    tenant  TEXT    NOT NULL,
    link_id INTEGER NOT NULL,
    ledger  TEXT    NOT NULL,
    PRIMARY KEY (tenant, link_id)
) WITHOUT ROWID;
