#!/usr/bin/env bash
# backup.sh PORT FOLDER: a verified base backup of the running PostgreSQL at PORT into FOLDER, which must not exist. With the archived log
# since (ORRERY_PG_ARCHIVE of start.sh) it is what restore.sh brings back to any moment after it.
set -euo pipefail
port=$1 out=$(realpath -m "$2")
# shellcheck source=server.sh
. "$(dirname "$0")/server.sh" --programs
[ ! -e "$out" ] || { echo "$out is there already: a backup never overwrites one" >&2; exit 1; }
mkdir -p "$(dirname "$out")"
"$bin/pg_basebackup" -h 127.0.0.1 -p "$port" -U orrery -D "$out" -X stream --checkpoint=fast --no-password
"$bin/pg_verifybackup" --quiet "$out"
echo "backed up to $out"
