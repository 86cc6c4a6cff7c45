"""One lane of measure.py in Python: a way to the database, as a process that answers commands.

    lanes.py LANE FOLDER ROWS

Reads `select N` and `rows N` and answers each with the microseconds that an operation takes, by the clock and of the
process' own processor time.
"""

import asyncio
import datetime
import os
import sys
import time

ONE = "SELECT id, number, name, price, created FROM note WHERE id = {}"
ALL = "SELECT id, number, name, price, created FROM note"
CREATED = datetime.datetime(2026, 12, 1, 3, 4, 5, 6)


def expected(number, text):
    """Returns the row with this number. SQLite keeps the time as text."""
    created = CREATED.isoformat(" ") if text else CREATED
    return (number, number * 1_000_000_007, "name {}".format(number), number / 4, created)


def table(text):
    """Returns the statements that make the table."""
    time_type = "TEXT" if text else "TIMESTAMP"
    columns = "id INTEGER PRIMARY KEY, number BIGINT, name VARCHAR(40), price DOUBLE PRECISION, created " + time_type
    return ["DROP TABLE IF EXISTS note", "CREATE TABLE note ({})".format(columns)]


def inserts(count, text):
    """Returns statements with the rows, 500 in each."""
    rows = []
    for number in range(1, count + 1):
        row = expected(number, text)
        rows.append("({}, {}, '{}', {}, '{}')".format(*row[:4], CREATED.isoformat(" ")))
    return ["INSERT INTO note VALUES " + ", ".join(rows[start : start + 500]) for start in range(0, count, 500)]


def answer(select, rows, count, text):
    """Answers commands; each function returns what it has read as tuples, which are checked first."""
    check(select, rows, count, text)
    print("ready", flush=True)
    for line in sys.stdin:
        word, times = line.split()
        times = int(times)
        start = now()
        if word == "select":
            for turn in range(times):
                select(turn % count + 1)
        else:
            for _ in range(times):
                rows()
        tell(start, times)


def now():
    """Returns the clock and the processor time."""
    return time.perf_counter(), time.process_time()


def tell(start, times):
    """Answers a command."""
    print(*[(end - begun) * 1e6 / times for begun, end in zip(start, now())], flush=True)


def check(select, rows, count, text):
    """Fails if a lane reads something else than was written."""
    found = sorted(rows())
    wanted = [expected(number, text) for number in range(1, count + 1)]
    for pair in list(zip(found, wanted)) + [(select(7), expected(7, text))]:
        # jpype gives types that derive from Python's.
        if pair[0] != pair[1] or not all(map(isinstance, pair[0], map(type, pair[1]))):
            sys.exit("read {!r} {}, wrote {!r}".format(pair[0], list(map(type, pair[0])), pair[1]))
    if len(found) != count:
        sys.exit("read {} rows of {}".format(len(found), count))


def module(lane, folder, count):
    """A module of DB-API 2 and nothing else."""
    text = lane == "sqlite3"
    if lane == "sqlite3":
        import sqlite3

        connection = sqlite3.connect(os.path.join(folder, "module.db"), isolation_level=None)
        mark = "?"
    elif lane == "duckdb":
        import duckdb

        connection = duckdb.connect(os.path.join(folder, "module.duck"))
        mark = "?"
    else:
        import psycopg

        connection = psycopg.connect(postgres("module"), autocommit=True)
        mark = "%s"
    cursor = connection.cursor()
    for sql in table(text) + inserts(count, text):
        cursor.execute(sql)
    one = ONE.format(mark)

    def select(number):
        cursor.execute(one, (number,))
        return cursor.fetchone()

    def rows():
        cursor.execute(ALL)
        return cursor.fetchall()

    answer(select, rows, count, text)


def postgres(schema):
    """Returns the URL of the PostgreSQL server with a schema of the lane's own first in its path."""
    import psycopg

    url = os.environ["EBBTIDE_TEST_POSTGRES_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS bench_" + schema)
    return url + ("&" if "?" in url else "?") + "options=-csearch_path%3Dbench_" + schema


def databasez(lane, folder, count):
    """databasez over JDBC or DB-API 2."""
    from databasez import Database
    from psycopg.conninfo import conninfo_to_dict

    jars = os.environ.get("EBBTIDE_TEST_JDBC", "/usr/share/java")
    options = {}
    if lane == "jdbc-h2":
        url = "jdbc+h2://{}/databasez?classpath={}/h2.jar&jdbc_driver=org.h2.Driver".format(folder, jars)
    elif lane == "jdbc-sqlite":
        url = "jdbc+sqlite://{}/databasez-jdbc.db?classpath={}/sqlite-jdbc.jar&jdbc_driver=org.sqlite.JDBC".format(folder, jars)
    elif lane == "dbapi2-sqlite3":
        url = "dbapi2://{}/databasez.db".format(folder)
    elif lane == "dbapi2-duckdb":
        url = "dbapi2://{}/databasez.duck".format(folder)
    else:
        # With a URL of a server it makes a name without a colon: `postgres//…`.
        url = "dbapi2://"
        options["dbapi_driver_args"] = conninfo_to_dict(postgres("databasez"))
    if lane.startswith("dbapi2-"):
        options["dbapi_path"] = {"dbapi2-duckdb": "quiet_duckdb"}.get(lane, lane[len("dbapi2-") :])
    text = "sqlite" in lane

    async def run():
        database = Database(url, **options)
        await database.connect()
        # Outside of a transaction it would roll each of them back.
        async with database.connection() as connection, connection.transaction():
            for sql in table(text) + inserts(count, text):
                await connection.execute(sql)
        loop = Loop(database)
        await loop.answer(count, text)

    asyncio.run(run())


class Loop:
    """The loops of databasez, which are asynchronous."""

    def __init__(self, database):
        self.database = database

    async def select(self, number):
        row = await self.database.fetch_one(ONE.format(":id"), {"id": number})
        return tuple(row)

    async def rows(self):
        return [tuple(row) for row in await self.database.fetch_all(ALL)]

    async def answer(self, count, text):
        """Answers commands, as the function of this name does."""
        all_rows, one_row = await self.rows(), await self.select(7)
        check(lambda number: one_row, lambda: all_rows, count, text)
        print("ready", flush=True)
        while True:
            line = sys.stdin.readline()
            if not line:
                return
            word, times = line.split()
            times = int(times)
            start = now()
            if word == "select":
                for turn in range(times):
                    await self.select(turn % count + 1)
            else:
                for _ in range(times):
                    await self.rows()
            tell(start, times)


def main():
    """Runs the lane that the command line names."""
    lane, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    way, _, rest = lane.partition(":")
    (module if way == "module" else databasez)(rest, folder, count)


if __name__ == "__main__":
    main()
