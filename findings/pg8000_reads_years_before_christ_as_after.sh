#!/usr/bin/env bash
# pg8000 reads a timestamp of the year 44 BC as one of the year 44 AD. A date and a timestamp with time zone, which Python
# cannot hold either, come back as text with the letters BC.
#
# Needs a server of PostgreSQL: PGHOST (127.0.0.1), PGPORT (5432), PGUSER (postgres), PGPASSWORD (empty), PGDATABASE
# (postgres), as in `docker run --rm -e POSTGRES_HOST_AUTH_METHOD=trust -p 5432:5432 postgres:18`.
# Seen with PostgreSQL 18.4 and pg8000 1.31.6: datetime(44, 3, 15, 0, 0), '0044-03-15 BC'. Exits with 1 if the driver does
# otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pg8000==1.31.6
"$folder/venv/bin/python" - <<'PYTHON'
import datetime
import os
import sys
import warnings

import pg8000.native

settings = dict(
    host=os.environ.get("PGHOST", "127.0.0.1"),
    port=int(os.environ.get("PGPORT", "5432")),
    user=os.environ.get("PGUSER", "postgres"),
    password=os.environ.get("PGPASSWORD") or None,
    database=os.environ.get("PGDATABASE", "postgres"),
)


warnings.simplefilter("ignore")
connection = pg8000.native.Connection(**settings)
seen = connection.run("SELECT timestamp '0044-03-15 BC', date '0044-03-15 BC'")[0]
print(seen)
sys.exit(0 if seen == [datetime.datetime(44, 3, 15), "0044-03-15 BC"] else 1)
PYTHON
