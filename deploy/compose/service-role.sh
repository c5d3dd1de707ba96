#!/bin/sh
# PostgreSQL's image runs this once, when the database is made: the role that serves, which owns no table.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set password="$(cat /run/secrets/service-password)" <<'SQL'
CREATE ROLE authz LOGIN PASSWORD :'password';
SQL
