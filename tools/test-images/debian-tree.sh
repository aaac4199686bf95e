#!/usr/bin/env bash
# Makes a directory tree with Debian, the server and the entry point, unless it is cached; prints its path.
#   debian-tree.sh mysql|mariadb|kafka|node
# Cached below HERMES_TEST_IMAGES, else the user's cache directory. Needs root, and debootstrap, which it installs.
set -euo pipefail
cd "$(dirname "$0")"
. ./servers.sh

kind=${1:?which image: mysql, mariadb, kafka or node}
image=$(server_image "$kind")
cache=${HERMES_TEST_IMAGES:-${XDG_CACHE_HOME:-$HOME/.cache}/hermes/test-images}
tree=$cache/${image//[:\/]/-}

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

# Node as it runs here, with npm, and the headers that native modules compile against, if they are there. A network that
# inspects what passes has an authority of its own, which this machine trusts: so does the image.
add_node() { # TREE
  local prefix npm
  prefix=$(dirname "$(dirname "$(node -p 'process.execPath')")")
  npm=$(realpath "$(command -v npm)")
  npm=${npm%/bin/npm-cli.js}
  mkdir -p "$1"/usr/local/{bin,include,lib/node_modules}
  cp "$(node -p 'process.execPath')" "$1/usr/local/bin/node"
  cp -r "$npm" "$1/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$1/usr/local/bin/npx"
  [ ! -d "$prefix/include/node" ] || cp -r "$prefix/include/node" "$1/usr/local/include/node"
  [ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
}

# The jars, where the official image has them, too.
add_kafka() { # TREE
  mkdir -p "$1/opt/kafka/libs"
  cp "$(./kafka-jars.sh)"/*.jar "$1/opt/kafka/libs/"
}

# The server's entry point, and an empty data directory that is initialised.
add_entrypoint() { # TREE
  install -m 755 docker-entrypoint.sh "$1/usr/local/bin/"
  chroot "$1" docker-entrypoint.sh prepare >>"$1.log" 2>&1 || { tail -n 20 "$1.log" >&2; exit 70; }
}

# Java finds itself through /proc, which the tree has not: its package says what came.
version_in() { # TREE
  case $kind in
    kafka) chroot "$1" dpkg-query --show "$(server_packages kafka)" ;;
    *) chroot "$1" "$(server_program "$kind")" --version ;;
  esac
}

make_tree() { # TREE
  local log=$1.log
  say "unpacking $kind of Debian $(server_suite "$kind") into $tree (about a minute) …"
  debootstrap --variant=minbase --include="$(server_packages "$kind")" "$(server_suite "$kind")" "$1" \
    ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$log" 2>&1 || { tail -n 20 "$log" "$1"/debootstrap/debootstrap.log >&2; exit 69; }
  [ "$kind" != node ] || add_node "$1"
  local version
  version=$(version_in "$1")
  grep -q "$(server_version_pattern "$kind")" <<<"$version" || { say "$image cannot be built: what came is $version"; exit 69; }
  slim "$1"
  case $kind in
    kafka) add_kafka "$1" ;;
    mysql | mariadb) add_entrypoint "$1" ;;
  esac
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
