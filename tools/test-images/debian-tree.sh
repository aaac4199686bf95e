#!/usr/bin/env bash
# Makes a directory tree with Debian, the server and the entry point, unless it is cached; prints its path.
#   debian-tree.sh mysql|mariadb
# Cached below HERMES_TEST_IMAGES, else the user's cache directory. Needs root, and debootstrap, which it installs.
set -euo pipefail
cd "$(dirname "$0")"
. ./servers.sh

kind=${1:?which server: mysql or mariadb}
image=$(server_image "$kind")
cache=${HERMES_TEST_IMAGES:-${XDG_CACHE_HOME:-$HOME/.cache}/hermes/test-images}
tree=$cache/${image/:/-}

say() { printf 'test-images: %s\n' "$1" >&2; }

install_debootstrap() {
  command -v debootstrap >/dev/null && return
  command -v apt-get >/dev/null || { say 'debootstrap is needed; install it.'; exit 69; }
  say 'installing debootstrap with apt-get …'
  local apt=(apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0)
  export DEBIAN_FRONTEND=noninteractive
  { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends debootstrap; } >&2
}

slim() { # TREE: without what only a person at a terminal needs
  rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* "$1"/var/log/* \
    "$1"/usr/share/{doc,man,locale,info,bug}
}

make_tree() { # TREE
  local log=$1.log
  say "unpacking $kind of Debian $(server_suite "$kind") into $tree (about a minute) …"
  debootstrap --variant=minbase --include="$(server_packages "$kind")" "$(server_suite "$kind")" "$1" \
    ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$log" 2>&1 || { tail -n 20 "$log" "$1"/debootstrap/debootstrap.log >&2; exit 69; }
  local version
  version=$(chroot "$1" "$(server_program "$kind")" --version)
  grep -q "$(server_version_pattern "$kind")" <<<"$version" || { say "$image cannot be built: Debian has $version"; exit 69; }
  slim "$1"
  install -m 755 docker-entrypoint.sh "$1/usr/local/bin/"
  chroot "$1" docker-entrypoint.sh prepare >>"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 70; }
}

mkdir -p "$cache"
# Two runs at once share one tree: the second waits for the first.
exec 9>"$tree.lock"
flock 9
if [ ! -d "$tree" ]; then
  [ "$(id -u)" = 0 ] || { say "building $image needs root."; exit 69; }
  install_debootstrap
  rm -rf "$tree.partial"
  make_tree "$tree.partial" 9>&-
  mv "$tree.partial" "$tree"
fi
echo "$tree"
