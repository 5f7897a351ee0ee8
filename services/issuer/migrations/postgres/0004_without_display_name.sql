-- The strongest lock first: taken after the rows', it could wait for somebody who waits for a row.
LOCK TABLE tenant IN ACCESS EXCLUSIVE MODE;
UPDATE tenant SET name = display_name;
ALTER TABLE tenant ALTER COLUMN name SET NOT NULL, DROP COLUMN display_name;
