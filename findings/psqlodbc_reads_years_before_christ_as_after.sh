#!/usr/bin/env bash
# psqlODBC writes the date 44 BC as 0044-03-15, and an infinite timestamp as the end of the year 9999.
#
# Needs unixODBC's isql and the driver, Debian's packages unixodbc and odbc-postgresql, and a server of PostgreSQL: PGHOST
# (127.0.0.1), PGPORT (5432), PGUSER (postgres), PGPASSWORD (empty), PGDATABASE (postgres). Seen with psqlODBC 13.02 and
# PostgreSQL 15: `0044-03-15`, `9999-12-31 23:59:59`. Exits with 1 if the driver does otherwise.
set -euo pipefail
text="Driver=PostgreSQL Unicode;Servername=${PGHOST:-127.0.0.1};Port=${PGPORT:-5432};Database=${PGDATABASE:-postgres}"
text+=";UID=${PGUSER:-postgres};PWD=${PGPASSWORD:-}"
seen=$(isql -b -k "$text" <<<"SELECT date '0044-03-15 BC', timestamptz 'infinity'" 2>&1)
echo "$seen"
[[ $seen == *"0044-03-15"* && $seen != *BC* && $seen == *"9999-12-31 23:59:59"* ]]
