-- How a link redirects, 301 or 302, as HTTP says it. Not to be read before step 3: older programs write `permanent` alone.
ALTER TABLE links ADD COLUMN redirect_status INTEGER;
