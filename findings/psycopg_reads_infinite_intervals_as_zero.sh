#!/usr/bin/env bash
# psycopg2 and psycopg read PostgreSQL's infinite intervals as an interval of nothing, without an error. psycopg2's manual says
# that infinite dates, timestamps and intervals become the largest values; psycopg reports an infinite date or timestamp, and in
# the binary format an infinite interval, as a DataError. A limit that never ends is then one that has ended.
#
# Needs a server of PostgreSQL 17 or newer: PGHOST (127.0.0.1), PGPORT (5432), PGUSER (postgres), PGPASSWORD (empty), PGDATABASE
# (postgres), as in `docker run --rm -e POSTGRES_HOST_AUTH_METHOD=trust -p 5432:5432 postgres:18`.
# Seen with PostgreSQL 18.4, psycopg2 2.9.13 and psycopg 3.3.9: timedelta(0) four times, then a DataError. Exits with 1 if a
# driver does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check psycopg2-binary==2.9.13 'psycopg[binary]==3.3.9'
"$folder/venv/bin/python" - <<'PYTHON'
import datetime
import os
import sys

import psycopg
import psycopg2

settings = dict(
    host=os.environ.get("PGHOST", "127.0.0.1"),
    port=int(os.environ.get("PGPORT", "5432")),
    user=os.environ.get("PGUSER", "postgres"),
    password=os.environ.get("PGPASSWORD") or None,
    dbname=os.environ.get("PGDATABASE", "postgres"),
)


seen = []


def read(connection, value, **options):
    cursor = connection.cursor(**options)
    try:
        cursor.execute(f"SELECT interval '{value}'")
        result = cursor.fetchone()[0]
    except psycopg.DataError as error:
        result = type(error).__name__
    print(connection.__class__.__module__, options, value, "->", repr(result))
    seen.append(result)


with psycopg2.connect(**settings) as old, psycopg.connect(**settings) as new:
    for value in ("infinity", "-infinity"):
        read(old, value)
        read(new, value)
    read(new, "infinity", binary=True)
zero = datetime.timedelta(0)
sys.exit(0 if seen == [zero, zero, zero, zero, "DataError"] else 1)
PYTHON
