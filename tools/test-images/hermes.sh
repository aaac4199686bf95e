#!/usr/bin/env bash
# Builds the image of Hermes by deploy/Dockerfile, on the base that there is.
#   hermes.sh TAG
set -euo pipefail
cd "$(dirname "$0")"
tag=${1:?a tag for the image}
base=$(./build.sh node)
printf 'test-images: building %s on %s …\n' "$tag" "$base" >&2
SECONDS=0
# With the plugin for BuildKit `docker` uses that; without it the older builder, which says of itself that it is old.
log=$(docker build --file ../../deploy/Dockerfile --build-arg "BASE=$base" --tag "$tag" ../.. 2>&1) || {
  tail -n 40 <<<"$log" >&2
  exit 70
}
printf 'test-images: %s was built in %s s.\n' "$tag" "$SECONDS" >&2
