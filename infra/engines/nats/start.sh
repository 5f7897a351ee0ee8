#!/usr/bin/env bash
# start.sh DIR PORT: NATS with JetStream on loopback in the foreground; every acknowledged message is synced.
set -euo pipefail
# shellcheck source=../find.sh
. "$(dirname "$0")/../find.sh"
settings=$(cd "$(dirname "$0")" && pwd)/nats.conf
find_program nats-server "$tools/nats/bin" || missing nats "no nats-server"
found "$1" "$program"
dir=$(cd "$1" && pwd) port=$2
exec "$program" --config "$settings" --addr 127.0.0.1 --port "$port" --jetstream --store_dir "$dir/data"
