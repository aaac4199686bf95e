#!/usr/bin/env bash
# Prints the command of Docker Compose 2, by which tests start what deploy/compose.yaml describes: the plugin of `docker`
# if it is there, else a program of its own from a Debian package (Debian 12 has version 1, which reads another format).
# It is cached below HERMES_TEST_IMAGES, else the user's cache directory; nothing is installed. Taking it needs apt-get.
set -euo pipefail

SUITE=trixie
PACKAGE=docker-compose
PROGRAM=usr/libexec/docker/cli-plugins/docker-compose
cache=${HERMES_TEST_IMAGES:-${XDG_CACHE_HOME:-$HOME/.cache}/hermes/test-images}

say() { printf 'test-images: %s\n' "$1" >&2; }

# The system's own package lists and sources stay as they are.
apt_elsewhere() { # DIRECTORY ARGUMENTS…
  local root=$1
  shift
  apt-get -qq -o Dir::Etc::SourceList="$root/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$root/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o APT::Sandbox::User=root "$@"
}

take_package() { # DIRECTORY: unpacks the package there
  mkdir -p "$1/lists/partial" "$1/tree"
  # The mirror that this system has its own packages from, unless DEBIAN_MIRROR names one.
  local mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed -n 1p)}
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $SUITE main" \
    >"$1/sources.list"
  apt_elsewhere "$1" update >&2
  (cd "$1" && apt_elsewhere "$1" download "$PACKAGE" >&2)
  dpkg-deb -x "$1"/"$PACKAGE"_*.deb "$1/tree"
  "$1/tree/$PROGRAM" version >&2
}

if docker compose version >/dev/null 2>&1; then
  echo docker compose
  exit
fi
if [ ! -x "$cache/docker-compose" ]; then
  command -v apt-get >/dev/null || { say 'Docker Compose 2 is needed; install it.'; exit 69; }
  say "taking Docker Compose 2 from Debian's $SUITE …"
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/docker-compose.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  take_package "$work" || { say "$PACKAGE of $SUITE cannot be had or does not run here; install Docker Compose 2, or name a mirror in DEBIAN_MIRROR."; exit 69; }
  mv "$work/tree/$PROGRAM" "$cache/docker-compose"
fi
echo "$cache/docker-compose"
