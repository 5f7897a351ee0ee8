#!/usr/bin/env bash
# restore.sh BACKUP ARCHIVE DIR PORT [MOMENT]: brings BACKUP (backup.sh) and the log in ARCHIVE back as a PostgreSQL of its own with its data
# below DIR, which must be empty, as it was at MOMENT (e.g. 2026-11-22 17:00:00+00; without one: to the end of the log), and serves it
# at PORT in the foreground. The backup and the archive are only read.
set -euo pipefail
backup=$(realpath "$1") archive=$(realpath "$2") port=$4 moment=${5:-}
mkdir -p "$3"
# shellcheck source=server.sh
. "$(dirname "$0")/server.sh" "$3"
[ ! -e "$cluster" ] || { echo "$cluster is there already: a restore never overwrites data" >&2; exit 1; }
cp -a "$backup" "$data/making"
[ "$(id -u)" != 0 ] || chown -R postgres: "$data/making"
chmod 0700 "$data/making"
rm -f "$data/making/postmaster.pid"
{
  echo "restore_command = 'cp \"$archive/%f\" \"%p\"'"
  echo "recovery_target_action = 'promote'"
  [ -z "$moment" ] || echo "recovery_target_time = '$moment'"
} >>"$data/making/postgresql.auto.conf"
sed -i '/^synchronous_standby_names/d' "$data/making/postgresql.auto.conf"
touch "$data/making/recovery.signal"
[ "$(id -u)" != 0 ] || chown postgres: "$data/making/recovery.signal"
mv "$data/making" "$cluster"
serve "$port"
