-- Statistics: what was made of the stream of visits. `link_id` 0 is the whole tenant, `day` 0 is all time (else days since 1970), and
-- `lane` the partition it comes from. The larger `through` wins.
CREATE TABLE statistics_pages (
    tenant  TEXT    NOT NULL,
    link_id INTEGER NOT NULL,
    day     INTEGER NOT NULL,
    lane    INTEGER NOT NULL,
    through INTEGER NOT NULL,
    body    BLOB    NOT NULL,
    UNIQUE (tenant, link_id, day, lane)
);
CREATE INDEX statistics_pages_by_age ON statistics_pages (day) WHERE day > 0;

-- How far each lane is.
CREATE TABLE statistics_heads (
    partition INTEGER NOT NULL,
    lane      INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    body      BLOB    NOT NULL,
    PRIMARY KEY (partition, lane DESC)
) WITHOUT ROWID;

-- The key of each day's pseudonyms, for as long as they are made.
CREATE TABLE visitor_keys (
    day INTEGER NOT NULL PRIMARY KEY,
    key BLOB    NOT NULL
);
