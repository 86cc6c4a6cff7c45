#!/usr/bin/env bash
# MySQL Connector/Python takes the two bytes of a YEAR in the answer of a prepared statement for the length and the start of a
# text. A year alone becomes one byte, the year 0 and the one after it become empty, and columns behind a year are wrong or raise
# an error. Unprepared, the same columns are right.
#
# Needs a server of MySQL 8.0.22 or newer: MYSQL_HOST (127.0.0.1), MYSQL_PORT (3306), MYSQL_USER (root), MYSQL_PASSWORD (empty),
# as in `docker run --rm -e MYSQL_ALLOW_EMPTY_PASSWORD=1 -p 3306:3306 mysql:9.7`.
# Seen with MySQL 9.7.4 and mysql-connector-python 26.10.0: b'\x07'; b'' and b''; an IndexError or struct.error; unprepared 2024 and
# 42. Exits with 1 if the driver does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mysql-connector-python==26.10.0
"$folder/venv/bin/python" - <<'PYTHON'
import os
import struct
import sys

import mysql.connector

settings = dict(
    host=os.environ.get("MYSQL_HOST", "127.0.0.1"),
    port=int(os.environ.get("MYSQL_PORT", "3306")),
    user=os.environ.get("MYSQL_USER", "root"),
    password=os.environ.get("MYSQL_PASSWORD", ""),
)


seen = []


def read(columns, prepared):
    # A connection for each, because an error leaves one with an unread answer.
    connection = mysql.connector.connect(**settings, use_pure=True)
    cursor = connection.cursor(prepared=prepared)
    try:
        cursor.execute(f"SELECT {columns}")
        result = cursor.fetchall()[0]
    except (IndexError, struct.error) as error:
        result = "error"
        print(repr(error))
    print(columns, "prepared" if prepared else "unprepared", "->", result)
    seen.append(result)


year, zero = "CAST(2024 AS YEAR)", "CAST(0 AS YEAR)"
read(year, True)
read(f"{zero}, {year}", True)
read(f"{year}, 42", True)
read(f"{year}, 42", False)
sys.exit(0 if seen == [(b"\x07",), (b"", b""), "error", (2024, 42)] else 1)
PYTHON
