#!/bin/sh
# Makes Hermes' databases and users, with no more rights than they need (docs/operations/mysql.md). May run again: it
# sets the passwords to what the secrets say, so that changing one is changing its file.
set -eu
secret() { cat "/run/secrets/$1"; }

# As an SQL string.
quoted() { printf "'%s'" "$(secret "$1" | sed "s/[\\\\']/\\\\&/g")"; }

# account USER PASSWORD DATABASE RIGHTS
account() {
  cat <<SQL
CREATE DATABASE IF NOT EXISTS $3;
CREATE USER IF NOT EXISTS '$1'@'%' IDENTIFIED BY $(quoted "$2");
ALTER USER '$1'@'%' IDENTIFIED BY $(quoted "$2");
GRANT $4 ON $3.* TO '$1'@'%';
SQL
}

# In the environment of this one child alone: neither an argument nor a setting of the container.
MYSQL_PWD=$(secret mysql-root-password) mysql --host=mysql --user=root --batch <<SQL
$(account hermes_metadata hermes-metadata-password hermes_metadata 'SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER')
$(account hermes_data hermes-data-password hermes_data 'SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP')
SQL
echo 'databases and users are there'
