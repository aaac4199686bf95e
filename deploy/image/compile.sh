#!/bin/sh
# Generates what the protos say and compiles all that the `hermes` command needs.
set -eu
mkdir -p libs/contracts/descriptor
npx --no-install buf generate
npx --no-install buf build --as-file-descriptor-set -o libs/contracts/descriptor/hermes.binpb
npx --no-install tsc --build apps/cli/tsconfig.lib.json
