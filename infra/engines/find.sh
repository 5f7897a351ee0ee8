# Sourced by each start.sh: where the engines' programs are, and how to run as somebody else than root.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# What `cargo xtask engines` unpacked because PATH had none.
tools=${ORRERY_ENGINES_TOOLS:-$here/../../target/engines/tools}

# missing ENGINE WHAT: status 69 says "not installed" to whoever started us.
missing() {
  echo "$1: $2; \`cargo xtask engines up\` installs it or says how" >&2
  exit 69
}

# found FIRST_ARGUMENT PROGRAM: `start.sh --found` asks no more than whether the program is there.
found() {
  [ "$1" != --found ] || { echo "$2"; exit 0; }
}

# find_program NAME [FOLDER..]: sets $program, from PATH, the folders, or the unpacked packages (with their libraries).
find_program() {
  local name=$1 folder libraries
  shift
  program=$(command -v "$name" || true)
  [ -x "$program" ] || program=
  for folder in "$@"; do
    [ -n "$program" ] || [ ! -x "$folder/$name" ] || program=$folder/$name
  done
  [ -z "$program" ] || return 0
  for folder in usr/bin usr/sbin "${@#/}"; do
    if [ -x "$tools/debian/$folder/$name" ]; then
      program=$tools/debian/$folder/$name
      libraries=$(echo "$tools"/debian/usr/lib/*-linux-gnu* "$tools"/debian/lib/*-linux-gnu* | tr ' ' ':')
      export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
      return 0
    fi
  done
  return 1
}
