#!/usr/bin/env bash
# DuckDB aborts a transaction when a statement in it fails, also when the statement only names a table that does not exist.
# COMMIT then rolls the transaction back and raises nothing, as text and as the method of the connection. Python's
# dates and times have no infinity, and DuckDB's is read as the last of them, with a zone lost.
#
# Seen with duckdb 2.0.1 for Python: no error, no row; 9999-12-31 and 9999-12-31 23:59:59.999999 without a zone. Exits with 1
# if the driver does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import duckdb

connection = duckdb.connect()
connection.execute("CREATE TABLE t (a INTEGER)")
seen = []
for commit in (lambda: connection.execute("COMMIT"), connection.commit):
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (1)")
    try:
        connection.execute("SELECT * FROM nothing")
    except duckdb.CatalogException:
        pass
    commit()
    seen.append(connection.execute("SELECT count(*) FROM t").fetchone()[0])
seen += map(str, connection.execute("SELECT 'infinity'::DATE, 'infinity'::TIMESTAMPTZ").fetchone())
print(seen)
sys.exit(0 if seen == [0, 0, "9999-12-31", "9999-12-31 23:59:59.999999"] else 1)
PYTHON
