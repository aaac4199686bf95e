#!/usr/bin/env bash
# Sees to it that the images of the tests' servers, and a base for Hermes' own, are there: keeps what is tagged,
# pulls what can be pulled, and builds the rest from Debian packages (closed networks).
#   build.sh [mysql] [mariadb] [kafka] [node]      all if none is named; with node the tag of the base is printed
set -euo pipefail
cd "$(dirname "$0")"
. ./servers.sh

say() { printf 'test-images: %s\n' "$1" >&2; }

settings_of() { # KIND: what the image says about itself, one --change a line
  case $1 in
    # npm and Node's own fetch trust what Debian's bundle has.
    node) printf '%s\n' 'CMD ["node"]' 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' ;;
    # Without an entry point: who runs it says with which properties.
    kafka) printf '%s\n' 'CMD ["java", "-version"]' ;;
    *)
      printf '%s\n' 'ENTRYPOINT ["docker-entrypoint.sh"]' "CMD [\"$(server_program "$1")\"]" 'EXPOSE 3306' \
        'VOLUME /var/lib/mysql'
      ;;
  esac
}

import_tree() { # KIND
  local tree changes=() change
  tree=$(./debian-tree.sh "$1")
  while read -r change; do changes+=(--change "$change"); done < <(settings_of "$1")
  tar -C "$tree" -c . | docker import "${changes[@]}" --message 'built from Debian packages by tools/test-images' \
    - "$(server_image "$1")" >/dev/null
}

has() { docker image inspect "$1" >/dev/null 2>&1; } # IMAGE
pull() { timeout 300 docker pull --quiet "$1" >/dev/null 2>&1; } # IMAGE

provide() { # KIND OFFICIAL: prints the image that there is
  local built
  built=$(server_image "$1")
  if has "$2" || has "$built"; then
    say "$1: the image is there."
  elif pull "$2"; then
    say "$2 was pulled."
  else
    say "$2 cannot be pulled: building $built from Debian packages …"
    SECONDS=0
    import_tree "$1"
    say "$built was built in $SECONDS s."
  fi
  if has "$2"; then echo "$2"; else echo "$built"; fi
}

docker info >/dev/null 2>&1 || { say 'no Docker daemon answers; start one first (daemon.sh start).'; exit 69; }
[ $# -gt 0 ] || set -- mysql mariadb kafka node
for kind in "$@"; do
  if [ "$kind" = node ]; then
    provide node "$NODE_IMAGE_OFFICIAL"
  else
    provide "$kind" "$(server_image "$kind")" >/dev/null
  fi
done
