#!/usr/bin/env bash
# start.sh DIR PORT: PostgreSQL on loopback in the foreground, its data below DIR, with everything durable.
# It refuses to run as root: then it runs as the user `postgres`, and where that user cannot reach DIR
# the data stands below /var/tmp and DIR/data points there.
set -euo pipefail
# shellcheck source=../find.sh
. "$(dirname "$0")/../find.sh"
settings=$(cd "$(dirname "$0")" && pwd)/postgresql.conf

# The server of every Debian release; the newest first.
mapfile -t versions < <(printf '%s\n' /usr/lib/postgresql/*/bin "$tools"/debian/usr/lib/postgresql/*/bin | sort -rV)
folders=("${versions[@]#"$tools/debian"}")
# Debian's own folder before PATH: a wrapper on PATH may change the user or the arguments.
program=
for folder in "${versions[@]}"; do
  case $folder in "$tools"/*) continue ;; esac
  [ -n "$program" ] || [ ! -x "$folder/postgres" ] || program=$folder/postgres
done
[ -n "$program" ] || find_program postgres "${folders[@]}" || missing postgres "no postgres"
bin=$(dirname "$(readlink -f "$program")")
[ -x "$bin/initdb" ] || missing postgres "no initdb beside $program"
[ "$(id -u)" != 0 ] || id postgres >/dev/null 2>&1 || missing postgres "no user named postgres, and it refuses to run as root"

found "$1" "$program"
dir=$(cd "$1" && pwd) port=$2

run=()
data=$dir/data
if [ "$(id -u)" = 0 ]; then
  run=(setpriv --reuid postgres --regid "$(id -g postgres)" --init-groups)
  if ! "${run[@]}" test -x "$dir"; then
    elsewhere=/var/tmp/orrery-$(printf %s "$dir" | cksum | cut -d' ' -f1)
    echo "the user postgres cannot reach $dir: the data stands in $elsewhere"
    # Nobody else's link may stand where root is about to change owners.
    [ ! -L "$elsewhere" ] || { echo "$elsewhere is a link" >&2; exit 1; }
    mkdir -p "$elsewhere"
    chown postgres: "$elsewhere"
    chmod 0700 "$elsewhere"
    ln -sfn "$elsewhere" "$data"
    data=$elsewhere
  fi
  mkdir -p "$data"
  chown postgres: "$data"
  chmod 0700 "$data"
  cd "$data"
else
  mkdir -p "$data"
  chmod 0700 "$data"
fi

cluster=$data/cluster
if [ ! -d "$cluster" ]; then
  # Made aside and moved: a start that was killed half-way leaves nothing that looks finished.
  rm -rf "$data/making"
  "${run[@]}" "$bin/initdb" --pgdata="$data/making" --username=orrery --auth=trust --encoding=UTF8 --locale=C --no-instructions
  echo 'CREATE DATABASE orrery' | "${run[@]}" "$bin/postgres" --single -D "$data/making" postgres
  mv "$data/making" "$cluster"
fi

# One that was killed a moment ago may not have been collected by its parent yet, and looks alive to the next.
former=$(head -n 1 "$cluster/postmaster.pid" 2>/dev/null || true)
for _ in $(seq 100); do
  [ -n "$former" ] && grep -qs '^State:[[:space:]]*Z' "/proc/$former/status" || break
  sleep 0.1
done

# A copy, since the user postgres may not be able to read the checkout.
cp "$settings" "$cluster/orrery.conf"
chmod 0644 "$cluster/orrery.conf"
exec "${run[@]}" "$bin/postgres" -D "$cluster" -c config_file="$cluster/orrery.conf" \
  -c listen_addresses=127.0.0.1 -c port="$port" -c unix_socket_directories=
