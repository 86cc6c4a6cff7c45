#!/usr/bin/env bash
# pg8000's placeholders are %s, and a percent sign is written %%. It halves doubled signs outside of quotes only, unlike
# psycopg2 and PyMySQL, so a text that is written for its style reads '100%%' from '100%%'. A single one inside of quotes is
# right there, and an error outside.
#
# Needs a server of PostgreSQL: PGHOST (127.0.0.1), PGPORT (5432), PGUSER (postgres), PGPASSWORD (empty), PGDATABASE
# (postgres), as in `docker run --rm -e POSTGRES_HOST_AUTH_METHOD=trust -p 5432:5432 postgres:18`.
# Seen with PostgreSQL 15.20 and pg8000 1.31.6: '100%%', and 1 for 7 %% 2. Exits with 1 if the driver does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pg8000==1.31.6
"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import pg8000.dbapi

connection = pg8000.dbapi.connect(
    host=os.environ.get("PGHOST", "127.0.0.1"),
    port=int(os.environ.get("PGPORT", "5432")),
    user=os.environ.get("PGUSER", "postgres"),
    password=os.environ.get("PGPASSWORD") or None,
    database=os.environ.get("PGDATABASE", "postgres"),
)
cursor = connection.cursor()
cursor.execute("SELECT '100%%', 7 %% 2 WHERE 1 = %s", (1,))
seen = list(cursor.fetchone())
print(seen)
sys.exit(0 if seen == ["100%%", 1] else 1)
PYTHON
