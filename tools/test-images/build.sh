#!/usr/bin/env bash
# Sees to it that the images of the tests' database servers are there: keeps what is tagged, pulls what can be pulled,
# and builds the rest from Debian packages (closed networks).
#   build.sh [mysql] [mariadb]      both if none is named
set -euo pipefail
cd "$(dirname "$0")"
. ./servers.sh

say() { printf 'test-images: %s\n' "$1" >&2; }

import_tree() { # KIND
  local tree
  tree=$(./debian-tree.sh "$1")
  tar -C "$tree" -c . | docker import \
    --change 'ENTRYPOINT ["docker-entrypoint.sh"]' \
    --change "CMD [\"$(server_program "$1")\"]" \
    --change 'EXPOSE 3306' \
    --change 'VOLUME /var/lib/mysql' \
    --message 'built from Debian packages by tools/test-images' \
    - "$(server_image "$1")" >/dev/null
}

docker info >/dev/null 2>&1 || { say 'no Docker daemon answers; start one first (daemon.sh start).'; exit 69; }
[ $# -gt 0 ] || set -- mysql mariadb
for kind in "$@"; do
  image=$(server_image "$kind")
  if docker image inspect "$image" >/dev/null 2>&1; then
    say "$image is there."
  elif timeout 300 docker pull --quiet "$image" >/dev/null 2>&1; then
    say "$image was pulled."
  else
    say "$image cannot be pulled: building it from Debian packages …"
    SECONDS=0
    import_tree "$kind"
    say "$image was built in $SECONDS s."
  fi
done
