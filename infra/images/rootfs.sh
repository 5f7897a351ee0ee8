#!/usr/bin/env bash
# rootfs.sh PROGRAM DIR: what an image of the program has to hold, in DIR/rootfs and DIR/own: the program without its symbols, the
# libraries that it loads, the name of the user that it runs as, and (apart, for it has another owner) that user's folder.
set -euo pipefail
program=$1 rootfs=$2/rootfs own=$2/own
rm -rf "$rootfs" "$own"
mkdir -p "$rootfs/etc" "$rootfs/tmp" "$own/data"
chmod 1777 "$rootfs/tmp"
install -m 0755 "$program" "$rootfs/orrery"
strip --strip-all "$rootfs/orrery"
# "name => path (address)", and the loader, which has a path alone.
ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
  install -D -m 0755 "$(readlink -f "$library")" "$rootfs$library"
done
echo 'orrery:x:65532:65532::/data:/sbin/nologin' >"$rootfs/etc/passwd"
echo 'orrery:x:65532:' >"$rootfs/etc/group"
echo 'hosts: files dns' >"$rootfs/etc/nsswitch.conf"
chmod 0700 "$own/data"
du -sh "$2" | sed 's/^/rootfs.sh: /' >&2
