#!/bin/sh
# Copies what runs into a directory: compiled code, and the dependencies of production.
#   assemble.sh DIRECTORY
set -eu
out=$1
npm prune --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error
mkdir -p "$out"
cp -r package.json LICENSE node_modules "$out"/
for project in apps/* libs/*; do
  # Compiled: `hermes` needs it. The rest are tests.
  if [ -d "$project/dist" ]; then
    mkdir -p "$out/$project"
    for part in package.json dist bin descriptor; do
      [ ! -e "$project/$part" ] || cp -r "$project/$part" "$out/$project"/
    done
  fi
done
find "$out" -type f \( -name '*.d.ts' -o -name '*.d.ts.map' -o -name '*.tsbuildinfo' \) -delete
# What the native module was compiled from.
rm -rf "$out"/node_modules/better-sqlite3/deps "$out"/node_modules/better-sqlite3/src
find "$out/node_modules/better-sqlite3/build" -type f ! -name better_sqlite3.node -delete
# Links to projects that stay behind, and what is installed for them alone.
find "$out/node_modules" -xtype l -delete
find "$out" -depth -type d -empty -delete
node "$out/apps/cli/dist/main.js" --version
