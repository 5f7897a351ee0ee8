-- What people call a tenant, by the word that clients have for it. Not to be read before step 4: older programs write
-- `display_name` alone.
ALTER TABLE tenant ADD COLUMN name TEXT;
