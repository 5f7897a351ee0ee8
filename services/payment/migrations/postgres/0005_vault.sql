-- What is kept encrypted: keys wrapped by keys, and details sealed by the innermost.
CREATE TABLE vault_master (
    -- One row: the fingerprint of the master key, which itself is never here.
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    fingerprint text NOT NULL
);

-- A tenant's keys, wrapped by the master key. The newest wraps what is new; older ones stay until nothing is wrapped by them.
CREATE TABLE vault_tenant_key (
    tenant text NOT NULL,
    version integer NOT NULL,
    wrapped bytea NOT NULL,
    created_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, version)
);

-- A person's key, wrapped by a key of the tenant. NULL: erased.
CREATE TABLE vault_person (
    tenant text NOT NULL,
    person text NOT NULL,
    tenant_version integer NOT NULL,
    -- Counts the keys that the person has had.
    generation integer NOT NULL,
    wrapped bytea,
    created_at_ms bigint NOT NULL,
    erased_at_ms bigint,
    PRIMARY KEY (tenant, person),
    CHECK ((wrapped IS NULL) = (erased_at_ms IS NOT NULL))
);
CREATE INDEX vault_person_version ON vault_person (tenant, tenant_version) WHERE wrapped IS NOT NULL;

-- What is known of a person, sealed by the person's key.
CREATE TABLE vault_record (
    tenant text NOT NULL,
    person text NOT NULL,
    name text NOT NULL,
    generation integer NOT NULL,
    sealed bytea NOT NULL,
    created_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, person, name)
);

-- While fewer are overwritten than marked, keys that were dropped or replaced may still stand in the files of the database. Both only grow.
CREATE TABLE vault_trace (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    marks bigint NOT NULL,
    overwritten bigint NOT NULL DEFAULT 0,
    -- The newest transaction that marked: what it dropped stays in the files as long as anybody older may read it.
    dropped_by bigint NOT NULL DEFAULT 0
);
INSERT INTO vault_trace (marks) VALUES (0);

-- The service rids the files of it by writing these tables anew. Before version 17 only their owner could.
DO $$
BEGIN
  IF current_setting('server_version_num')::INT >= 170000 AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'orrery_payment') THEN
    EXECUTE 'GRANT MAINTAIN ON vault_tenant_key, vault_person, vault_record TO orrery_payment';
  END IF;
END $$;
