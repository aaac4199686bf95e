#!/usr/bin/env bash
# Docker where there is none yet, for CI on a bare machine.
#   daemon.sh start PIDFILE   installs docker.io (root on Debian) and starts dockerd if none runs; only then PIDFILE is
#                             written. Fails if there is no Docker afterwards.
#   daemon.sh stop PIDFILE    ends the daemon that `start` started, after the tests' containers are gone
set -euo pipefail

say() { printf 'test-images: %s\n' "$1" >&2; }
answers() { docker info >/dev/null 2>&1; }

# wait_for SECONDS COMMAND…
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.2
  done
}

install_docker() {
  command -v dockerd >/dev/null && command -v docker >/dev/null && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say 'no Docker daemon answers, and it cannot be installed here (it takes root and apt-get).'
    return 69
  fi
  say 'installing docker.io with apt-get …'
  local apt=(apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0)
  export DEBIAN_FRONTEND=noninteractive
  { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends docker.io; } >/dev/null
}

start() { # PIDFILE
  answers && return
  install_docker
  answers && return
  local log=$1.log
  setsid dockerd >"$log" 2>&1 &
  local pid=$!
  if ! wait_for 30 answers; then
    kill "$pid" 2>/dev/null || true
    say 'dockerd did not start:'
    tail -n 5 "$log" >&2
    return 69
  fi
  echo "$pid" >"$1"
}

no_containers() { [ -z "$(docker ps -q --filter label=hermes.test.run)" ]; }
ended() { ! kill -0 "$1" 2>/dev/null; }

stop() { # PIDFILE
  [ -e "$1" ] || return 0
  local pid
  pid=$(cat "$1")
  wait_for 10 no_containers || say 'containers of the tests are still there.'
  kill "$pid" 2>/dev/null || true
  wait_for 30 ended "$pid" || say "dockerd ($pid) did not end."
  rm -f "$1"
}

"${1:?start or stop}" "${2:?the file for the process id}"
