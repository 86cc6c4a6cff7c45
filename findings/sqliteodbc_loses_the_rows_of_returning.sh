#!/usr/bin/env bash
# sqliteodbc runs an INSERT with RETURNING and reports no columns for it, so that its rows cannot be read.
#
# Needs unixODBC's isql and the driver: Debian's packages unixodbc and libsqliteodbc. Seen with sqliteodbc 0.9998 and SQLite
# 3.40: no row. Exits with 1 if the driver does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
run() { printf '%s\n' "$1" | isql -b -k "Driver=SQLite3;Database=$folder/a.db" 2>&1; }
run "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)" >"$folder/created"
run "INSERT INTO t (n) VALUES (4711) RETURNING n" | tee "$folder/inserted"
run "SELECT count(*) FROM t WHERE n = 4711" | tee "$folder/counted"
! grep -q 4711 "$folder/inserted" && grep -q 1 "$folder/counted"
