#!/bin/sh
# The entry point of the built images. Understands of the official images' environment what tests and deploy/ use:
# MYSQL_ROOT_PASSWORD, MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD (MARIADB_… as well), each also as …_FILE.
#   docker-entrypoint.sh prepare    when the image is built: a user, and an empty data directory that is initialised
#   docker-entrypoint.sh [mysqld|mariadbd] [options]
set -eu
data=/var/lib/mysql

# Nothing is lost by a power cut before the first start, so initialising need not wait for the disk.
initialise() {
  if command -v mariadb-install-db >/dev/null; then
    # --force: what it asks the name service is of no use here
    mariadb-install-db --no-defaults --user=mysql --datadir=$data --skip-test-db --force \
      --auth-root-authentication-method=normal
  else
    mysqld --no-defaults --user=mysql --datadir=$data --initialize-insecure --skip-log-bin \
      --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=OFF --innodb-redo-log-capacity=8M
    rm -f $data/auto.cnf # the server's identity: each container draws its own
  fi
}

prepare() {
  getent passwd mysql >/dev/null || useradd --system --home-dir $data --shell /usr/sbin/nologin mysql
  install -d -o mysql -g mysql -m 750 $data
  install -d -o mysql -g mysql /run/mysqld /var/lib/mysql-files # where MySQL reads and writes files for SQL
  find $data -mindepth 1 -delete
  initialise
}

# setting NAME: the variable of either server, else the content of its file.
setting() {
  eval "value=\${MYSQL_$1:-\${MARIADB_$1:-}} file=\${MYSQL_$1_FILE:-\${MARIADB_$1_FILE:-}}"
  [ -z "$file" ] || value=$(cat "$file")
  printf '%s' "$value"
}

# The setting as an SQL string, and as an identifier.
quoted() { printf "'%s'" "$(setting "$1" | sed "s/[\\\\']/\\\\&/g")"; }
identifier() { printf '`%s`' "$(setting "$1" | sed 's/`/``/g')"; }

accounts() { # here-documents, since `echo` would read the backslashes
  cat <<SQL
DROP USER IF EXISTS root@'127.0.0.1', root@'::1';
CREATE USER IF NOT EXISTS root@'%' IDENTIFIED BY $(quoted ROOT_PASSWORD);
GRANT ALL PRIVILEGES ON *.* TO root@'%' WITH GRANT OPTION;
ALTER USER root@localhost IDENTIFIED BY $(quoted ROOT_PASSWORD);
SQL
  [ -z "$(setting DATABASE)" ] || cat <<SQL
CREATE DATABASE IF NOT EXISTS $(identifier DATABASE);
SQL
  [ -z "$(setting USER)" ] || cat <<SQL
CREATE USER IF NOT EXISTS $(quoted USER)@'%' IDENTIFIED BY $(quoted PASSWORD);
SQL
  [ -z "$(setting USER)" ] || [ -z "$(setting DATABASE)" ] || cat <<SQL
GRANT ALL PRIVILEGES ON $(identifier DATABASE).* TO $(quoted USER)@'%';
SQL
}

if [ "${1:-}" = prepare ]; then
  prepare
  exit
fi
case "${1:-}" in
  mysqld | mariadbd) shift ;;
  -* | '') ;;
  *) exec "$@" ;; # another program of the image
esac
chown -R mysql:mysql $data
[ -d $data/mysql ] || initialise
if [ ! -e $data/.accounts ]; then
  init=/run/mysqld/accounts.sql
  (umask 077 && accounts >$init)
  chown mysql $init
  touch $data/.accounts
  set -- --init-file=$init "$@"
fi
program=mysqld
! command -v mariadbd >/dev/null || program=mariadbd
# --no-defaults: Debian's configuration listens on loopback alone. exec: signals reach the server.
exec "$program" --no-defaults --user=mysql --datadir=$data --socket=/run/mysqld/mysqld.sock --skip-name-resolve "$@"
