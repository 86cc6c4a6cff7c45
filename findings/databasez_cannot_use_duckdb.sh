#!/usr/bin/env bash
# databasez cannot run a statement over DuckDB's module of DB-API 2: its pool rolls back each connection that is given back,
# and DuckDB raises an error outside of a transaction. `pool_reset_on_return` does not help. With a driver in the URL it
# makes the name of the data source without the colon: dbapi2+postgres://… becomes postgres//….
#
# Seen with databasez 0.13.0 and duckdb 2.0.1: cannot rollback - no transaction is active; postgres//u@h/d. Exits with 1 if
# it does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check databasez==0.13.0 duckdb==2.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys
import types

from databasez import Database

seen = []


async def read(url, module):
    try:
        database = Database(url, dbapi_path=module)
        await database.connect()
        seen.append(str(await database.fetch_all("SELECT 1")))
    except Exception as error:
        seen.append(str(error))


def connect(*arguments):
    raise RuntimeError(repr(arguments))


sys.modules["telling"] = types.SimpleNamespace(connect=connect, Error=Exception, paramstyle="qmark")
asyncio.run(read("dbapi2://file.duck", "duckdb"))
asyncio.run(read("dbapi2+postgres://u@h/d", "telling"))
print(seen)
sys.exit(0 if "no transaction is active" in seen[0] and "postgres//u@h/d" in seen[1] else 1)
PYTHON
