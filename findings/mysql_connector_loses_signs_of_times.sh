#!/usr/bin/env bash
# MySQL Connector/Python applies the sign of a TIME to its days only if the statement is prepared. So a negative time of less
# than a day is read as a positive one, and a longer one is off by up to two days. The same statement unprepared is right.
#
# Needs a server of MySQL or MariaDB: MYSQL_HOST (127.0.0.1), MYSQL_PORT (3306), MYSQL_USER (root), MYSQL_PASSWORD (empty),
# as in `docker run --rm -e MYSQL_ALLOW_EMPTY_PASSWORD=1 -p 3306:3306 mysql:9.7`.
# Seen with MySQL 9.7.4, MariaDB 11.8.9 and mysql-connector-python 26.10.0: 1.5 and -2854801.0 seconds prepared, -1.5 and
# -3020399.0 unprepared. Exits with 1 if the driver does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mysql-connector-python==26.10.0
"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import mysql.connector

settings = dict(
    host=os.environ.get("MYSQL_HOST", "127.0.0.1"),
    port=int(os.environ.get("MYSQL_PORT", "3306")),
    user=os.environ.get("MYSQL_USER", "root"),
    password=os.environ.get("MYSQL_PASSWORD", ""),
)


connection = mysql.connector.connect(**settings, use_pure=True)
seen = []
for value in ("-00:00:01.5", "-838:59:59"):
    for prepared in (True, False):
        cursor = connection.cursor(prepared=prepared)
        cursor.execute(f"SELECT CAST('{value}' AS TIME(1))")
        seconds = cursor.fetchall()[0][0].total_seconds()
        cursor.close()
        print(value, "prepared" if prepared else "unprepared", "->", seconds)
        seen.append(seconds)
sys.exit(0 if seen == [1.5, -1.5, -2854801.0, -3020399.0] else 1)
PYTHON
