#!/usr/bin/env bash
# MySQL converts the values of a prepared statement to the types of its first execution, although the client sends the types
# anew with each one. Documented for literals in expressions (8.0.22: "retains this type for each subsequent execution"); the
# surprise is that text is taken for 0, without an error or a warning, where the result is a value of its own. MariaDB does not.
#
# Needs a server of MySQL 8.0.22 or newer: MYSQL_HOST (127.0.0.1), MYSQL_PORT (3306), MYSQL_USER (root), MYSQL_PASSWORD (empty),
# as in `docker run --rm -e MYSQL_ALLOW_EMPTY_PASSWORD=1 -p 3306:3306 mysql:9.7`. Seen with MySQL 9.7.4 and mysql-connector-python
# 9.5.0: 7, 0, {"a": 7}, {"a": 0}, 1.152921504606847e+18. Exits with 1 if the server does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mysql-connector-python==9.5.0
"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import mysql.connector

connection = mysql.connector.connect(
    host=os.environ.get("MYSQL_HOST", "127.0.0.1"),
    port=int(os.environ.get("MYSQL_PORT", "3306")),
    user=os.environ.get("MYSQL_USER", "root"),
    password=os.environ.get("MYSQL_PASSWORD", ""),
    use_pure=True,
)
print("server", connection.server_info)


def run(sql, *values):
    """One prepared statement, executed with each value in turn."""
    cursor = connection.cursor(prepared=True)
    seen = []
    for value in values:
        cursor.execute(sql, (value,))
        seen.append(cursor.fetchall()[0][0])
    cursor.close()
    print(sql, values, "->", seen)
    return seen


seen = [
    run("SELECT ? AS v", 7, "text"),
    run("SELECT CAST(JSON_OBJECT('a', ?) AS CHAR) AS v", 7, "text"),
    run("SELECT ? AS v", 0.5, 2**60 + 1),
]
expected = [[7, 0], ['{"a": 7}', '{"a": 0}'], [0.5, 1.152921504606847e18]]
sys.exit(0 if seen == expected else 1)
PYTHON
