#!/bin/sh
# Draws the passwords that compose.yaml refers to; those that are there stay.
#   secrets.sh [DIRECTORY]      deploy/secrets if none is named
# The files can be read by everybody, since a container sees them with their rights here and runs as another user; the
# directory only by whoever made it.
set -eu
directory=${1:-$(dirname "$0")/secrets}
mkdir -p "$directory"
chmod 700 "$directory"
for name in mysql-root-password hermes-metadata-password hermes-data-password; do
  if [ ! -s "$directory/$name" ]; then
    head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$directory/$name.new"
    chmod 444 "$directory/$name.new"
    mv "$directory/$name.new" "$directory/$name"
  fi
done
