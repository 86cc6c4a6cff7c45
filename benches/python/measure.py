"""Measures this library and databasez over JDBC and DB-API 2, beside the same drivers without them.

    cargo build --release -p ebbtide-bench --bin lane-sidecar
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
COMMANDS = {"select": 1000, "rows": 2, "sandbox": 200}
# A message of the size of a select, to another process and back over two pipes.
PIPES = "ebbtide:pipes"
HERE = os.path.dirname(os.path.abspath(__file__))
JARS = os.environ.get("EBBTIDE_TEST_JDBC", "/usr/share/java")
TABLE = [
    ("H2, by JDBC", "ebbtide:jdbc-h2", "databasez:jdbc-h2", "java:h2"),
    ("sqlite-jdbc, by JDBC", "ebbtide:jdbc-sqlite", "databasez:jdbc-sqlite", "java:sqlite"),
    ("sqlite3, by DB-API 2", "ebbtide:dbapi2-sqlite3", "databasez:dbapi2-sqlite3", "module:sqlite3"),
    ("psycopg, by DB-API 2", "ebbtide:dbapi2-psycopg", "databasez:dbapi2-psycopg", "module:psycopg"),
    ("duckdb, by DB-API 2", "ebbtide:dbapi2-duckdb", "databasez:dbapi2-duckdb", "module:duckdb"),
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
        if way == "ebbtide":
            target = os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "..", "..", "target"))
            return [os.path.join(target, "release", "lane-sidecar"), self.name, folder, str(ROWS)]
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
        """Returns the microseconds that an operation takes, by the clock, of processor time, and more that the lane tells."""
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
        os.environ["EBBTIDE_LANE_PYTHON"] = sys.executable
        lanes = {name: Lane(name, folder) for line in TABLE for name in line[1:]}
        lanes[PIPES] = Lane(PIPES, folder)
        for number in range(ROUNDS + 1):
            for lane in lanes.values():
                for command, times in COMMANDS.items():
                    # Only this library has sandboxes, and DuckDB has no savepoints for them.
                    if command == "sandbox" and (not lane.name.startswith("ebbtide:") or "duckdb" in lane.name):
                        continue
                    if lane.name == PIPES and command != "select":
                        continue
                    # The first round warms up, longer: the JVM compiles while it runs.
                    taken = lane.run(command, times if number else times * 3)
                    if number:
                        lane.times[command].append(taken)
        for lane in lanes.values():
            lane.end()
        drop_schemas()
    print("| | ebbtide | databasez | the driver alone | databasez ÷ ebbtide | ebbtide ÷ alone | processor time |")
    print("|---|---|---|---|---|---|---|")
    for command, title in (("select", "a select, µs"), ("rows", "10,000 rows, ms")):
        for driver, *names in TABLE:
            print(line("{}: {}".format(driver, title), [lanes[name].times[command] for name in names], command))
    print("| {} |".format(" | ".join(["two pipes alone, µs", shown([time[0] for time in lanes[PIPES].times["select"]])] + ["–"] * 5)))
    for driver, ours, *_ in TABLE:
        times = lanes[ours].times["sandbox"]
        if times:
            cells = ["{}: a test in a sandbox, three statements, µs".format(driver), shown([time[0] for time in times])]
            print("| " + " | ".join(cells + ["–"] * 5) + " |")


def drop_schemas():
    """Drops what the lanes of psycopg have made in the database."""
    import psycopg

    with psycopg.connect(os.environ["EBBTIDE_TEST_POSTGRES_URL"], autocommit=True) as connection:
        for way in ("module", "databasez"):
            connection.execute("DROP SCHEMA IF EXISTS bench_{} CASCADE".format(way))


def shown(times):
    """Returns the median, and the lowest and highest in brackets."""
    return "{:.1f} ({:.1f} to {:.1f})".format(statistics.median(times), min(times), max(times))


def line(title, sides, command):
    """Returns a line of the table."""
    scale = 1000 if command == "rows" else 1
    clocks = [[[time[clock] / scale for time in side] for side in sides] for clock in (0, 1)]
    own = statistics.median(time[2] / scale for time in sides[0])
    ours, many, alone = (statistics.median(times) for times in clocks[0])
    cells = [title] + [shown(times) for times in clocks[0]]
    cells += ["{:.1f}".format(many / ours), "{:.1f}".format(ours / alone)]
    used = ["{:.1f}".format(statistics.median(times)) for times in clocks[1]]
    cells.append("; ".join(["{} ({:.1f})".format(used[0], own)] + used[1:]))
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
