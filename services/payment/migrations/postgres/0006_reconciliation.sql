-- What the ledger moved for payments, as the processor's settlement should have it; written with the step that moved it.
CREATE TABLE movement (
  reference TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  tenant TEXT COLLATE "C" NOT NULL,
  payment_id BIGINT NOT NULL,
  amount BIGINT NOT NULL,
  currency TEXT NOT NULL,
  at_ms BIGINT NOT NULL
);
CREATE INDEX movement_time ON movement (at_ms, reference);

-- The processor's settlements as they were read.
CREATE TABLE settlement_line (
  day TEXT COLLATE "C" NOT NULL,
  place BIGINT NOT NULL,
  charge_id TEXT NOT NULL,
  reference TEXT COLLATE "C" NOT NULL,
  kind TEXT NOT NULL,
  amount BIGINT NOT NULL,
  currency TEXT NOT NULL,
  PRIMARY KEY (day, place)
);
CREATE INDEX settlement_line_reference ON settlement_line (reference, day);

-- A day that was judged.
CREATE TABLE reconciliation (
  day TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  lines BIGINT NOT NULL,
  fits BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  -- The writer's leadership: who reads the days in their order sees fences that only rise.
  fence BIGINT NOT NULL
);

-- Each look of who leads, whether a day was due or not, under the fence that it led with; the newest are kept.
CREATE TABLE reconciliation_look (
  place BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  fence BIGINT NOT NULL,
  at_ms BIGINT NOT NULL
);

-- Where settlement and ledger differ. It stays; what was done about it is recorded on it.
CREATE TABLE reconciliation_break (
  tenant TEXT COLLATE "C" NOT NULL,
  id BIGINT NOT NULL,
  day TEXT COLLATE "C" NOT NULL,
  kind TEXT NOT NULL,
  movement TEXT NOT NULL,
  reference TEXT NOT NULL,
  charge_id TEXT,
  payment_id BIGINT,
  expected BIGINT,
  expected_currency TEXT,
  found BIGINT,
  found_currency TEXT,
  -- 0 open, 1 adjusted, 2 noted
  state SMALLINT NOT NULL,
  note TEXT,
  -- set before the row of the ledger is posted, with what it is to be
  adjustment_id BIGINT,
  adjustment TEXT,
  resolved_at_ms BIGINT,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX reconciliation_break_day ON reconciliation_break (day, tenant, id);

-- What every process reads at its start, and the row that tells whether the database can be written. The tables are there before the first
-- step, and so not among those that the first step speaks for.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'orrery_payment') THEN
    IF to_regclass('_sqlx_migrations') IS NOT NULL THEN
      GRANT SELECT ON _sqlx_migrations TO orrery_payment;
    END IF;
    IF to_regclass('sql_schema') IS NOT NULL THEN
      GRANT SELECT ON sql_schema TO orrery_payment;
    END IF;
    IF to_regclass('sql_health') IS NOT NULL THEN
      GRANT SELECT, INSERT, UPDATE ON sql_health TO orrery_payment;
    END IF;
  END IF;
END $$;
