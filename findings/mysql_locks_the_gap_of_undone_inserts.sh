#!/usr/bin/env bash
# After ROLLBACK TO SAVEPOINT, MySQL keeps a lock on the gap where an undone INSERT was, so other sessions wait to insert there, and
# two transactions that have both undone an insert can deadlock. The manual says the opposite of an inserted row: "the row
# lock is released in the undo". Not at READ COMMITTED, and not on MariaDB.
#
# Needs a server of MySQL 8 or newer: MYSQL_HOST (127.0.0.1), MYSQL_PORT (3306), MYSQL_USER (root), MYSQL_PASSWORD (empty),
# as in `docker run --rm -e MYSQL_ALLOW_EMPTY_PASSWORD=1 -p 3306:3306 mysql:9.7`.
# Seen with MySQL 9.7.4 and PyMySQL 1.2.4: error 1205 (lock wait timeout) at REPEATABLE READ, none at READ COMMITTED. Exits with
# 1 if the server does otherwise.
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
    autocommit=True,
)
database = f"finding_{os.getpid()}"


def run(connection, *statements):
    with connection.cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)


def waits(level):
    """Returns the error of an insert beside a transaction that has undone its second one."""
    one, other = pymysql.connect(**settings), pymysql.connect(**settings)
    for connection in (one, other):
        run(connection, f"USE {database}", f"SET SESSION TRANSACTION ISOLATION LEVEL {level}", "SET innodb_lock_wait_timeout = 1")
    run(one, "BEGIN", "INSERT INTO t VALUES (1)", "SAVEPOINT s", "INSERT INTO t VALUES (2)", "ROLLBACK TO s")
    try:
        run(other, "INSERT INTO t VALUES (3)")
        error = None
    except pymysql.Error as failed:
        error = failed.args[0]
    one.close()
    other.close()
    print(level, "->", error)
    return error


admin = pymysql.connect(**settings)
print("server", admin.get_server_info())
run(admin, f"CREATE DATABASE {database}", f"CREATE TABLE {database}.t (n INT)")
try:
    seen = [waits("REPEATABLE READ"), waits("READ COMMITTED")]
finally:
    run(admin, f"DROP DATABASE {database}")
sys.exit(0 if seen == [1205, None] else 1)
PYTHON
