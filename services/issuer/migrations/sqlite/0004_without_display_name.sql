-- The column stays nullable, for no ALTER TABLE changes that, and other tables refer to this one; every row has it.
UPDATE tenant SET name = display_name;
ALTER TABLE tenant DROP COLUMN display_name;
