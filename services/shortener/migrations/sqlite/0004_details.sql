-- What is only ever read with the whole link, as JSON. A link of an older program has none.
ALTER TABLE links ADD COLUMN details TEXT;
