#!/usr/bin/env bash
# After a value that pg8000 cannot convert, here the time 24:00, its connection stays open and is one answer behind: each
# statement gets the rows of the one before it, without an error. The rest of the failed answer is not read.
#
# Needs a server of PostgreSQL: PGHOST (127.0.0.1), PGPORT (5432), PGUSER (postgres), PGPASSWORD (empty), PGDATABASE
# (postgres), as in `docker run --rm -e POSTGRES_HOST_AUTH_METHOD=trust -p 5432:5432 postgres:18`.
# Seen with PostgreSQL 18.4 and pg8000 1.31.6: ValueError, None, [['one']], [['two']]. Exits with 1 if the driver does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pg8000==1.31.6
"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import pg8000.native

settings = dict(
    host=os.environ.get("PGHOST", "127.0.0.1"),
    port=int(os.environ.get("PGPORT", "5432")),
    user=os.environ.get("PGUSER", "postgres"),
    password=os.environ.get("PGPASSWORD") or None,
    database=os.environ.get("PGDATABASE", "postgres"),
)


connection = pg8000.native.Connection(**settings)
seen = []
for sql in ("SELECT time '24:00'", "SELECT 'one'", "SELECT 'two'", "SELECT 'three'"):
    try:
        result = connection.run(sql)
    except ValueError as error:
        result = type(error).__name__
    print(sql, "->", result)
    seen.append(result)
sys.exit(0 if seen == ["ValueError", None, [["one"]], [["two"]]] else 1)
PYTHON
