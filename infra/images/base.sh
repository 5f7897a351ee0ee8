#!/usr/bin/env bash
# base.sh NAME [--rust]: a Debian 12 as a local image NAME, from Debian's packages by debootstrap, where no image registry can be reached. With
# --rust it has a C compiler and this machine's Rust too, and does for BUILD_IMAGE of infra/Dockerfile. Root only.
set -euo pipefail
name=$1 packages=ca-certificates
[ "${2:-}" != --rust ] || packages=$packages,gcc,g++,libc6-dev,binutils,make,cmake
command -v debootstrap >/dev/null || { echo 'debootstrap is missing: sudo apt-get install debootstrap' >&2; exit 69; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
root=$folder/root
debootstrap --variant=minbase "--include=$packages" bookworm "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >&2
# Whom this machine trusts, the image trusts too: where packages come through a proxy, its certificate is among them.
cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
chroot "$root" update-ca-certificates >&2
if [ "${2:-}" = --rust ]; then
  sysroot=$(rustc --print sysroot)
  cp -r "$sysroot/bin" "$sysroot/lib" "$root/usr/local/"
fi
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar -C "$root" --numeric-owner -c . | docker import --change 'CMD ["bash"]' - "$name"
