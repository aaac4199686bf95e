# shellcheck shell=bash
# What differs between the images; sourced by the scripts beside it.

# Of the image, and of the jars that Maven fetches for it.
KAFKA_VERSION=4.1.0

unknown_server() { printf 'test-images: unknown image %s: mysql, mariadb, kafka or node\n' "$1" >&2; exit 64; }

# The tag of the official image, which the built one takes in its place. Not so Node's: the one of this machine may be
# another version, so its tag says which.
server_image() {
  case $1 in
    mysql) echo mysql:9.7 ;;
    mariadb) echo mariadb:10.11 ;;
    kafka) echo "apache/kafka:$KAFKA_VERSION" ;;
    node) echo "hermes-node:$(node --version)-bookworm" ;;
    *) unknown_server "$1" ;;
  esac
}

server_program() {
  case $1 in
    mysql) echo mysqld ;;
    mariadb) echo mariadbd ;;
    node) echo node ;;
    *) unknown_server "$1" ;;
  esac
}

# MySQL is not in Debian's stable release, and its version in sid moves on: what comes is checked against the tag.
server_suite() {
  case $1 in
    mysql) echo sid ;;
    mariadb | kafka | node) echo bookworm ;;
    *) unknown_server "$1" ;;
  esac
}

server_version_pattern() {
  case $1 in
    mysql) echo 'Ver 9\.' ;;
    mariadb) echo 'Ver 10\.11\..*MariaDB' ;;
    kafka) echo '^openjdk-17-jre-headless' ;;
    node) node --version ;;
    *) unknown_server "$1" ;;
  esac
}

# The programs without the packages that set up a service: half the size, and nothing starts.
server_packages() {
  case $1 in
    mysql) echo mysql-server-core,mysql-client-core ;;
    mariadb) echo mariadb-server-core,mariadb-client-core ;;
    kafka) echo openjdk-17-jre-headless ;;
    node) echo ca-certificates,libstdc++6 ;; # what a Node that was not built for Debian links to
    *) unknown_server "$1" ;;
  esac
}

# The image of Node that is pulled where images can be pulled.
NODE_IMAGE_OFFICIAL=node:22-bookworm-slim
