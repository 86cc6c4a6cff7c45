#!/usr/bin/env bash
# pg8000 applies the sign of an interval's time to its hours only, and loses it where the hours are zero: minus a second and a
# half is read as plus a second and a half. PostgreSQL's sign is that of hours, minutes and seconds together.
#
# Needs a server of PostgreSQL: PGHOST (127.0.0.1), PGPORT (5432), PGUSER (postgres), PGPASSWORD (empty), PGDATABASE
# (postgres), as in `docker run --rm -e POSTGRES_HOST_AUTH_METHOD=trust -p 5432:5432 postgres:18`.
# Seen with PostgreSQL 18.4 and pg8000 1.31.6: 0:00:01.500000, -1 day, 23:30:00, 1 day, 0:30:00; right are -1.5 s, -1.5 h and
# 23.5 h. Exits with 1 if the driver does otherwise.
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
for value in ("-00:00:01.5", "-01:30:00", "1 day -00:30:00"):
    read, seconds = connection.run(f"SELECT i, extract(epoch FROM i) FROM (SELECT interval '{value}') AS t (i)")[0]
    print(value, "->", read, f"({read.total_seconds()} s), the server says {seconds} s")
    seen.append(read.total_seconds())
sys.exit(0 if seen == [1.5, -1800.0, 88200.0] else 1)
PYTHON
