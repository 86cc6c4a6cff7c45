#!/usr/bin/env bash
# asyncpg reads a timetz without the seconds of its offset, so what it has read is not equal to what was stored. PostgreSQL
# keeps these seconds, and Python's time zones can hold them since 3.7; psycopg2 and psycopg read them.
#
# Needs a server of PostgreSQL: PGHOST (127.0.0.1), PGPORT (5432), PGUSER (postgres), PGPASSWORD (empty), PGDATABASE
# (postgres), as in `docker run --rm -e POSTGRES_HOST_AUTH_METHOD=trust -p 5432:5432 postgres:18`.
# Seen with PostgreSQL 18.4 and asyncpg 0.32.0: +05:30:15 and -15:59:59 are read as +05:30 and -15:59, and the server says that they
# differ from the stored values. Exits with 1 if the driver does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check asyncpg==0.32.0
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import os
import sys

import asyncpg

settings = dict(
    host=os.environ.get("PGHOST", "127.0.0.1"),
    port=int(os.environ.get("PGPORT", "5432")),
    user=os.environ.get("PGUSER", "postgres"),
    password=os.environ.get("PGPASSWORD") or None,
    database=os.environ.get("PGDATABASE", "postgres"),
)


seen = []


async def main():
    connection = await asyncpg.connect(**settings)
    for value in ("12:00:00+05:30:15", "12:00:00-15:59:59"):
        read = await connection.fetchval(f"SELECT timetz '{value}'")
        same = await connection.fetchval(f"SELECT timetz '{value}' = $1", read)
        print(value, "->", read, "equal:", same)
        seen.append((str(read), same))


asyncio.run(main())
sys.exit(0 if seen == [("12:00:00+05:30", False), ("12:00:00-15:59", False)] else 1)
PYTHON
