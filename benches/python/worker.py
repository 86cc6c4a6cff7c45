"""Measures where the worker's time of 10,000 rows goes: in the module's own fetching, and in packing what it gave.

    taskset -c 1 $(benches/python/setup) benches/python/worker.py

Processor time in milliseconds, the median of thirty turns. EBBTIDE_TEST_POSTGRES_URL is the server for psycopg.
"""

import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sidecars", "dbapi2"))

from ebbtide_worker.modules import load
from ebbtide_worker.rows import HeldRows, MOST_ROWS

SELECT = "SELECT id, number, name, price, created FROM note"
CREATE = "CREATE {}TABLE note (id INTEGER PRIMARY KEY, number BIGINT, name VARCHAR(40), price DOUBLE PRECISION, created {})"
ROWS = {
    "sqlite3": "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t LIMIT 10000) SELECT i FROM t",
    "duckdb": "SELECT i FROM range(1, 10001) AS t(i)",
    "psycopg": "SELECT i::bigint FROM generate_series(1, 10000) AS t(i)",
}


def opened(module):
    """Returns a connection with the table."""
    driver = load(module)
    driver.connect({"sqlite3": [":memory:"], "psycopg": [os.environ.get("EBBTIDE_TEST_POSTGRES_URL")]}.get(module, []), {}, False)
    kind = "TEXT" if module == "sqlite3" else "TIMESTAMP"
    driver.execute(CREATE.format("TEMPORARY " if module == "psycopg" else "", kind))
    moment = "CAST('2026-12-01 03:04:05.000006' AS {})".format(kind)
    values = "i, i * 1000000007, 'name ' || i, i / 4.0, " + moment
    driver.execute("INSERT INTO note SELECT {} FROM ({}) AS numbers".format(values, ROWS[module]))
    return driver


def fetched(driver):
    """Returns what packs the rows, and the rows as the worker asks for them."""
    result = driver.run(SELECT, [], True, False)
    parts = list(iter(lambda: result.fetch(MOST_ROWS), []))
    result.close()
    return result.packer, parts


def held(rows):
    """Returns rows as they wait for their frame."""
    found = HeldRows()
    found.add(rows)
    return found


def median(function):
    """Returns the median processor time of a function in milliseconds."""
    times = []
    for _ in range(30):
        start = time.process_time()
        function()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times)


def main():
    """Prints the table."""
    print("| 10,000 rows, ms of processor time | the module's fetching | packing |")
    print("|---|---|---|")
    for module in ROWS:
        driver = opened(module)
        packer, parts = fetched(driver)
        assert sum(map(len, parts)) == 10_000, module
        packing = median(lambda: [packer.packed(held(part)) for part in parts])
        print("| {} | {:.1f} | {:.1f} |".format(module, median(lambda: fetched(driver)), packing))
        driver.close()


if __name__ == "__main__":
    main()
