"""Measures databasez over JDBC and DB-API 2, beside the same drivers without it.

    taskset -c 1 $(benches/python/setup) benches/python/measure.py

Each lane is a process of its own, which reads the same values, checked before. They take turns, so that all meet the same
machine. A select is one row by its key; rows are 10,000 of five columns. The figures are medians of five rounds. Beside
the clock stands the processor time of the lane's process, which says more where others use the machine too.
EBBTIDE_TEST_POSTGRES_URL is the server for psycopg; EBBTIDE_TEST_JDBC the folder of h2.jar and sqlite-jdbc.jar (default:
/usr/share/java).
"""

import os
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 5
ROWS = 10_000
COMMANDS = {"select": 1000, "rows": 2}
HERE = os.path.dirname(os.path.abspath(__file__))
JARS = os.environ.get("EBBTIDE_TEST_JDBC", "/usr/share/java")
TABLE = [
    ("H2, by JDBC", "databasez:jdbc-h2", "java:h2"),
    ("sqlite-jdbc, by JDBC", "databasez:jdbc-sqlite", "java:sqlite"),
    ("sqlite3, by DB-API 2", "databasez:dbapi2-sqlite3", "module:sqlite3"),
    ("psycopg, by DB-API 2", "databasez:dbapi2-psycopg", "module:psycopg"),
    ("duckdb, by DB-API 2", "databasez:dbapi2-duckdb", "module:duckdb"),
]


class Lane:
    """A process that runs loops when it is told to."""

    def __init__(self, name, folder):
        self.name = name
        self.times = {command: [] for command in COMMANDS}
        # The processor time of a JVM is told in steps of ten milliseconds.
        self.repeats = 20 if name.startswith("java:") else 1
        self.process = subprocess.Popen(self.command(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().strip()
        if ready != "ready":
            sys.exit("the lane {} did not start: {!r}".format(name, ready))

    def command(self, folder):
        """Returns the command line of the process."""
        way, _, rest = self.name.partition(":")
        if way != "java":
            return [sys.executable, os.path.join(HERE, "lanes.py"), self.name, folder, str(ROWS)]
        jar, url = {
            "h2": ("h2.jar", "jdbc:h2:{}/direct".format(folder)),
            "sqlite": ("sqlite-jdbc.jar", "jdbc:sqlite:{}/direct.db".format(folder)),
        }[rest]
        classes = os.path.join(os.path.dirname(os.path.dirname(sys.executable)), "java")
        path = "{}:{}".format(classes, os.path.join(JARS, jar))
        return ["java", "-cp", path, "Direct", url, str(ROWS)]

    def run(self, command, times):
        """Returns the microseconds that an operation takes, by the clock and of processor time."""
        self.process.stdin.write("{} {}\n".format(command, times * self.repeats))
        self.process.stdin.flush()
        return tuple(map(float, self.process.stdout.readline().split()))

    def end(self):
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()


def main():
    """Runs all lanes in turns and prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        lanes = {name: Lane(name, folder) for line in TABLE for name in line[1:]}
        for number in range(ROUNDS + 1):
            for lane in lanes.values():
                for command, times in COMMANDS.items():
                    # The first round warms up, longer: the JVM compiles while it runs.
                    taken = lane.run(command, times if number else times * 3)
                    if number:
                        lane.times[command].append(taken)
        for lane in lanes.values():
            lane.end()
        drop_schemas()
    print("| | databasez | the driver alone | × | processor time | × |")
    print("|---|---|---|---|---|---|")
    for command, title in (("select", "a select, µs"), ("rows", "10,000 rows, ms")):
        for driver, ours, alone in TABLE:
            print(line("{}: {}".format(driver, title), lanes[ours].times[command], lanes[alone].times[command], command))


def drop_schemas():
    """Drops what the lanes of psycopg have made in the database."""
    import psycopg

    with psycopg.connect(os.environ["EBBTIDE_TEST_POSTGRES_URL"], autocommit=True) as connection:
        for way in ("module", "databasez"):
            connection.execute("DROP SCHEMA IF EXISTS bench_{} CASCADE".format(way))


def line(title, many, few, command):
    """Returns a line of the table: medians, and the lowest and highest in brackets."""
    scale = 1000 if command == "rows" else 1
    cells = [title]
    for clock in (0, 1):
        sides = [[times[clock] / scale for times in side] for side in (many, few)]
        middle = [statistics.median(side) for side in sides]
        texts = ["{:.1f} ({:.1f} to {:.1f})".format(statistics.median(side), min(side), max(side)) for side in sides]
        # The processor time of a short loop may be none at all.
        ratio = "{:.1f}".format(middle[0] / middle[1]) if middle[1] else "–"
        cells += [texts[0], texts[1], ratio] if clock == 0 else ["{:.1f}; {:.1f}".format(*middle), ratio]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
