#!/usr/bin/env bash
# start.sh DIR PORT [ALERTMANAGER_PORT [PORT_BASES [INTERVAL [RULES]]]]: Prometheus on loopback in the foreground, its data
# below DIR. It scrapes the platforms at PORT_BASES (8080; several as 8080,8180) every INTERVAL (5s), evaluates RULES (the folder beside this file)
# as often, and tells the Alertmanager. SIGHUP makes it read rules and targets again.
set -euo pipefail
# shellcheck source=../engines/find.sh
. "$(dirname "$0")/../engines/find.sh"
settings=$(cd "$(dirname "$0")" && pwd)
find_program prometheus || missing prometheus "no prometheus"
found "$1" "$program"
dir=$(cd "$1" && pwd) port=$2
alertmanager=${3:-9093} bases=${4:-8080} interval=${5:-5s} rules=${6:-$settings/rules}

yaml=$(<"$settings/prometheus.yaml")
yaml=${yaml//_interval: 5s/_interval: $interval}
yaml=${yaml//127.0.0.1:9093/127.0.0.1:$alertmanager}
yaml=${yaml//'"rules/*.yaml"'/"\"$rules/*.yaml\""}
echo "$yaml" >"$dir/prometheus.yaml"
for base in ${bases//,/ }; do
  while IFS= read -r line; do
    if [[ $line =~ ^(.*127\.0\.0\.1:)([0-9]+)(.*)$ ]]; then
      line=${BASH_REMATCH[1]}$((BASH_REMATCH[2] - 8080 + base))${BASH_REMATCH[3]}
    fi
    echo "$line"
  done <"$settings/targets.yaml"
done >"$dir/targets.yaml"

exec "$program" --config.file="$dir/prometheus.yaml" --storage.tsdb.path="$dir/data" \
  --storage.tsdb.retention.time=35d --storage.tsdb.retention.size=1GB \
  --enable-feature=exemplar-storage --web.listen-address="127.0.0.1:$port" --log.level=warn
