#!/usr/bin/env bash
# PyMySQL decodes a VECTOR of MySQL 9 as ASCII text, because it takes every type that it does not know for a number. Most
# vectors raise a UnicodeDecodeError, which leaves the connection out of step with the server; those whose bytes are all below
# 128 are read as text without an error. MariaDB's VECTOR arrives as a BLOB and is read as bytes.
#
# Needs a server of MySQL 9: MYSQL_HOST (127.0.0.1), MYSQL_PORT (3306), MYSQL_USER (root), MYSQL_PASSWORD (empty),
# as in `docker run --rm -e MYSQL_ALLOW_EMPTY_PASSWORD=1 -p 3306:3306 mysql:9.7`.
# Seen with MySQL 9.7.4 and PyMySQL 1.2.4: UnicodeDecodeError for [1], InternalError for the next statement, and
# '\x00\x00\x00@' for [2]. Exits with 1 if the driver does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check PyMySQL==1.2.4
"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import pymysql

settings = dict(
    host=os.environ.get("MYSQL_HOST", "127.0.0.1"),
    port=int(os.environ.get("MYSQL_PORT", "3306")),
    user=os.environ.get("MYSQL_USER", "root"),
    password=os.environ.get("MYSQL_PASSWORD", ""),
)


seen = []


def run(connection, sql):
    cursor = connection.cursor()
    try:
        cursor.execute(sql)
        result = cursor.fetchone()[0]
    except (UnicodeDecodeError, pymysql.Error) as error:
        result = type(error).__name__
        print(error)
    print(sql, "->", repr(result))
    seen.append(result)


connection = pymysql.connect(**settings)
run(connection, "SELECT STRING_TO_VECTOR('[1]')")
run(connection, "SELECT 1")
run(pymysql.connect(**settings), "SELECT STRING_TO_VECTOR('[2]')")
sys.exit(0 if seen == ["UnicodeDecodeError", "InternalError", "\x00\x00\x00@"] else 1)
PYTHON
