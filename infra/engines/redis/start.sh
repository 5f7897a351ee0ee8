#!/usr/bin/env bash
# start.sh DIR PORT: Redis on loopback in the foreground; a cache, without persistence.
set -euo pipefail
# shellcheck source=../find.sh
. "$(dirname "$0")/../find.sh"
settings=$(cd "$(dirname "$0")" && pwd)/redis.conf
find_program redis-server || missing redis "no redis-server"
found "$1" "$program"
dir=$(cd "$1" && pwd) port=$2
exec "$program" "$settings" --port "$port" --bind 127.0.0.1 --dir "$dir" --daemonize no
