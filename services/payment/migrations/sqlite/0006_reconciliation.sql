-- What the ledger moved for payments, as the processor's settlement should have it; written with the step that moved it.
CREATE TABLE movement (
  reference TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  tenant TEXT NOT NULL,
  payment_id INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  currency TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX movement_time ON movement (at_ms, reference);

-- The processor's settlements as they were read.
CREATE TABLE settlement_line (
  day TEXT NOT NULL,
  place INTEGER NOT NULL,
  charge_id TEXT NOT NULL,
  reference TEXT NOT NULL,
  kind TEXT NOT NULL,
  amount INTEGER NOT NULL,
  currency TEXT NOT NULL,
  PRIMARY KEY (day, place)
) STRICT;
CREATE INDEX settlement_line_reference ON settlement_line (reference, day);

-- A day that was judged.
CREATE TABLE reconciliation (
  day TEXT NOT NULL PRIMARY KEY,
  lines INTEGER NOT NULL,
  fits INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  -- The writer's leadership: who reads the days in their order sees fences that only rise.
  fence INTEGER NOT NULL
) STRICT;

-- Each look of who leads, whether a day was due or not, under the fence that it led with; the newest are kept.
CREATE TABLE reconciliation_look (
  place INTEGER PRIMARY KEY AUTOINCREMENT,
  fence INTEGER NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;

-- Where settlement and ledger differ. It stays; what was done about it is recorded on it.
CREATE TABLE reconciliation_break (
  tenant TEXT NOT NULL,
  id INTEGER NOT NULL,
  day TEXT NOT NULL,
  kind TEXT NOT NULL,
  movement TEXT NOT NULL,
  reference TEXT NOT NULL,
  charge_id TEXT,
  payment_id INTEGER,
  expected INTEGER,
  expected_currency TEXT,
  found INTEGER,
  found_currency TEXT,
  -- 0 open, 1 adjusted, 2 noted
  state INTEGER NOT NULL,
  note TEXT,
  -- set before the row of the ledger is posted, with what it is to be
  adjustment_id INTEGER,
  adjustment TEXT,
  resolved_at_ms INTEGER,
  PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX reconciliation_break_day ON reconciliation_break (day, tenant, id);
