#!/usr/bin/env bash
# base.sh NAME: a Debian 12 as a local image NAME, from Debian's packages by debootstrap, where no image registry can be reached. Root only.
set -euo pipefail
name=$1
command -v debootstrap >/dev/null || { echo 'debootstrap is missing: sudo apt-get install debootstrap' >&2; exit 69; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase --include=ca-certificates bookworm "$folder/root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >&2
# Whom this machine trusts, the image trusts too: where packages come through a proxy, its certificate is among them.
cp -r /usr/local/share/ca-certificates "$folder/root/usr/local/share/"
chroot "$folder/root" update-ca-certificates >&2
rm -rf "$folder"/root/var/cache/apt/archives/*.deb "$folder"/root/var/lib/apt/lists/*
tar -C "$folder/root" --numeric-owner -c . | docker import --change 'CMD ["bash"]' - "$name"
