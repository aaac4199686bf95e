#!/usr/bin/env bash
# Lets Maven fetch the jars of a Kafka broker, unless they are cached, and prints their directory. Sees to it that there
# is a Java to run them. Cached below HERMES_TEST_IMAGES, else the user's cache directory. As root on Debian it installs
# Java and Maven where they are missing.
set -euo pipefail
cd "$(dirname "$0")"
. ./servers.sh

cache=${HERMES_TEST_IMAGES:-${XDG_CACHE_HOME:-$HOME/.cache}/hermes/test-images}
jars=$cache/kafka-jars-$KAFKA_VERSION

say() { printf 'test-images: %s\n' "$1" >&2; }

need() { # PROGRAM PACKAGE
  command -v "$1" >/dev/null && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "$1 is needed; install it."
    exit 69
  fi
  say "installing $2 with apt-get …"
  local apt=(apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0)
  export DEBIAN_FRONTEND=noninteractive
  { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$2"; } >&2
}

[ -x "${JAVA_HOME:-}/bin/java" ] || need java default-jre-headless
if [ ! -d "$jars" ]; then
  need mvn maven
  say "Maven fetches Kafka $KAFKA_VERSION (43 MB) into $jars …"
  mkdir -p "$cache"
  # Of two runs at once each fetches, and the second to be done drops what it has.
  work=$(mktemp -d "$jars.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"
  mvn --batch-mode --quiet -Dstyle.color=never --file kafka-pom.xml "-Dkafka.version=$KAFKA_VERSION" \
    dependency:copy-dependencies "-DoutputDirectory=$work" -DincludeScope=runtime >&2 || {
    say 'Maven cannot fetch Kafka.'
    exit 69
  }
  node -e 'try { fs.renameSync(...process.argv.slice(1)) } catch (error) { if (!fs.existsSync(process.argv[2])) throw error }' "$work" "$jars"
fi
echo "$jars"
