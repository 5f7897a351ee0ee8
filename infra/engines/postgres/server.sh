# Sourced by the scripts beside it, with the server's folder (or --programs) as $1: sets $bin (its programs), $run (how to run as whom it runs as),
# $data (where its data stands) and $cluster; `serve PORT [OPTION..]` becomes the server.
# shellcheck shell=bash
# shellcheck source=../find.sh
. "$(dirname "${BASH_SOURCE[0]}")/../find.sh"
settings=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/postgresql.conf

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

# Who only asks for the programs has no folder.
[ "$1" != --programs ] || return 0
found "$1" "$program"
dir=$(cd "$1" && pwd)

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
# Whoever does not run as root says nothing special.
as_server() { "${run[@]}" "$@"; }

# serve PORT [OPTION..]: never returns.
serve() {
  local port=$1 former
  shift
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
    -c listen_addresses=127.0.0.1 -c port="$port" -c unix_socket_directories= "$@"
}
