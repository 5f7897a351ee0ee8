#!/bin/sh
# Whether PostgreSQL takes connections; while it recovers it does not. No password is needed to ask.
exec /usr/lib/postgresql/15/bin/pg_isready --quiet --host 127.0.0.1 --port 5432
