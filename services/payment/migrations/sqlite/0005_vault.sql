-- What is kept encrypted: keys wrapped by keys, and details sealed by the innermost.
CREATE TABLE vault_master (
    -- One row: the fingerprint of the master key, which itself is never here.
    one INTEGER PRIMARY KEY CHECK (one = 1),
    fingerprint TEXT NOT NULL
) STRICT;

-- A tenant's keys, wrapped by the master key. The newest wraps what is new; older ones stay until nothing is wrapped by them.
CREATE TABLE vault_tenant_key (
    tenant TEXT NOT NULL,
    version INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, version)
) STRICT, WITHOUT ROWID;

-- A person's key, wrapped by a key of the tenant. NULL: erased.
CREATE TABLE vault_person (
    tenant TEXT NOT NULL,
    person TEXT NOT NULL,
    tenant_version INTEGER NOT NULL,
    -- Counts the keys that the person has had.
    generation INTEGER NOT NULL,
    wrapped BLOB,
    created_at_ms INTEGER NOT NULL,
    erased_at_ms INTEGER,
    PRIMARY KEY (tenant, person),
    CHECK ((wrapped IS NULL) = (erased_at_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX vault_person_version ON vault_person (tenant, tenant_version) WHERE wrapped IS NOT NULL;

-- What is known of a person, sealed by the person's key.
CREATE TABLE vault_record (
    tenant TEXT NOT NULL,
    person TEXT NOT NULL,
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, person, name)
) STRICT, WITHOUT ROWID;

-- While fewer are overwritten than marked, keys that were dropped or replaced may still stand in the files of the database. Both only grow.
CREATE TABLE vault_trace (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    marks INTEGER NOT NULL,
    overwritten INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO vault_trace (one, marks) VALUES (1, 0);
