#!/usr/bin/env bash
# standby.sh DIR PORT PRIMARY_PORT: a synchronous standby of the PostgreSQL at PRIMARY_PORT on this machine, in the foreground: a copy of
# it, made at the first start, that follows its log. As soon as it streams, the primary waits for it with every commit: what is acknowledged is on two
# disks. It takes over by `SELECT pg_promote()`. While it is away the primary's commits wait; `ALTER SYSTEM RESET
# synchronous_standby_names; SELECT pg_reload_conf()` at the primary is the decision to go on without it.
set -euo pipefail
# shellcheck source=server.sh
. "$(dirname "$0")/server.sh"
primary=$3
sql() { "$bin/psql" -h 127.0.0.1 -p "$primary" -U orrery -d postgres -qAtX -c "$1"; }

if [ ! -d "$cluster" ]; then
  rm -rf "$data/making"
  # What a standby before this one left would keep the primary's log for ever.
  sql "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'orrery_standby' AND NOT active" >/dev/null
  as_server "$bin/pg_basebackup" -d "host=127.0.0.1 port=$primary user=orrery application_name=orrery_standby" -D "$data/making" \
    -X stream -R -C -S orrery_standby --checkpoint=fast --no-password
  mv "$data/making" "$cluster"
fi
# Once promoted it has no standby of its own, and must not wait for one.
sed -i '/^synchronous_standby_names/d' "$cluster/postgresql.auto.conf"

announce() {
  local tries
  for tries in $(seq 600); do
    if [ "$(sql "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'orrery_standby' AND state = 'streaming'" 2>/dev/null)" = 1 ]; then
      sql "ALTER SYSTEM SET synchronous_standby_names = 'orrery_standby'"
      sql "SELECT pg_reload_conf()" >/dev/null
      echo "the primary waits for this standby"
      return
    fi
    sleep 0.1
  done
  echo "the primary at port $primary does not see this standby stream: it does not wait for it" >&2
}
# Twice aside: the server would wonder about a child that it does not know.
(announce &)
serve "$2" -c hot_standby=on
