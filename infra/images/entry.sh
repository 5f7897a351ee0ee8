#!/usr/bin/env bash
# entry.sh postgres|redis|nats|cql: the engine in the foreground on every address, its data below /data, with the settings of
# infra/engines. Nothing outside /data and /tmp is written: the root of the image may be read-only.
set -euo pipefail
settings=/orrery/infra/engines/$1
umask 077

# What a shell may write into an engine's settings unquoted, as `openssl rand -hex` makes them.
password() {
  [[ ${!1:-} =~ ^[A-Za-z0-9]{16,}$ ]] || { echo "$1 must be set to 16 or more letters and digits" >&2; exit 64; }
  printf %s "${!1}"
}

postgres() {
  local bin=/usr/lib/postgresql/15/bin cluster=/data/cluster
  if [ ! -d "$cluster" ]; then
    # Made aside and moved: a start that was killed half-way leaves nothing that looks finished.
    rm -rf /data/making
    password POSTGRES_PASSWORD >/tmp/password
    "$bin/initdb" --pgdata=/data/making --username=orrery --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-instructions
    rm /tmp/password
    echo 'host all all all scram-sha-256' >>/data/making/pg_hba.conf
    echo 'CREATE DATABASE orrery' | "$bin/postgres" --single -D /data/making postgres
    mv /data/making "$cluster"
  fi
  # The lock of a pod that was killed names a process of that pod.
  rm -f "$cluster/postmaster.pid"
  exec "$bin/postgres" -D "$cluster" -c config_file="$settings/postgresql.conf" -c hba_file="$cluster/pg_hba.conf" \
    -c listen_addresses='*' -c port=5432 -c unix_socket_directories= -c dynamic_shared_memory_type=mmap
}

redis() {
  # By standard input, so that the password stands in no list of processes.
  local conf
  conf=$(cat "$settings/redis.conf"; printf 'requirepass %s\nbind 0.0.0.0\nport 6379\ndir /data\n' "$(password REDIS_PASSWORD)")
  exec redis-server - <<<"$conf"
}

nats() {
  { cat "$settings/nats.conf"; printf 'authorization { user: orrery, password: "%s" }\n' "$(password NATS_PASSWORD)"; } >/tmp/nats.conf
  exec nats-server --config /tmp/nats.conf --addr 0.0.0.0 --port 4222 --jetstream --store_dir /data/jetstream
}

# Cassandra is reached by the one address that it tells its clients.
cql() {
  exec "$settings/start.sh" /data 9042 "${POD_IP:?the address that clients reach it by}"
}

"$1"
