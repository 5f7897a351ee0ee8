#!/usr/bin/env bash
# start.sh DIR PORT: PostgreSQL on loopback in the foreground, its data below DIR, with everything durable.
# It refuses to run as root: then it runs as the user `postgres`, and where that user cannot reach DIR
# the data stands below /var/tmp and DIR/data points there. With ORRERY_PG_ARCHIVE=FOLDER it keeps every finished piece of its log there,
# which a restore to a moment needs (docs/backup.md).
set -euo pipefail
# shellcheck source=server.sh
. "$(dirname "$0")/server.sh"

if [ ! -d "$cluster" ]; then
  # Made aside and moved: a start that was killed half-way leaves nothing that looks finished.
  rm -rf "$data/making"
  as_server "$bin/initdb" --pgdata="$data/making" --username=orrery --auth=trust --encoding=UTF8 --locale=C --no-instructions
  echo 'CREATE DATABASE orrery' | as_server "$bin/postgres" --single -D "$data/making" postgres
  mv "$data/making" "$cluster"
fi
# A standby announces itself when it streams (standby.sh): until then nobody waits for one that may never come.
sed -i '/^synchronous_standby_names/d' "$cluster/postgresql.auto.conf"

archive=()
if [ -n "${ORRERY_PG_ARCHIVE:-}" ]; then
  archive=(-c archive_mode=on -c archive_timeout=60
    -c archive_command="test ! -f '$ORRERY_PG_ARCHIVE/%f' && cp '%p' '$ORRERY_PG_ARCHIVE/%f.part' && sync '$ORRERY_PG_ARCHIVE/%f.part' && mv '$ORRERY_PG_ARCHIVE/%f.part' '$ORRERY_PG_ARCHIVE/%f'")
fi
serve "$2" "${archive[@]}"
