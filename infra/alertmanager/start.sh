#!/usr/bin/env bash
# start.sh DIR PORT [WEBHOOK [GROUP_WAIT [GROUP_INTERVAL]]]: Alertmanager on loopback in the foreground, alone, its data
# below DIR. It tells WEBHOOK (http://127.0.0.1:9099/alerts) of pages and tickets, the first time after GROUP_WAIT (10s)
# and of changes every GROUP_INTERVAL (1m).
set -euo pipefail
# shellcheck source=../engines/find.sh
. "$(dirname "$0")/../engines/find.sh"
settings=$(cd "$(dirname "$0")" && pwd)/alertmanager.yaml
# Debian gives it a longer name.
find_program prometheus-alertmanager || find_program alertmanager || missing alertmanager "no alertmanager"
found "$1" "$program"
dir=$(cd "$1" && pwd) port=$2
webhook=${3:-http://127.0.0.1:9099/alerts} wait=${4:-10s} interval=${5:-1m}

yaml=$(<"$settings")
yaml=${yaml//url: http:\/\/127.0.0.1:9099\/alerts/"url: $webhook"}
yaml=${yaml//group_wait: 10s/group_wait: $wait}
yaml=${yaml//group_interval: 1m/group_interval: $interval}
echo "$yaml" >"$dir/alertmanager.yaml"

# No cluster: it is one, and would otherwise listen on every address.
exec "$program" --config.file="$dir/alertmanager.yaml" --storage.path="$dir/data" \
  --cluster.listen-address= --web.listen-address="127.0.0.1:$port" --log.level=warn
