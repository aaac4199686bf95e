# shellcheck shell=bash
# What differs between the two servers; sourced by the scripts beside it.

unknown_server() { printf 'test-images: unknown server %s: mysql or mariadb\n' "$1" >&2; exit 64; }

# The tag of the official image, which the built one takes in its place.
server_image() {
  case $1 in
    mysql) echo mysql:9.7 ;;
    mariadb) echo mariadb:10.11 ;;
    *) unknown_server "$1" ;;
  esac
}

server_program() {
  case $1 in
    mysql) echo mysqld ;;
    mariadb) echo mariadbd ;;
    *) unknown_server "$1" ;;
  esac
}

# MySQL is not in Debian's stable release, and its version in sid moves on: what comes is checked against the tag.
server_suite() {
  case $1 in
    mysql) echo sid ;;
    mariadb) echo bookworm ;;
    *) unknown_server "$1" ;;
  esac
}

server_version_pattern() {
  case $1 in
    mysql) echo 'Ver 9\.' ;;
    mariadb) echo 'Ver 10\.11\..*MariaDB' ;;
    *) unknown_server "$1" ;;
  esac
}

# The programs without the packages that set up a service: half the size, and nothing starts.
server_packages() {
  case $1 in
    mysql) echo mysql-server-core,mysql-client-core ;;
    mariadb) echo mariadb-server-core,mariadb-client-core ;;
    *) unknown_server "$1" ;;
  esac
}
