#!/usr/bin/env bash
# start.sh DIR PORT [IP [STORAGE_PORT [SEEDS [TOKEN]]]]: Apache Cassandra in the foreground, its data below DIR.
# The commit log is synced before a write is acknowledged: the default loses acknowledged writes on a kill.
set -euo pipefail
# shellcheck source=../find.sh
. "$(dirname "$0")/../find.sh"
settings=$(cd "$(dirname "$0")" && pwd)
[ -e "$tools/cql/lib" ] || missing cql "no Cassandra in $tools/cql/lib"
java=
for candidate in "$(command -v java || true)" /usr/lib/jvm/java-17-*/bin/java "$tools"/debian/usr/lib/jvm/java-17-*/bin/java; do
  [ -z "$java" ] && [ -x "$candidate" ] || continue
  case $("$candidate" -version 2>&1) in *'version "17'*) java=$candidate ;; esac
done
[ -n "$java" ] || missing cql "no Java 17"
found "$1" "$java"
dir=$(cd "$1" && pwd) port=$2 ip=${3:-127.0.0.1}
storage=${4:-$((port + 1))}
seeds=${5:-$ip:$storage} token=${6:-}

yaml=$(<"$settings/cassandra.yaml.in")
yaml=${yaml//@DIR@/$dir}
yaml=${yaml//@IP@/$ip}
yaml=${yaml//@PORT@/$port}
yaml=${yaml//@STORAGE_PORT@/$storage}
yaml=${yaml//@SEEDS@/$seeds}
yaml=${yaml//@TOKEN@/${token:+"initial_token: \"$token\""}}
echo "$yaml" >"$dir/cassandra.yaml"
mkdir -p "$dir/data" "$dir/tmp"

# Several nodes gossip before they serve, and get less memory each.
heap=512M direct=256M ring=1000
[ "$seeds" = "$ip:$storage" ] || heap=400M direct=128M ring=15000
export MALLOC_ARENA_MAX=2
exec "$java" @"$settings/jvm17.args" -Xms64M "-Xmx$heap" "-XX:MaxDirectMemorySize=$direct" \
  "-Dcassandra.ring_delay_ms=$ring" \
  "-Dcassandra.config=file://$dir/cassandra.yaml" "-Dcassandra.storagedir=$dir/data" "-Dcassandra.logdir=$dir" \
  "-Dlogback.configurationFile=$settings/logback.xml" "-Djava.io.tmpdir=$dir/tmp" \
  -cp "$tools/cql/lib/*" org.apache.cassandra.service.CassandraDaemon
