"""Tests of the worker, over its pipes, with real modules and with small ones made here.

    python3 -m unittest discover sidecars/dbapi2

EBBTIDE_TEST_BARE_PYTHON is the interpreter of the worker for sqlite3 and the small modules (default: the one that runs this).
EBBTIDE_TEST_PYTHON is an interpreter with the other modules, as `scripts/drivers-python` makes one; it needs
EBBTIDE_TEST_POSTGRES_URL and EBBTIDE_TEST_MYSQL_URL for their servers. What is not set is told as skipped.
"""

import datetime
import decimal
import json
import os
import queue
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import unittest.mock
import uuid
from random import Random
from urllib.parse import unquote, urlsplit

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import client
from client import Failed, Tagged, Worker
from ebbtide_worker import frames
from ebbtide_worker.cancellation import Cancellation
from ebbtide_worker.channel import BATCH, Channel
from ebbtide_worker.frames import (
    ARRAY, BOOL, BYTES, DATE, DATETIME, DECIMAL, DOUBLE, FLAG_KEY, FLAG_PLAIN, FLAG_ROWS, FLAG_SKIP, FLOAT, INTEGER,
    INTERVAL, JSON, MIDDLE_INTEGER, NULL, SERVER_TEXT, SMALL_INTEGER, TEXT, TIME, TIMESTAMP, UNREADABLE, UNSIGNED_INTEGER,
    UUID,
)  # fmt: skip
from ebbtide_worker.duckdb import DUCKDB_TYPES, duckdb_packer
from ebbtide_worker.mysql import pack_json, pack_raw
from ebbtide_worker.parameters import zone
from ebbtide_worker.postgres import postgres_packer
from ebbtide_worker.psycopg import SILENT
from ebbtide_worker.requests import LONGEST_JOINED, Requests
from ebbtide_worker.rows import ColumnPacker, HeldRows, Packer, length_of
from ebbtide_worker.shutdown import socket_by_number
from ebbtide_worker.values import pack_str, pack_text, pack_utf8

PYTHON = os.environ.get("EBBTIDE_TEST_BARE_PYTHON", sys.executable)
DRIVERS = os.environ.get("EBBTIDE_TEST_PYTHON", "")
MEMORY = ['":memory:"']
ENDLESS = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"
MANY = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t LIMIT {}) SELECT n, 'abcdefghij' FROM t"


class Case(unittest.TestCase):
    """A test with a worker. What it writes to standard error must be expected."""

    python = PYTHON
    expected_errors = ""
    tolerated_errors = "nothing but what is expected"

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.worker = Worker(self.python, {"PYTHONPATH": self.folder})
        self.code = 0

    def tearDown(self):
        self.assertEqual(self.worker.end(), self.code)
        errors = "".join(self.worker.errors)
        if self.tolerated_errors not in errors:
            self.assertEqual(errors, self.expected_errors)

    def module(self, name, text):
        """Makes a module that the worker finds."""
        with open(os.path.join(self.folder, name + ".py"), "w") as file:
            file.write(textwrap.dedent(text))
        return name

    def refused(self, word, function, *arguments, **keywords):
        """Returns the error of a call that must fail with a word of the sidecar."""
        with self.assertRaises(Failed) as caught:
            function(*arguments, **keywords)
        self.assertEqual((caught.exception.origin, caught.exception.kind), (1, word))
        return caught.exception

    def fails(self, origin, function, *arguments, **keywords):
        """Returns the error of a call that must fail."""
        with self.assertRaises(Failed) as caught:
            function(*arguments, **keywords)
        self.assertEqual(caught.exception.origin, origin, str(caught.exception))
        return caught.exception


class Process(Case):
    """The process itself."""

    def test_greets(self):
        version, about = self.worker.hello()
        self.assertEqual(version, 1)
        self.assertEqual(about["process"], str(self.worker.process.pid))
        self.assertEqual(about["runtime"], "CPython")

    def test_needs_its_files_only_to_start(self):
        folder = os.path.join(self.folder, "files")
        shutil.copytree(os.path.join(client.HERE, "ebbtide_worker"), os.path.join(folder, "ebbtide_worker"))
        other = Worker(self.python, folder=folder)
        other.hello()
        shutil.rmtree(folder)
        self.assertEqual(other.open("sqlite3", MEMORY).run("SELECT {}, 'a', x'00', 1.5", 1).rows, [[1, "a", b"\0", 1.5]])
        error = self.refused("module-missing", other.open, "ebbtide_nothing")
        self.assertNotIn(folder, error.causes[0])
        self.assertEqual(other.end(), 0)

    def test_refuses_another_version(self):
        self.refused("protocol", self.worker.hello, 2)

    def test_refuses_what_nobody_has_opened(self):
        nobody = client.Connection(self.worker, 9)
        self.assertTrue(self.refused("protocol", nobody.run, "SELECT 1").closed)
        nobody.close()
        connection = self.worker.open("sqlite3", MEMORY)
        self.refused("protocol", connection.open, "sqlite3", MEMORY, {}, False)
        connection.close()
        self.refused("protocol", connection.run, "SELECT 1")

    def test_refuses_a_broken_payload_and_goes_on(self):
        connection = self.worker.open("sqlite3", MEMORY)
        request = connection.send(frames.RUN, b"\0\0")
        self.refused("protocol", connection.answer, request)
        request = connection.send(77)
        self.refused("protocol", connection.answer, request)
        self.assertEqual(connection.run("SELECT 1").rows, [[1]])

    def test_answers_whatever_it_is_sent(self):
        random = Random(7)
        connection = self.worker.open("sqlite3", MEMORY)
        whole = struct.pack(">BI", FLAG_ROWS, 9) + frames.packed_str("SELECT ?") + b"\0\1\x12\0\0\0\1\2" + b"\0" * 8
        for _ in range(2000):
            payload = bytearray(whole if random.random() < 0.7 else random.getrandbits(8 * 24).to_bytes(24, "big"))
            for _ in range(random.randrange(4)):
                payload[random.randrange(len(payload))] = random.randrange(256)
            kind = random.choice([frames.RUN, frames.RUN, frames.BEGIN, frames.COMMIT, 99])
            try:
                connection.answer(connection.send(kind, bytes(payload[: random.randrange(len(payload) + 1)])))
            except Failed as error:
                self.assertIn(error.origin, (0, 1, 2), str(error))
        connection.close()

    def test_ends_at_a_frame_without_a_length(self):
        self.worker.process.stdin.write(b"\0" * 13)
        self.worker.process.stdin.flush()
        self.assertEqual(self.worker.process.wait(client.LIMIT), 2)
        self.code = 2

    def test_ends_with_its_input_whatever_runs(self):
        connection = self.worker.open("sqlite3", MEMORY)
        connection.send_run(ENDLESS)
        waiting = self.worker.open("sqlite3", MEMORY)
        request = waiting.send_run(MANY.format(10**6), credits=1)
        self.assertIsNotNone(request)

    def test_ends_if_nobody_reads_its_answers(self):
        command = [self.python, "-B", "-c", client.START, client.HERE]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdout.close()
        process.stdin.write(frames.frame(0, 1, frames.HELLO, b"\0\1"))
        process.stdin.flush()
        self.assertEqual(process.wait(client.LIMIT), 0)
        process.stdin.close()

    def test_b6_a_request_for_which_there_is_no_memory_fails_alone(self):
        self.module(
            "limits",
            """
            import resource
            from sqlite3 import *
            used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20), resource.RLIM_INFINITY))
            """,
        )
        connection = self.worker.open("limits", MEMORY)
        for length in (60 << 20, 300 << 20):
            error = self.refused("no-memory", connection.run, "SELECT length({})", b"\0" * length)
            self.assertFalse(error.closed)
            self.assertEqual(connection.run("SELECT length({})", b"\0" * 1000).rows, [[1000]])

    def test_b6_a_connection_for_which_there_is_no_thread_fails_alone(self):
        self.module(
            "threadless",
            """
            import threading
            from sqlite3 import *
            def start(thread):
                raise RuntimeError("can't start new thread")
            threading.Thread.start = start
            """,
        )
        connection = self.worker.open("threadless", MEMORY)
        error = self.refused("no-thread", self.worker.open, "sqlite3", MEMORY)
        self.assertIn("can't start new thread", error.message)
        request = connection.send_run(MANY.format(10**6), credits=1)
        for _ in range(2):
            self.worker.receive(connection.number)
        connection.cancel(request)
        self.refused("cancelled", connection.answer, request)
        self.assertEqual(connection.run("SELECT 1").rows, [[1]])

    def test_b6_the_last_answer_comes_before_what_is_refused_behind_it(self):
        self.module("breaks", SPY.format(style="qmark", savepoints=1))
        for _ in range(100):
            connection = self.worker.open("breaks")
            sent = [connection.send_run("raise ValueError('x')")] + [connection.send_run("one") for _ in range(20)]
            answers = [self.worker.receive(connection.number) for _ in sent]
            self.assertEqual([request for request, _, _ in answers], sent)
            self.assertEqual(Failed(answers[0][2]).origin, 3)

    def test_runs_channels_side_by_side(self):
        busy = self.worker.open("sqlite3", MEMORY)
        request = busy.send_run(ENDLESS)
        other = self.worker.open("sqlite3", MEMORY)
        self.assertEqual(other.run("SELECT 1").rows, [[1]])
        busy.cancel(request)
        self.assertRaises(Failed, busy.answer, request)


class Modules(Case):
    """What can be wrong with a module."""

    def test_is_missing(self):
        error = self.refused("module-missing", self.worker.open, "no_such_module")
        self.assertIn("no_such_module", error.message)
        self.assertIn(self.python, error.causes[0])
        self.assertIn(self.folder, error.causes[0])
        error = self.refused("module-missing", self.worker.open, "no_such.module:attribute")
        self.assertIn("no_such", error.message)

    def test_lacks_an_attribute(self):
        error = self.refused("attribute-missing", self.worker.open, "json:nothing")
        self.assertIn("nothing", error.message)

    def test_is_no_driver(self):
        error = self.refused("not-dbapi", self.worker.open, "json")
        self.assertIn("connect, paramstyle, threadsafety, apilevel, Error", error.message)

    def test_is_asynchronous(self):
        self.module("asynchronous", "async def connect(): pass")
        self.refused("not-dbapi", self.worker.open, "asynchronous")
        self.module("awaited", "async def other(): pass\nclass A:\n  def __await__(self): yield\ndef connect(): return A()")
        self.refused("not-dbapi", self.worker.open, "awaited")

    def test_fails_to_be_imported(self):
        bodies = {
            "raises": "raise ValueError('not today')",
            "exits": "import sys\nsys.exit(3)",
            "interrupts": "raise KeyboardInterrupt",
            "lacks": "import something_that_is_missing",
            "misspelled": "def (",
        }
        for name, body in bodies.items():
            self.module(name, body)
            error = self.refused("import-failed", self.worker.open, name)
            self.assertIn(name, error.message)
            self.assertTrue(any(line.startswith("Traceback") for line in error.causes))
        self.assertIn("not today", self.refused("import-failed", self.worker.open, "raises").message)

    def test_ends_the_process(self):
        self.module("leaves", "import os\nos._exit(7)")
        with self.assertRaises(EOFError):
            self.worker.open("leaves")
        self.code = 7

    def test_hangs_alone(self):
        self.module("hangs", "import threading\nthreading.Event().wait()")
        waiter = threading.Thread(target=self.assertRaises, args=(EOFError, self.worker.open, "hangs"))
        waiter.start()
        connection = client.Connection(self.worker, 100)
        connection.open("sqlite3", MEMORY, {}, False)
        self.assertEqual(connection.run("SELECT 1").rows, [[1]])
        self.worker.process.stdin.close()
        waiter.join()

    def test_b6_an_import_that_hangs_can_be_given_up(self):
        self.module("hangs", "import threading\nthreading.Event().wait()")
        connection = client.Connection(self.worker, 5)
        opening = connection.send(frames.OPEN, frames.packed_pairs([("module", "hangs")]))
        waiting = connection.send_run("SELECT 1")
        time.sleep(0.2)
        connection.cancel(opening)
        self.assertTrue(self.refused("cancelled", connection.answer, opening).closed)
        self.refused("protocol", connection.answer, waiting)
        self.refused("protocol", connection.run, "SELECT 1")
        self.assertEqual(self.worker.open("sqlite3", MEMORY).run("SELECT 1").rows, [[1]])

    def test_refuses_arguments(self):
        self.refused("bad-arguments", self.worker.open, "sqlite3", ["1", "2"], {"nonsense": "1"})
        self.refused("bad-arguments", self.worker.open, "sqlite3", ["not json"])

    def test_b9_an_argument_that_connect_does_not_have_is_named(self):
        error = self.refused("bad-arguments", self.worker.open, "sqlite3", ['":memory:"'], {"tiemout": "1"})
        self.assertIn("sqlite3.connect has no argument `tiemout`", str(error))
        self.assertEqual(dict(error.details)["option"], "tiemout")
        self.assertIn("timeout", dict(error.details)["known"].split(","))

    def test_b6_a_sign_of_life_is_one_that_the_database_knows(self):
        module = "import sqlite3\nfrom sqlite3 import Error\n"
        module += "class Connection(sqlite3.Connection):\n"
        module += "    def cursor(self): return super().cursor(Cursor)\n"
        module += "class Cursor(sqlite3.Cursor):\n"
        module += "    def execute(self, sql, *rest):\n"
        module += "        if sql == 'SELECT 1': raise Error('FROM is missing')\n"
        module += "        return super().execute(sql, *rest)\n"
        module += "def connect(path): return sqlite3.connect(path, factory=Connection, check_same_thread=False)\n"
        self.module("strict", module)
        connection = self.worker.open("strict", ['":memory:"'])
        connection.answer(connection.send(frames.PING))

    def test_refuses_to_connect(self):
        error = self.fails(0, self.worker.open, "sqlite3", ['"/no/such/folder/file.db"'])
        self.assertEqual(error.kind, "sqlite3.OperationalError")
        self.assertTrue(error.closed)

    def test_finds_an_attribute(self):
        connection = self.worker.open("sqlite3:dbapi2", MEMORY)
        self.assertEqual(connection.about["product"], "SQLite")


class Printing(Case):
    """A module that prints and reads."""

    expected_errors = "one\ntwo\n3\n"

    def test_leaves_the_pipes_alone(self):
        self.module(
            "prints",
            """
            import os, sys
            from sqlite3 import *
            print("one")
            os.write(1, b"two\\n")
            print(len(sys.stdin.read()) + 3)
            """,
        )
        connection = self.worker.open("prints", MEMORY)
        self.assertEqual(connection.run("SELECT 1").rows, [[1]])


SPY = """
import datetime, decimal, enum, sqlite3, uuid
paramstyle = {style!r}
threadsafety = 0
__version__ = "1.2"
class Warning(Exception): pass
class Error(Exception): pass
class NotSupportedError(Error): pass
log = []
class Cursor:
    rowcount = -1
    description = None
    rows = ()
    def execute(self, *arguments):
        log.append(repr(arguments))
        text = arguments[0]
        if text == "log":
            self.rows = [(line,) for line in log[:-1]]
            del log[:]
        elif text.startswith("raise "):
            raise eval(text[6:])
        elif text.startswith("value "):
            self.rows = [eval(text[6:])]
        elif text.startswith("SAVEPOINT") and {savepoints} == 0:
            raise Error("no savepoints")
        else:
            self.rowcount = 3
        if self.rows:
            self.description = [("c%d" % number, None, None, None, None, None, None) for number in range(len(self.rows[0]))]
        if getattr(self, "short", False):
            del self.description[0]
    def fetchmany(self, count):
        found, self.rows = self.rows[:count], self.rows[count:]
        return found
    def nextset(self):
        raise NotSupportedError("one set")
    def close(self):
        pass
class Connection:
    def cursor(self): return Cursor()
    def commit(self): log.append("commit")
    def rollback(self): log.append("rollback")
    def close(self): pass
class Text(str): pass
class Colour(enum.IntEnum):
    RED = 1
def connect(*arguments, **keywords):
    log.append("connect %r %r" % (arguments, keywords))
    return Connection()
"""


class Generic(Case):
    """Modules of which nothing is known."""

    def spy(self, style="qmark", savepoints=1, *arguments, **keywords):
        """Returns a connection of a module that notes what it is told."""
        name = self.module("spy_{}_{}".format(style, savepoints), SPY.format(style=style, savepoints=savepoints))
        connection = self.worker.open(name, *arguments, **keywords)
        connection.run("log")
        connection.run("log")
        return connection

    def logged(self, connection):
        """Returns what was noted since the last time."""
        return [row[0] for row in connection.run("log").rows if row[0] != "('log',)"]

    def test_binds_in_each_style(self):
        forms = {
            "qmark": "('?, ?', (1, 'a'))",
            "numeric": "(':1, :2', (1, 'a'))",
            "format": "('%s, %s', (1, 'a'))",
            "named": "(':p1, :p2', {'p1': 1, 'p2': 'a'})",
            "pyformat": "('%(p1)s, %(p2)s', {'p1': 1, 'p2': 'a'})",
        }
        for style, form in forms.items():
            connection = self.spy(style)
            self.assertEqual(connection.about["paramstyle"], style)
            connection.run("{}, {}", 1, "a")
            connection.run("without 100%")
            self.assertEqual(self.logged(connection), ["commit", form, "commit", "('without 100%',)", "commit"])

    def test_tells_about_itself(self):
        about = self.spy(savepoints=0).about
        told = {name: about.get(name) for name in ("transactions", "savepoints", "stream", "cancel", "threads", "folding")}
        expected = {"transactions": "api", "savepoints": "0", "stream": "0", "cancel": "0", "threads": "0", "folding": "none"}
        self.assertEqual(told, expected)
        self.assertEqual(about["driver-version"], "1.2")
        self.assertEqual(self.spy().about["savepoints"], "1")

    def test_passes_arguments(self):
        name = self.module("spy", SPY.format(style="qmark", savepoints=1))
        connection = self.worker.open(name, ["1", '"a=b"'], {"key": '{"a": [null]}'})
        self.assertIn("connect (1, 'a=b') {'key': {'a': [None]}}", connection.run("log").rows[0])

    def test_commits_each_statement_outside_and_none_inside(self):
        connection = self.spy()
        self.assertEqual(connection.run("one").count, 3)
        self.fails(0, connection.run, "raise Error('no')")
        connection.begin("NEVER SENT")
        connection.run("two")
        self.fails(0, connection.run, "raise Error('no')")
        connection.commit()
        connection.begin(first="SET IT")
        connection.run("three")
        connection.rollback()
        expected = ["commit", "('one',)", "commit", "(\"raise Error('no')\",)", "rollback"]
        expected += ["('two',)", "(\"raise Error('no')\",)", "commit", "('SET IT',)", "('three',)", "rollback"]
        self.assertEqual(self.logged(connection), expected)

    def test_cannot_set_levels(self):
        connection = self.spy()
        self.refused("unsupported", connection.begin, isolation=4)
        self.refused("unsupported", connection.begin, read_only=1)
        connection.run("one")
        self.assertEqual(self.logged(connection)[-2:], ["('one',)", "commit"])

    def test_tells_errors_apart(self):
        connection = self.spy()
        error = self.fails(0, connection.run, "raise Error('40001', 'again')")
        self.assertEqual((error.kind, error.sqlstate), ("spy_qmark_1.Error", "40001"))
        self.fails(0, connection.run, "raise Warning('not an Error')")
        for text in ("ValueError('x')", "KeyboardInterrupt", "SystemExit(3)", "MemoryError", "GeneratorExit"):
            error = self.fails(3, connection.run, "raise " + text)
            self.assertTrue(error.closed)
            self.refused("protocol", connection.run, "one")
            connection = self.spy()

    def test_b6_what_waits_is_answered_when_the_channel_ends(self):
        connection = self.spy()
        sent = [connection.send_run("raise ValueError('x')"), connection.send_run("one"), connection.send(frames.CLOSE)]
        self.fails(3, connection.answer, sent[0])
        self.refused("protocol", connection.answer, sent[1])
        connection.answer(sent[2])

    def test_b6_the_last_answer_of_a_channel_comes_before_what_is_asked_later(self):
        self.module(
            "racing",
            """
            import threading
            from ebbtide_worker.channel import Channel
            from ebbtide_worker.process import Output
            ending, later = threading.Event(), threading.Event()
            put, write = Channel.put, Output.write
            def noted(self, request, kind, payload):
                if request == 3:
                    ending.wait(10)
                put(self, request, kind, payload)
                if request == 3:
                    later.set()
            def late(self, data):
                if b"it ends" in data:
                    ending.set()
                    later.wait(10)
                write(self, data)
            Channel.put, Output.write = noted, late
            """,
        )
        self.module("racing_spy", SPY.format(style="qmark", savepoints=1) + "import racing\n")
        connection = self.worker.open("racing_spy")
        sent = [connection.send_run("raise ValueError('it ends')"), connection.send(frames.CLOSE)]
        self.fails(3, connection.answer, sent[0])
        connection.answer(sent[1])

    @unittest.skipUnless(sys.platform == "linux", "limits of another process are those of Linux")
    def test_b6_what_memory_does_not_suffice_for_fails_alone(self):
        connection, other = self.spy(), self.spy()
        self.limit_memory(200 << 20)
        request, later = connection.send_run("{}", b"x" * (200 << 20)), connection.send_run("one")
        error = self.refused("no-memory", connection.answer, request)
        self.assertFalse(error.closed)
        self.assertEqual(connection.answer(later).count, 3)
        error = self.fails(3, connection.run, "value (bytes(300 << 20),)")
        self.assertEqual((error.kind, error.closed), ("builtins.MemoryError", True))
        self.assertEqual(other.run("one").count, 3)

    def test_b6_a_request_that_cannot_be_answered_ends_its_channel_alone(self):
        self.module(
            "unanswerable",
            """
            from ebbtide_worker.channel import Channel
            from ebbtide_worker.frames import RUN
            from ebbtide_worker.requests import Requests
            answered, take = Channel.answered, Requests.take
            def failing(self, taken, texts):
                if taken[0][1] == RUN and b"no answer" in taken[0][2].data:
                    raise MemoryError
                return answered(self, taken, texts)
            def failing_take(self, joins):
                found = take(self, joins)
                if found[0][0][1] == RUN and b"not taken" in found[0][0][2].data:
                    raise MemoryError
                return found
            Channel.answered, Requests.take = failing, failing_take
            """,
        )
        self.module("unanswerable_spy", SPY.format(style="qmark", savepoints=1) + "import unanswerable\n")
        other = self.worker.open("unanswerable_spy")
        for text in ("no answer", "not taken"):
            connection = self.worker.open("unanswerable_spy")
            sent = [connection.send_run(text), connection.send_run("one"), connection.send(frames.CLOSE)]
            error = self.fails(3, connection.answer, sent[0])
            self.assertEqual((error.kind, error.closed), ("MemoryError", True))
            self.refused("protocol", connection.answer, sent[1])
            connection.answer(sent[2])
            self.assertEqual(other.run("one").count, 3)

    @unittest.skipUnless(sys.platform == "linux", "limits of another process are those of Linux")
    def test_b6_a_connection_without_a_thread_is_an_error_of_its_own(self):
        connection = self.spy()
        # No stack for another one.
        self.limit_memory(500000)
        error = self.refused("no-thread", self.spy)
        self.assertTrue(error.closed)
        self.assertEqual(connection.run("one").count, 3)
        self.limit_memory(1 << 40)
        self.assertEqual(self.spy().run("one").count, 3)

    def limit_memory(self, more):
        """Lets the worker have some more memory than it has."""
        import resource

        process = self.worker.process.pid
        with open("/proc/{}/statm".format(process)) as sizes:
            size = int(sizes.read().split()[0]) * resource.getpagesize()
        resource.prlimit(process, resource.RLIMIT_AS, (size + more, resource.RLIM_INFINITY))

    def test_survives_errors_that_cannot_be_read(self):
        connection = self.spy()
        self.fails(3, connection.run, "raise type('E', (Error,), {'__str__': None})()")

    def test_tells_causes(self):
        self.module(
            "chained",
            """
            class Error(Exception): pass
            def connect():
                try:
                    raise OSError("no route")
                except OSError as error:
                    raise Error("lost") from error
            """,
        )
        error = self.fails(0, self.worker.open, "chained")
        self.assertEqual((error.message, error.causes), ("lost", ["OSError: no route"]))

    def test_reads_values_by_type(self):
        values = [
            ("None", NULL, None),
            ("True", BOOL, True),
            ("Colour.RED", INTEGER, 1),
            ("2**63 - 1", INTEGER, 2**63 - 1),
            ("-2**63", INTEGER, -(2**63)),
            ("2**63", UNSIGNED_INTEGER, 2**63),
            ("2**64 - 1", UNSIGNED_INTEGER, 2**64 - 1),
            ("2**64", DECIMAL, str(2**64)),
            ("-2**64", DECIMAL, str(-(2**64))),
            ("5e-324", DOUBLE, 5e-324),
            ("float('-inf')", DOUBLE, float("-inf")),
            ("decimal.Decimal('1E+5')", DECIMAL, "100000"),
            ("decimal.Decimal('-1E-28')", DECIMAL, "-0.0000000000000000000000000001"),
            ("decimal.Decimal('NaN')", DECIMAL, "NaN"),
            ("''", TEXT, ""),
            ("'a\\0\\U0001F600'", TEXT, "a\0\U0001f600"),
            ("Text('t')", TEXT, "t"),
            ("b''", BYTES, b""),
            ("bytearray(b'\\xff')", BYTES, b"\xff"),
            ("memoryview(b'\\0')", BYTES, b"\0"),
            ("datetime.date(1, 1, 1)", DATE, "0001-01-01"),
            ("datetime.time.max", TIME, "23:59:59.999999"),
            ("datetime.datetime.max", DATETIME, "9999-12-31 23:59:59.999999"),
            ("datetime.datetime(1, 1, 1)", DATETIME, "0001-01-01 00:00:00"),
            ("datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)", TIMESTAMP, "2026-01-01 00:00:00+00:00"),
            ("datetime.timedelta(days=-1, microseconds=1)", INTERVAL, (0, -1, 1)),
            ("datetime.timedelta.max", INTERVAL, (0, 999999999, 86399999999)),
            ("uuid.UUID(int=1)", UUID, "00000000-0000-0000-0000-000000000001"),
            ("[1, None, ['a']]", ARRAY, [(INTEGER, 1), (NULL, None), (ARRAY, [(TEXT, "a")])]),
            ("(1,)", ARRAY, [(INTEGER, 1)]),
            ("{'a': [1, None, 1.5, True, 'ä']}", JSON, '{"a":[1,null,1.5,true,"ä"]}'),
        ]
        connection = self.spy()
        sql = "value ({},)".format(", ".join(text for text, _, _ in values))
        read = connection.run(sql).tagged[0]
        self.assertEqual(read, [(tag, value) for _, tag, value in values])

    def test_refuses_rows_that_are_not_as_described(self):
        connection = self.spy()
        error = self.fails(3, connection.run, "value (1, 2) if not self.__dict__.update(short=True) else 0")
        self.assertEqual(error.kind, "ebbtide.WrongColumns")

    def test_b2_rows_of_uneven_width_are_refused(self):
        uneven = """
            class Uneven(Cursor):
                def execute(self, text):
                    given = text.startswith("[")
                    Cursor.execute(self, "value (1, 2)" if given else text)
                    self.rows = eval(text) if given else ()
            Connection.cursor = lambda self: Uneven()
        """
        name = self.module("uneven", SPY.format(style="qmark", savepoints=0) + textwrap.dedent(uneven))
        self.assertEqual(self.worker.open(name).run("[(1, 2)] * 5").rows, [[1, 2]] * 5)
        for odd in ("(3,)", "(3, 4, 5)", "()"):
            for text in ("[(1, 2), {}]", "[(1, 2)] * 9 + [{}] + [(1, 2)] * 9", "[(1, 2)] * 600 + [{}]"):
                error = self.fails(3, self.worker.open(name).run, text.format(odd))
                self.assertEqual((error.kind, error.closed), ("ebbtide.WrongColumns", True))

    def test_b6_rows_that_are_larger_than_those_before_are_not_held_by_the_thousand(self):
        growing = """
            fetched = 0
            class Growing(Cursor):
                def execute(self, text):
                    if text != "grow":
                        return Cursor.execute(self, text)
                    self.description = [("c", None, None, None, None, None, None)]
                    self.rows = [("tiny",)] * 16 + [("large" * 4000,), (None,)] * 1500
                def fetchmany(self, count):
                    global fetched
                    found = Cursor.fetchmany(self, count)
                    fetched += len(found)
                    return found
            Connection.cursor = lambda self: Growing()
        """
        name = self.module("growing", SPY.format(style="qmark", savepoints=1) + textwrap.dedent(growing))
        connection, other = self.worker.open(name), self.worker.open(name)
        request = connection.send_run("grow", credits=1)
        ((_, kind, _), (_, _, first)) = [self.worker.receive(connection.number) for _ in range(2)]
        self.assertEqual(kind, frames.COLUMNS)
        ((fetched,),) = other.run("value (fetched,)").rows
        self.assertLessEqual(fetched, 16 + 32)
        count = first.number("I")
        connection.more(request, 1 << 20)
        while kind != frames.DONE:
            _, kind, payload = self.worker.receive(connection.number)
            if kind in (frames.ROWS, frames.BLOCK):
                self.assertLessEqual(len(payload.data), 2 * BATCH)
                count += payload.number("I")
        self.assertEqual(count, 3016)

    def test_reads_the_rest_of_a_row_with_an_unreadable_value(self):
        connection = self.spy()
        sql = "value (1, '\\ud800', object(), {1: 2}, [object()], {'a': float('nan')}, 'b')"
        first, *bad, last = connection.run(sql).tagged[0]
        self.assertEqual((first, last), ((INTEGER, 1), (TEXT, "b")))
        self.assertEqual([tag for tag, _ in bad], [UNREADABLE] * 5)
        self.assertIn("surrogate", bad[0][1].reason)
        self.assertIn("object", bad[1][1].reason)

    def test_binds_values_as_objects(self):
        connection = self.spy()
        values = [
            (Tagged(NULL, None), "None"),
            (True, "True"),
            (Tagged(SMALL_INTEGER, -1), "-1"),
            (Tagged(MIDDLE_INTEGER, 1), "1"),
            (Tagged(UNSIGNED_INTEGER, 2**64 - 1), str(2**64 - 1)),
            (Tagged(FLOAT, 0.5), "0.5"),
            (float("inf"), "inf"),
            (Tagged(DECIMAL, "0.00000001"), "Decimal('1E-8')"),
            ("a\0", "'a\\x00'"),
            (b"\0", "b'\\x00'"),
            (Tagged(DATE, "2026-12-01"), "datetime.date(2026, 12, 1)"),
            (Tagged(DATE, "+12026-12-01"), "'+12026-12-01'"),
            (Tagged(TIME, "03:04:05.000006"), "datetime.time(3, 4, 5, 6)"),
            (Tagged(TIME, "24:00:00"), "'24:00:00'"),
            (Tagged(DATETIME, "2026-12-01 03:04:05.1"), "datetime.datetime(2026, 12, 1, 3, 4, 5, 100000)"),
            (Tagged(DATETIME, "2026-12-01 03:04:05.123456789"), "'2026-12-01 03:04:05.123456789'"),
            (
                Tagged(TIMESTAMP, "2026-12-01 03:04:05Z"),
                "datetime.datetime(2026, 12, 1, 3, 4, 5, tzinfo=datetime.timezone.utc)",
            ),
            (Tagged(UUID, "00000000-0000-0000-0000-000000000001"), "'00000000-0000-0000-0000-000000000001'"),
            (Tagged(INTERVAL, (0, 1, 0)), "datetime.timedelta("),
            (Tagged(ARRAY, [1, Tagged(NULL, None)]), "[1, None]"),
        ]
        for value, written in values:
            connection.run("{}", value)
            self.assertIn("('?', ({}".format(written), self.logged(connection)[1])
        self.refused("bad-arguments", connection.run, "{}", Tagged(INTERVAL, (1, 0, 0)))


class Sqlite(Case):
    """The module sqlite3, and what all others share with it."""

    driver = "sqlite3"

    def setUp(self):
        super().setUp()
        self.connection = self.worker.open(self.driver, MEMORY)

    def one(self, sql, *parameters):
        """Returns tag and value of a statement's only value."""
        ((found,),) = self.connection.run(sql, *parameters).tagged
        return found

    def test_tells_about_itself(self):
        about = self.connection.about
        expected = {"product": "SQLite", "transactions": "text", "savepoints": "1", "stream": "1", "cancel": "1"}
        self.assertEqual({name: about[name] for name in expected}, expected)

    def test_keeps_values(self):
        values = [
            (None, NULL, None),
            (True, INTEGER, 1),
            (2**63 - 1, INTEGER, 2**63 - 1),
            (-(2**63), INTEGER, -(2**63)),
            (Tagged(UNSIGNED_INTEGER, 2**63 - 1), INTEGER, 2**63 - 1),
            (1.7976931348623157e308, DOUBLE, 1.7976931348623157e308),
            (5e-324, DOUBLE, 5e-324),
            (float("-inf"), DOUBLE, float("-inf")),
            (Tagged(FLOAT, struct.unpack("f", struct.pack("f", 0.1))[0]), DOUBLE, 0.10000000149011612),
            (Tagged(DECIMAL, "1234567890123456789012345678.90"), TEXT, "1234567890123456789012345678.90"),
            ("", TEXT, ""),
            ("a\0b\U0001f600", TEXT, "a\0b\U0001f600"),
            (b"", BYTES, b""),
            (b"\0\xff", BYTES, b"\0\xff"),
            (Tagged(DATE, "2026-12-01"), TEXT, "2026-12-01"),
            (Tagged(TIMESTAMP, "2026-12-01T03:04:05Z"), TEXT, "2026-12-01T03:04:05Z"),
            (Tagged(JSON, "{}"), TEXT, "{}"),
            (Tagged(SERVER_TEXT, "x"), TEXT, "x"),
        ]
        for value, tag, read in values:
            self.assertEqual(self.one("SELECT {}", value), (tag, read))
        self.refused("bad-arguments", self.connection.run, "SELECT {}", Tagged(UNSIGNED_INTEGER, 2**63))
        self.assertEqual(self.one("SELECT 1"), (INTEGER, 1))

    def test_reads_text_that_is_none_as_unreadable(self):
        row = self.connection.run("SELECT 1, CAST(x'ff' AS TEXT), 'b'").tagged[0]
        self.assertEqual([tag for tag, _ in row], [INTEGER, UNREADABLE, TEXT])

    def test_tells_columns_of_no_rows(self):
        done = self.connection.run("SELECT 1 AS a, 2 AS a WHERE 0")
        self.assertEqual([column.name for column in done.columns], ["a", "a"])
        self.assertEqual(done.rows, [])

    def test_throws_rows_away_that_nobody_wants(self):
        done = self.connection.run(MANY.format(10000), flags=0, credits=0)
        self.assertEqual((done.columns, done.sets), (None, []))

    def test_counts(self):
        run = self.connection.run
        self.assertIn(run("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)").count, (-1, 0))
        done = run("INSERT INTO t (a) VALUES ({})", "x", flags=FLAG_KEY)
        self.assertEqual((done.count, done.key), (1, 1))
        done = run("INSERT OR IGNORE INTO t VALUES (1, 'x')", flags=FLAG_KEY)
        self.assertEqual((done.count, done.key), (0, None))
        done = run("INSERT INTO t (a) VALUES ('y'), ('z')")
        self.assertEqual((done.count, done.key), (2, None))
        self.assertEqual(run("/* x */ UPDATE t SET a = 'u' WHERE id > 1").count, 2)
        self.assertEqual(run("WITH n AS (SELECT 1 AS i) DELETE FROM t WHERE id IN (SELECT i FROM n)").count, 1)
        self.assertIn(run("DELETE FROM t WHERE 0").count, (-1, 0))

    def test_sees_changed_tables(self):
        run = self.connection.run
        run("CREATE TABLE t (a)")
        run("INSERT INTO t VALUES (1)")
        for names in (["a"], ["a", "b"], ["z", "b"], ["z"]):
            if names == ["a", "b"]:
                run("ALTER TABLE t ADD b")
            elif names == ["z", "b"]:
                run("ALTER TABLE t RENAME COLUMN a TO z")
            elif names == ["z"]:
                run("DROP TABLE t")
                run("CREATE TABLE t AS SELECT 1 AS z")
            done = run("SELECT * FROM t")
            self.assertEqual([column.name for column in done.columns], names)
            self.assertEqual([len(row) for row in done.rows], [len(names)])

    def test_returns_rows_of_inserts(self):
        self.connection.run("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        done = self.connection.run("INSERT INTO t VALUES (1), (2) RETURNING id")
        self.assertEqual(done.rows, [[1], [2]])
        self.assertEqual(self.one("SELECT count(*) FROM t"), (INTEGER, 2))

    def test_runs_one_statement_a_call(self):
        if self.driver == "sqlite3":
            error = self.fails(0, self.connection.run, "SELECT 1; SELECT 2")
            self.assertIn(error.kind, ("sqlite3.Warning", "sqlite3.ProgrammingError"))
        self.assertEqual(self.one("SELECT 1;"), (INTEGER, 1))

    def test_transactions(self):
        run = self.connection.run
        run("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        self.connection.begin("BEGIN IMMEDIATE")
        run("INSERT INTO t VALUES (1)")
        run("SAVEPOINT s")
        run("INSERT INTO t VALUES (2)")
        self.fails(0, run, "INSERT INTO t VALUES (2)")
        run("ROLLBACK TO s")
        run("RELEASE s")
        self.connection.commit()
        self.connection.begin("BEGIN")
        run("DELETE FROM t")
        self.connection.rollback()
        self.assertEqual(run("SELECT a FROM t").rows, [[1]])
        self.fails(0, self.connection.commit)
        self.fails(0, self.connection.rollback)

    def test_b6_a_commit_that_fails_is_told_and_leaves_the_transaction(self):
        run = self.connection.run
        run("PRAGMA foreign_keys = ON")
        run("CREATE TABLE a (id INTEGER PRIMARY KEY)")
        run("CREATE TABLE b (a INTEGER REFERENCES a DEFERRABLE INITIALLY DEFERRED)")
        self.connection.begin()
        run("INSERT INTO b VALUES (1)")
        self.assertEqual(self.fails(0, self.connection.commit).code, 787)
        self.connection.rollback()
        self.assertEqual(self.one("SELECT count(*) FROM b"), (INTEGER, 0))

    def test_skips_what_follows_a_failure(self):
        run = self.connection.send_run
        sent = [run("SELECT 1"), run("SELECT nothing"), run("SELECT 2", flags=FLAG_SKIP | FLAG_ROWS)]
        sent.append(self.connection.send(frames.COMMIT, struct.pack("B", FLAG_SKIP)))
        sent += [run("SELECT 3"), run("SELECT 4", flags=FLAG_SKIP | FLAG_ROWS)]
        self.assertEqual(self.connection.answer(sent[0]).rows, [[1]])
        self.fails(0, self.connection.answer, sent[1])
        self.fails(2, self.connection.answer, sent[2])
        self.fails(2, self.connection.answer, sent[3])
        self.assertEqual(self.connection.answer(sent[4]).rows, [[3]])
        self.assertEqual(self.connection.answer(sent[5]).rows, [[4]])

    def test_waits_for_credits(self):
        request = self.connection.send_run(MANY.format(100000), credits=2)
        receive = self.worker.receive
        kinds = [receive(self.connection.number)[1] for _ in range(3)]
        self.assertEqual(kinds, [frames.COLUMNS, frames.BLOCK, frames.BLOCK])
        with self.assertRaises(queue.Empty):
            self.worker.mailboxes[self.connection.number].get(timeout=0.2)
        self.connection.more(request + 7, 5)
        self.connection.more(request, 1)
        _, kind, payload = receive(self.connection.number)
        self.assertEqual(kind, frames.BLOCK)
        self.assertTrue(BATCH // 2 <= len(payload.data) <= 2 * BATCH)
        self.connection.more(request, 1 << 20)
        while kind == frames.BLOCK:
            _, kind, payload = receive(self.connection.number)
        self.assertEqual(kind, frames.DONE)

    def test_sends_every_row_once(self):
        done = self.connection.run(MANY.format(50000))
        self.assertEqual([row[0] for row in done.rows], list(range(1, 50001)))
        self.assertTrue(10 < done.batches < 40, done.batches)

    def test_sends_large_values(self):
        done = self.connection.run(
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t LIMIT 5) SELECT randomblob(300000) FROM t"
        )
        self.assertEqual([len(row[0]) for row in done.rows], [300000] * 5)
        self.assertEqual(done.batches, 5)

    def test_cancels_what_runs(self):
        for pause in (0, 0.001, 0.01, 0.1) * 3:
            request = self.connection.send_run(ENDLESS)
            time.sleep(pause)
            self.connection.cancel(request)
            with self.assertRaises(Failed) as caught:
                self.connection.answer(request)
            error = caught.exception
            self.assertIn((error.origin, error.code, error.kind), [(0, 9, error.kind), (1, 0, "cancelled")])
            self.assertFalse(error.closed)
            self.assertEqual(self.one("SELECT 1"), (INTEGER, 1))

    def test_cancels_what_waits_for_its_turn(self):
        first = self.connection.send_run(ENDLESS)
        second = self.connection.send_run(ENDLESS)
        third = self.connection.send_run("SELECT 3")
        self.connection.cancel(second)
        self.connection.cancel(first)
        self.assertRaises(Failed, self.connection.answer, first)
        self.refused("cancelled", self.connection.answer, second)
        self.assertEqual(self.connection.answer(third).rows, [[3]])

    def test_cancels_what_waits_for_credits(self):
        request = self.connection.send_run(MANY.format(10**9), credits=1)
        self.assertEqual(self.worker.receive(self.connection.number)[1], frames.COLUMNS)
        self.assertEqual(self.worker.receive(self.connection.number)[1], frames.BLOCK)
        self.connection.cancel(request)
        with self.assertRaises(Failed) as caught:
            self.connection.answer(request)
        self.assertIn((caught.exception.origin, caught.exception.code), [(0, 9), (1, 0)])
        self.assertEqual(self.one("SELECT 1"), (INTEGER, 1))

    def test_ignores_cancels_of_others(self):
        self.connection.cancel(77)
        request = self.connection.send_run("SELECT 1")
        self.connection.cancel(request - 1)
        self.assertEqual(self.connection.answer(request).rows, [[1]])
        self.connection.cancel(request)
        self.assertEqual(self.one("SELECT 2"), (INTEGER, 2))

    def test_tells_codes(self):
        run = self.connection.run
        run("CREATE TABLE t (a INTEGER UNIQUE NOT NULL, CHECK (a > 0))")
        run("INSERT INTO t VALUES (1)")
        self.assertEqual(self.fails(0, run, "INSERT INTO t VALUES (1)").code, 2067)
        self.assertEqual(self.fails(0, run, "INSERT INTO t VALUES (NULL)").code, 1299)
        self.assertEqual(self.fails(0, run, "INSERT INTO t VALUES (0)").code, 275)
        self.assertEqual(self.fails(0, run, "SELECT * FROM nothing").code, 1)

    def test_tells_that_a_file_is_locked(self):
        path = json.dumps(os.path.join(self.folder, "file.db"))
        one, two = self.worker.open(self.driver, [path]), self.worker.open(self.driver, [path])
        two.run("PRAGMA busy_timeout = 0")
        one.run("CREATE TABLE t (a)")
        one.begin("BEGIN IMMEDIATE")
        one.run("INSERT INTO t VALUES (1)")
        self.assertEqual(self.fails(0, two.begin, "BEGIN IMMEDIATE").code & 255, 5)
        one.commit()
        self.assertEqual(two.run("SELECT * FROM t").rows, [[1]])

    def test_pings(self):
        self.assertEqual(self.connection.ping().count, -1)

    def test_closes(self):
        self.connection.close()
        self.refused("protocol", self.connection.ping)


class Settings(Case):
    """What a user may say to sqlite3 and the worker decides."""

    def test_keeps_its_own_transactions_and_converters(self):
        settings = {"isolation_level": '"IMMEDIATE"', "detect_types": "3", "check_same_thread": "true"}
        if sys.version_info >= (3, 12) and PYTHON == sys.executable:
            settings["autocommit"] = "false"
        path = json.dumps(os.path.join(self.folder, "file.db"))
        connection = self.worker.open("sqlite3", [path], settings)
        connection.run("CREATE TABLE t (a date)")
        connection.run("INSERT INTO t VALUES ('2026-12-01')")
        self.assertEqual(
            self.worker.open("sqlite3", [path, "1.5", "1"]).run("SELECT a FROM t").tagged, [[(TEXT, "2026-12-01")]]
        )


def address(name):
    """Returns host, port, user, password and database of a URL in the environment."""
    parts = urlsplit(os.environ[name])
    found = {"host": parts.hostname, "port": parts.port, "user": unquote(parts.username or "")}
    found["database"] = parts.path.lstrip("/")
    if parts.password:
        found["password"] = unquote(parts.password)
    return {key: json.dumps(value) for key, value in found.items() if value is not None}


HAS_DRIVERS = unittest.skipUnless(DRIVERS, "EBBTIDE_TEST_PYTHON is not set: an interpreter of scripts/drivers-python")
HAS_POSTGRES = unittest.skipUnless("EBBTIDE_TEST_POSTGRES_URL" in os.environ, "EBBTIDE_TEST_POSTGRES_URL is not set")
HAS_MYSQL = unittest.skipUnless("EBBTIDE_TEST_MYSQL_URL" in os.environ, "EBBTIDE_TEST_MYSQL_URL is not set")


@HAS_DRIVERS
class Apsw(Sqlite):
    """The module apsw."""

    python = DRIVERS
    driver = "apsw"

    def test_reads_text_that_is_none_as_unreadable(self):
        # The module fails the row; the connection is fine.
        self.fails(0, self.connection.run, "SELECT 1, CAST(x'ff' AS TEXT), 'b'")
        self.assertEqual(self.one("SELECT 1"), (INTEGER, 1))

    def test_tells_no_key_of_a_table_without_rowids(self):
        self.connection.run("CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID")
        self.connection.run("CREATE TABLE u (a INTEGER PRIMARY KEY)")
        self.assertEqual(self.connection.run("INSERT INTO u VALUES (7)", flags=FLAG_KEY).key, 7)
        self.assertIsNone(self.connection.run("INSERT INTO t VALUES ('x')", flags=FLAG_KEY).key)

    def test_tells_declared_types(self):
        self.connection.run("CREATE TABLE t (a BOOLEAN, b DECIMAL(5, 2))")
        columns = self.connection.run("SELECT a, b, a + 1 FROM t").columns
        self.assertEqual([(column.type, column.flags) for column in columns], [("BOOLEAN", 2), ("DECIMAL(5, 2)", 0), ("", 0)])


class Gate:
    """A gate in front of a server, which can be shut: then nothing passes, and nothing is refused."""

    def __init__(self, port, path=None):
        self.port = port
        self.is_open = True
        self.sockets = [socket.socket(socket.AF_INET if path is None else socket.AF_UNIX)]
        self.sockets[0].bind(path or ("127.0.0.1", 0))
        self.sockets[0].listen()
        self.address = path or self.sockets[0].getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        """Takes connections."""
        while self.is_open:
            try:
                client = self.sockets[0].accept()[0]
            except OSError:
                return
            self.sockets.append(client)
            if self.is_open:
                server = socket.create_connection(("127.0.0.1", self.port))
                self.sockets.append(server)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self.copy, args=pair, daemon=True).start()

    def copy(self, source, target):
        """Lets bytes pass, and their end."""
        while True:
            try:
                data = source.recv(1 << 16)
                if not self.is_open:
                    return
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)
            except OSError:
                return

    def close(self):
        """Closes all."""
        self.is_open = False
        for each in self.sockets:
            each.close()


class Server(Case):
    """What modules of servers have in common."""

    python = DRIVERS

    def setUp(self):
        super().setUp()
        self.connection = self.worker.open(self.driver, (), self.settings())

    def one(self, sql, *parameters):
        """Returns type name, tag and value of a statement's only value."""
        done = self.connection.run(sql, *parameters)
        ((found,),) = done.tagged
        return (done.columns[0].type,) + found

    def temporary(self, columns):
        """Makes a temporary table t."""
        self.connection.run("CREATE TEMPORARY TABLE t ({})".format(columns))

    def test_counts(self):
        self.temporary("a INTEGER")
        self.assertEqual(self.connection.run("INSERT INTO t VALUES (1), (2)").count, 2)
        self.assertEqual(self.connection.run("UPDATE t SET a = 1").count, 2)
        self.assertEqual(self.connection.run("DELETE FROM t WHERE a = {}", 1).count, 2)

    def test_transactions(self):
        self.temporary("a INTEGER PRIMARY KEY")
        run = self.connection.run
        self.connection.begin(self.begin)
        run("INSERT INTO t VALUES (1)")
        run("SAVEPOINT s")
        self.fails(0, run, "INSERT INTO t VALUES (1)")
        run("ROLLBACK TO SAVEPOINT s")
        self.connection.commit()
        self.connection.begin(self.begin)
        run("DELETE FROM t")
        self.connection.rollback()
        self.assertEqual([str(row[0]) for row in run("SELECT a FROM t").rows], ["1"])

    def test_sends_every_row_once(self):
        rows = self.connection.run(self.numbers.format(30000)).rows
        self.assertEqual([int(row[0]) for row in rows], list(range(1, 30001)))

    def test_throws_rows_away_that_nobody_wants(self):
        self.assertEqual(self.connection.run(self.numbers.format(30000), flags=0, credits=0).sets, [])
        self.assertEqual(self.connection.run(self.numbers.format(1)).rows, [["1"]])

    def test_cancels_what_runs(self):
        request = self.connection.send_run(self.sleep)
        time.sleep(0.2)
        self.connection.cancel(request)
        started = time.monotonic()
        error = self.fails(0, self.connection.answer, request)
        self.assertLess(time.monotonic() - started, 10)
        if self.connection.about["cancel"] == "1":
            self.assertFalse(error.closed)
            self.assertEqual(len(self.connection.run("SELECT 1").rows), 1)
        else:
            self.assertEqual(self.connection.about["cancel"], "abort")
            self.assertTrue(error.closed, str(error))

    def test_cancels_what_waits_for_credits(self):
        request = self.connection.send_run(self.numbers.format(100000), credits=1)
        self.assertEqual(self.worker.receive(self.connection.number)[1], frames.COLUMNS)
        self.assertEqual(self.worker.receive(self.connection.number)[1], frames.BLOCK)
        self.connection.cancel(request)
        with self.assertRaises(Failed) as caught:
            self.connection.answer(request)
        self.assertIn(caught.exception.origin, (0, 1))
        self.assertEqual(caught.exception.closed, self.connection.about["cancel"] == "abort", str(caught.exception))
        if not caught.exception.closed:
            self.assertEqual(len(self.connection.run("SELECT 1").rows), 1)

    def test_tells_that_the_server_has_ended_the_connection(self):
        other = self.worker.open(self.driver, (), self.settings())
        identity = other.run(self.identity).rows[0][0]
        self.connection.run(self.kill.format(identity))
        error = self.fails(0, other.run, "SELECT 1")
        self.assertTrue(error.closed, str(error))
        self.fails(0, other.run, "SELECT 1")
        self.fails(0, other.commit)
        other.close()

    def test_pings(self):
        self.connection.ping()


class Postgres(Server):
    """What the modules of PostgreSQL have in common."""

    begin = "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
    numbers = "SELECT n::text FROM generate_series(1, {}) AS g(n)"
    sleep = "SELECT pg_sleep(30)"
    identity = "SELECT pg_backend_pid()"
    kill = "SELECT pg_terminate_backend({})"
    database = "dbname"

    def settings(self):
        found = address("EBBTIDE_TEST_POSTGRES_URL")
        found[self.database] = found.pop("database")
        return found

    def test_b6_a_statement_whose_server_is_out_of_reach_ends_and_keeps_no_thread(self):
        settings = self.settings()
        gate = Gate(json.loads(settings["port"]))
        self.addCleanup(gate.close)
        settings["port"] = json.dumps(gate.address)
        before = self.threads()
        connection = self.worker.open(self.driver, (), settings)
        identity, request = self.sleeping(connection)
        gate.is_open = False
        connection.cancel(request)
        self.assertTrue(self.fails(0, connection.answer, request).closed)
        connection.close()
        self.until(lambda: self.threads() == before)
        self.connection.run(self.kill.format(identity))

    def sleeping(self, connection):
        """Has a connection sleep at the server. Returns its identity there, and the request."""
        identity = connection.run(self.identity).rows[0][0]
        request = connection.send_run(self.sleep)
        active = "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND query LIKE '%sleep%' AND state = 'active'"
        self.until(lambda: self.connection.run(active.format(identity)).rows[0][0] == "1")
        return identity, request

    def threads(self):
        """Returns the number of threads of the worker."""
        return len(os.listdir("/proc/{}/task".format(self.worker.process.pid)))

    def until(self, condition):
        """Waits for a condition."""
        end = time.monotonic() + client.LIMIT
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def test_reads_the_servers_text(self):
        values = [
            ("true", "bool", "t"),
            ("'-32768'::int2", "int2", "-32768"),
            ("2147483647", "int4", "2147483647"),
            ("'-9223372036854775808'::int8", "int8", "-9223372036854775808"),
            ("'0.1'::float4", "float4", "0.1"),
            ("'5e-324'::float8", "float8", "5e-324"),
            ("'NaN'::float8", "float8", "NaN"),
            ("'0.1'::float8 + '0.2'::float8", "float8", "0.30000000000000004"),
            ("'NaN'::numeric", "numeric", "NaN"),
            ("1234567890123456789012345678901234567890.50", "numeric", "1234567890123456789012345678901234567890.50"),
            ("'1234.5'::money", "money", "$1,234.50"),
            ("'infinity'::date", "date", "infinity"),
            ("'0044-03-15 BC'::date", "date", "0044-03-15 BC"),
            ("'24:00:00'::time", "time", "24:00:00"),
            ("'10000-01-01 00:00:00.000001'::timestamp", "timestamp", "10000-01-01 00:00:00.000001"),
            ("'-infinity'::timestamptz", "timestamptz", "-infinity"),
            ("'1 year 1 mon -1 day 1.5 seconds'::interval", "interval", "1 year 1 mon -1 days +00:00:01.5"),
            ("'192.168.0.1/24'::inet", "inet", "192.168.0.1/24"),
            ("'{\"a\": 1.10}'::jsonb", "jsonb", '{"a": 1.10}'),
            ("'00000000-0000-0000-0000-000000000001'::uuid", "uuid", "00000000-0000-0000-0000-000000000001"),
            ("B'101'", "bit", "101"),
            ("ARRAY[[1, NULL], [3, 4]]", "_int4", "{{1,NULL},{3,4}}"),
            ("ARRAY['a\"b', NULL]", "_text", '{"a\\"b",NULL}'),
            ("'[1,3)'::int4range", "int4range", "[1,3)"),
            ("'ä'::varchar", "varchar", "ä"),
            ("''", "text", ""),
        ]
        done = self.connection.run("SELECT " + ", ".join(sql for sql, _, _ in values))
        read = [(column.type,) + value for column, value in zip(done.columns, done.tagged[0])]
        self.assertEqual(read, [(name, SERVER_TEXT, value) for _, name, value in values])
        self.assertEqual(self.one("SELECT '\\xff00'::bytea")[1:], (BYTES, b"\xff\0"))
        self.assertEqual(self.one("SELECT ''::bytea")[1:], (BYTES, b""))
        self.assertEqual(self.one("SELECT NULL::bytea")[1:], (NULL, None))

    def test_names_types_that_nobody_knows(self):
        self.connection.run("CREATE TYPE pg_temp.mood_of_tests AS ENUM ('sad', 'glad')")
        rows = "SELECT 'glad'::pg_temp.mood_of_tests AS m, n FROM generate_series(1, 2000) AS g(n)"
        for _ in range(2):
            done = self.connection.run(rows)
            self.assertEqual([column.type for column in done.columns], ["mood_of_tests", "int4"])
            self.assertEqual(done.rows[1999], ["glad", "2000"])
        array = self.one("SELECT '{sad}'::pg_temp.mood_of_tests[]")
        self.assertEqual(array, ("_mood_of_tests", SERVER_TEXT, "{sad}"))

    def test_binds_values(self):
        values = [
            ("bool", True, "t"),
            ("int2", Tagged(SMALL_INTEGER, -32768), "-32768"),
            ("int4", Tagged(MIDDLE_INTEGER, 2**31 - 1), "2147483647"),
            ("int8", -(2**63), "-9223372036854775808"),
            ("numeric", Tagged(UNSIGNED_INTEGER, 2**64 - 1), "18446744073709551615"),
            ("float8", 5e-324, "5e-324"),
            ("float8", float("nan"), "NaN"),
            ("float8", float("-inf"), "-Infinity"),
            ("numeric", Tagged(DECIMAL, "0.0000000000000000000000000001"), "0.0000000000000000000000000001"),
            ("text", "a'b\\c%ä", "a'b\\c%ä"),
            ("date", Tagged(DATE, "10000-12-31"), "10000-12-31"),
            ("time", Tagged(TIME, "23:59:59.999999"), "23:59:59.999999"),
            ("timestamp", Tagged(DATETIME, "2026-12-01 03:04:05.000001"), "2026-12-01 03:04:05.000001"),
            ("uuid", Tagged(UUID, "00000000-0000-0000-0000-000000000001"), "00000000-0000-0000-0000-000000000001"),
            ("jsonb", Tagged(JSON, '{"a": 1}'), '{"a": 1}'),
            ("inet", Tagged(frames.INET, "::1/128"), "::1"),
            ("interval", Tagged(INTERVAL, (-1, 2, -3000001)), "-1 mons +2 days -00:00:03.000001"),
            ("interval", Tagged(INTERVAL, (0, 0, 10**16)), "2777777:46:40"),
            ("int8[]", Tagged(ARRAY, [1, Tagged(NULL, None)]), "{1,NULL}"),
            ("text[]", Tagged(ARRAY, ['a"\\b', "", "NULL"]), '{"a\\"\\\\b","","NULL"}'),
            ("bytea[]", Tagged(ARRAY, [b"\xff"]), '{"\\\\xff"}'),
            ("int8[]", Tagged(ARRAY, [Tagged(ARRAY, [1, 2]), Tagged(ARRAY, [3, 4])]), "{{1,2},{3,4}}"),
        ]
        for name, value, text in values:
            self.assertEqual(self.one("SELECT CAST({} AS " + name + ")", value)[1:], (SERVER_TEXT, text), name)
        moment = Tagged(TIMESTAMP, "2026-12-01 03:04:05.000001Z")
        self.connection.run("SET TimeZone TO 'UTC'")
        self.assertEqual(self.one("SELECT {}::timestamptz", moment)[2], "2026-12-01 03:04:05.000001+00")
        self.assertEqual(self.one("SELECT {}::bytea", b"\0\xff")[1:], (BYTES, b"\0\xff"))
        self.assertEqual(self.one("SELECT {}::int4", None)[1:], (NULL, None))

    def test_refuses_nul(self):
        for value in ("a\0b", Tagged(ARRAY, ["a\0b"]), Tagged(JSON, "\0")):
            self.refused("bad-arguments", self.connection.run, "SELECT {}", value)
        self.refused("bad-arguments", self.connection.run, "SELECT 1\0, 2")
        self.assertEqual(self.one("SELECT 1")[2], "1")

    def test_lets_the_server_decide_types_of_text(self):
        self.temporary("a jsonb, b date, c interval, d inet, e uuid")
        values = ("{}", "2026-12-01", "1 month", "::1", "00000000-0000-0000-0000-000000000001")
        self.connection.run("INSERT INTO t VALUES ({}, {}, {}, {}, {})", *values)
        self.assertEqual(self.connection.run("SELECT a FROM t WHERE b = {}", "2026-12-01").rows, [["{}"]])

    def test_writes_percent_signs(self):
        self.assertEqual(self.one("SELECT '100%'")[2], "100%")
        doubled = "%%" if self.connection.about["paramstyle"] in ("pyformat", "format") else "%"
        self.assertEqual(self.one("SELECT {} || '" + doubled + "'", "100")[2], "100%")

    def test_tells_details(self):
        self.temporary("a INTEGER CONSTRAINT only_one PRIMARY KEY")
        self.connection.run("INSERT INTO t VALUES (1)")
        error = self.fails(0, self.connection.run, "INSERT INTO t VALUES (1)")
        self.assertEqual(error.sqlstate, "23505")
        self.assertEqual((error.details["constraint"], error.details["table"]), ("only_one", "t"))
        self.assertIn("(a)=(1)", error.details["detail"])
        self.assertEqual(self.fails(0, self.connection.run, "SELECT x").details["position"], "8")

    def test_b6_a_commit_after_a_failure_is_an_error(self):
        self.temporary("a INTEGER PRIMARY KEY")
        self.connection.begin()
        self.connection.run("INSERT INTO t VALUES (1)")
        self.fails(0, self.connection.run, "SELECT nothing")
        self.assertEqual(self.fails(0, self.connection.run, "SELECT 1").sqlstate, "25P02")
        self.assertEqual(self.fails(0, self.connection.commit).sqlstate, "25P02")
        self.assertEqual(self.connection.run("SELECT * FROM t").rows, [])

    def test_b6_a_deferred_constraint_fails_the_commit(self):
        self.temporary("a INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED")
        self.connection.begin()
        self.connection.run("INSERT INTO t VALUES (1), (1)")
        self.assertEqual(self.fails(0, self.connection.commit).sqlstate, "23505")
        self.assertEqual(self.connection.run("SELECT * FROM t").rows, [])

    def test_sees_changed_tables(self):
        self.temporary("a INTEGER")
        for _ in range(4):
            self.connection.run("SELECT * FROM t WHERE a > {}", 0)
        self.connection.run("ALTER TABLE t ADD b TEXT")
        self.assertEqual(len(self.connection.run("SELECT * FROM t WHERE a > {}", 0).columns), 2)

    def test_returns_rows_of_inserts(self):
        self.temporary("a INTEGER")
        done = self.connection.run("INSERT INTO t VALUES (1), (2) RETURNING a")
        self.assertEqual((done.rows, done.count), ([["1"], ["2"]], 2))


@HAS_DRIVERS
@HAS_POSTGRES
class Psycopg(Postgres):
    """psycopg 3."""

    driver = "psycopg"

    def test_streams(self):
        self.assertEqual(self.connection.about["stream"], "1")
        request = self.connection.send_run(self.numbers.format(10**6), credits=1)
        other = self.worker.open(self.driver, (), self.settings())
        self.assertEqual(other.run("SELECT 1").rows, [["1"]])
        self.connection.cancel(request)
        self.fails(0, self.connection.answer, request)

    def test_prepares_at_the_second_time(self):
        for expected in ("0", "1", "1"):
            self.connection.run("SELECT {} + 1", 1)
            self.assertEqual(
                self.one("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%$1 + 1'")[2], expected
            )

    def test_keeps_at_most_a_hundred_statements(self):
        for number in range(130):
            for _ in range(2):
                self.connection.run("SELECT {{}} + {}".format(number), 1)
        count = self.connection.run("SELECT count(*) FROM pg_prepared_statements", flags=FLAG_ROWS | FLAG_PLAIN)
        self.assertTrue(90 <= int(count.rows[0][0]) <= 100)

    def test_survives_discarded_statements(self):
        for _ in range(3):
            self.connection.run("SELECT {} + 2", 1)
        self.connection.run("DEALLOCATE ALL", flags=FLAG_PLAIN)
        self.assertEqual(self.one("SELECT {} + 2", 1)[2], "3")

    def test_b6_texts_that_are_sent_in_one_go_are_answered_one_by_one(self):
        def texts(*texts):
            # The first lets the others come together.
            sent = [self.connection.send_run("SELECT pg_sleep(0.1)"), self.connection.send_begin()]
            skipping = FLAG_PLAIN | FLAG_SKIP
            sent += [self.connection.send_run(text, flags=skipping) for text in texts]
            for request in sent[:2]:
                self.connection.answer(request)
            return sent[2:]

        def texts_of(*texts):
            return [self.connection.send_run(text, flags=FLAG_ROWS | FLAG_SKIP) for text in texts]

        sent = texts("SET LOCAL work_mem TO '1MB'", "SELECT 1", "SAVEPOINT a", "CREATE TEMPORARY TABLE t (a INT)")
        self.assertEqual([self.connection.answer(request).count for request in sent], [-1, 1, -1, -1])
        self.connection.run("INSERT INTO t VALUES (1)")
        sent = [self.connection.send_run(text, flags=FLAG_PLAIN | FLAG_SKIP) for text in ("RELEASE a", "SAVEPOINT b", "SAVEPOINT c")]
        for request in sent:
            self.connection.answer(request)
        self.connection.run("ROLLBACK TO b")
        # Behind a savepoint, also a statement that might have given rows.
        sent = texts_of("SAVEPOINT d", "UPDATE t SET a = 2") + texts_of("ROLLBACK TO d", "UPDATE t SET a = a + 0")
        sent += [self.connection.send_run("UPDATE t SET a = a + {}", 0, flags=FLAG_ROWS | FLAG_SKIP)]
        self.assertEqual([self.connection.answer(request).count for request in sent], [-1, 1, -1, 1, 1])
        # One that fails leaves what came before it.
        sent = texts_of("SAVEPOINT e") + [self.connection.send_run("UPDATE t SET a = {}", "x", flags=FLAG_SKIP)]
        self.connection.answer(sent[0])
        self.fails(0, self.connection.answer, sent[1])
        self.connection.run("ROLLBACK TO e")
        self.connection.commit()
        self.assertEqual(self.connection.run("SELECT a FROM t").rows, [["1"]])
        sent = texts("SAVEPOINT a", "SET LOCAL work_mem TO 'nothing'", "SAVEPOINT b")
        self.connection.answer(sent[0])
        self.assertEqual(self.fails(0, self.connection.answer, sent[1]).sqlstate, "22023")
        self.fails(2, self.connection.answer, sent[2])
        self.assertEqual(self.fails(0, self.connection.commit).kind, "ebbtide.NotCommitted")
        self.assertEqual(self.connection.run("SELECT a FROM t").rows, [["1"]])

    def test_b6_an_error_between_texts_that_were_sent_in_one_go_ends_the_connection(self):
        spoiling = """
            from ebbtide_worker.psycopg import Psycopg
            waited = Psycopg.waited
            def spoilt(self):
                found = waited(self)
                if self.link.pipeline_status and found is not None:
                    raise self.module.ProgrammingError("spoilt")
                return found
            Psycopg.waited = spoilt
        """
        name = self.module("spoiling", SPY.format(style="qmark", savepoints=1) + textwrap.dedent(spoiling))
        self.worker.open(name)
        sent = [self.connection.send_run("SELECT pg_sleep(0.1)"), self.connection.send_begin()]
        sent += [self.connection.send_run("SAVEPOINT a", flags=FLAG_PLAIN | FLAG_SKIP)]
        self.connection.answer(sent[0])
        error = self.fails(0, self.connection.answer, sent[1])
        self.assertEqual((error.message, error.closed), ("spoilt", True))
        self.fails(2, self.connection.answer, sent[2])
        self.assertTrue(self.fails(0, self.connection.run, "SELECT 1").closed)

    def test_reads_several_result_sets_of_a_plain_text(self):
        done = self.connection.run("SELECT 1; CREATE TEMPORARY TABLE u (a INT); SELECT 2", flags=FLAG_ROWS | FLAG_PLAIN)
        self.assertEqual([rows[0][0][1] for rows in done.sets], ["1", "2"])

    def test_refuses_copy(self):
        error = self.refused("unsupported", self.connection.run, "COPY (SELECT 1) TO STDOUT")
        self.assertTrue(error.closed)


@HAS_DRIVERS
@HAS_POSTGRES
class Psycopg2(Postgres):
    """psycopg2."""

    driver = "psycopg2"

    def test_b6_a_statement_over_a_unix_socket_is_cancelled(self):
        settings = self.settings()
        gate = Gate(json.loads(settings["port"]), os.path.join(self.folder, ".s.PGSQL.5432"))
        self.addCleanup(gate.close)
        settings.update(host=json.dumps(self.folder), port="5432")
        connection = self.worker.open(self.driver, (), settings)
        _, request = self.sleeping(connection)
        connection.cancel(request)
        error = self.fails(0, connection.answer, request)
        self.assertEqual((error.sqlstate, error.closed), ("57014", False))
        self.assertEqual(connection.run("SELECT 1").rows, [["1"]])


@HAS_DRIVERS
@HAS_POSTGRES
class Pg8000(Postgres):
    """pg8000."""

    driver = "pg8000.dbapi"
    database = "database"


@HAS_DRIVERS
@HAS_POSTGRES
class Pg8000Legacy(Pg8000):
    """pg8000 as it was before its module dbapi."""

    driver = "pg8000"


class MySql(Server):
    """What the modules of MySQL and MariaDB have in common."""

    begin = "START TRANSACTION"
    numbers = "SELECT CAST(seq AS CHAR) FROM seq_1_to_{}"
    sleep = "SELECT SLEEP(30)"
    identity = "SELECT CONNECTION_ID()"
    kill = "KILL {}"

    def settings(self):
        return address("EBBTIDE_TEST_MYSQL_URL")

    def test_reads_the_servers_text(self):
        self.temporary(
            """b BOOLEAN, t TINYINT UNSIGNED, s SMALLINT, m MEDIUMINT UNSIGNED, i INT UNSIGNED, l BIGINT UNSIGNED, f FLOAT,
            d DOUBLE, n DECIMAL(65, 30), da DATE, ti TIME(6), dt DATETIME(6), ts TIMESTAMP(6) NULL, y YEAR, bi BIT(64), c CHAR(3),
            v VARCHAR(9), bn BINARY(2), vb VARBINARY(3), tx TEXT, bl BLOB, e ENUM('a', 'b'), se SET('x', 'y'), p POINT"""
        )
        self.connection.run("SET time_zone = '+00:00', sql_mode = ''")
        self.connection.run("""INSERT INTO t VALUES (1, 255, -32768, 16777215, 4294967295, 18446744073709551615, 0.1, 5e-324,
            -12345678901234567890123456789012345.123456789012345678901234567890, '0000-00-00', '-838:59:59.000001',
            '9999-12-31 23:59:59.999999', '2026-12-01 03:04:05.123456', 2155, b'1', 'abc', 'ä', x'00ff', x'', 'text', x'ff',
            'b', 'x,y', POINT(1, 2))""")
        done = self.connection.run("SELECT * FROM t")
        read = [(column.type, column.flags & 1) + value for column, value in zip(done.columns, done.tagged[0])]
        point = struct.pack("<IBIdd", 0, 1, 1, 1.0, 2.0)
        self.assertEqual(
            read,
            [
                ("TINYINT", 0, SERVER_TEXT, "1"),
                ("TINYINT UNSIGNED", 1, SERVER_TEXT, "255"),
                ("SMALLINT", 0, SERVER_TEXT, "-32768"),
                ("MEDIUMINT UNSIGNED", 1, SERVER_TEXT, "16777215"),
                ("INT UNSIGNED", 1, SERVER_TEXT, "4294967295"),
                ("BIGINT UNSIGNED", 1, SERVER_TEXT, "18446744073709551615"),
                ("FLOAT", 0, UNREADABLE, read[6][3]),
                ("DOUBLE", 0, SERVER_TEXT, "5e-324"),
                ("DECIMAL", 0, SERVER_TEXT, "-12345678901234567890123456789012345.123456789012345678901234567890"),
                ("DATE", 0, SERVER_TEXT, "0000-00-00"),
                ("TIME", 0, SERVER_TEXT, "-838:59:59.000001"),
                ("DATETIME", 0, SERVER_TEXT, "9999-12-31 23:59:59.999999"),
                ("TIMESTAMP", 0, SERVER_TEXT, "2026-12-01 03:04:05.123456"),
                ("YEAR", 0, SERVER_TEXT, "2155"),
                ("BIT", 0, UNSIGNED_INTEGER, 1),
                ("CHAR", 0, TEXT, "abc"),
                ("VARCHAR", 0, TEXT, "ä"),
                ("BINARY", 0, BYTES, b"\0\xff"),
                ("VARBINARY", 0, BYTES, b""),
                ("TEXT", 0, TEXT, "text"),
                ("BLOB", 0, BYTES, b"\xff"),
                ("ENUM", 0, TEXT, "b"),
                ("SET", 0, TEXT, "x,y"),
                ("GEOMETRY", 0, BYTES, point),
            ],
        )

    def test_binds_values(self):
        self.connection.run("SET time_zone = '+00:00'")
        values = [
            ("SIGNED", -(2**63), "-9223372036854775808"),
            ("UNSIGNED", Tagged(UNSIGNED_INTEGER, 2**64 - 1), "18446744073709551615"),
            ("DECIMAL(65, 30)", Tagged(DECIMAL, "0.000000000000000000000000000001"), "0.000000000000000000000000000001"),
            ("CHAR", "a'b\\c%ä\0\"", "a'b\\c%ä\0\""),
            ("DATE", Tagged(DATE, "9999-12-31"), "9999-12-31"),
            ("TIME(6)", Tagged(TIME, "23:59:59.999999"), "23:59:59.999999"),
            ("TIME(6)", Tagged(INTERVAL, (0, -1, -1)), "-24:00:00.000001"),
            ("DATETIME(6)", Tagged(DATETIME, "2026-12-01 03:04:05.000001"), "2026-12-01 03:04:05.000001"),
            ("DATETIME(6)", Tagged(TIMESTAMP, "2026-12-01 03:04:05.5+02:00"), "2026-12-01 01:04:05.500000"),
        ]
        for name, value, text in values:
            self.assertEqual(self.one("SELECT CAST({} AS " + name + ")", value)[2], text, name)
        self.assertEqual(self.one("SELECT {}", b"\0\xff'")[1:], (BYTES, b"\0\xff'"))
        self.assertEqual(self.one("SELECT {}", b"")[1:], (BYTES, b""))
        self.assertEqual(self.one("SELECT {} = 1", True)[2], "1")
        self.assertEqual(self.one("SELECT {}", 5e-324)[2], "5e-324")
        self.assertEqual(self.one("SELECT {}", 1e22)[2], "1e22")
        self.assertEqual(self.one("SELECT {}", None)[1:], (NULL, None))
        self.refused("bad-arguments", self.connection.run, "SELECT {}", Tagged(INTERVAL, (1, 0, 0)))

    def test_reads_no_float_that_the_server_has_rounded(self):
        self.temporary("f FLOAT, z FLOAT")
        self.connection.run("INSERT INTO t VALUES ({}, 0)", 16777217.0)
        done = self.connection.run("SELECT f, z, CAST(f AS DOUBLE), f + 0e0 FROM t")
        float_cell, *others = done.tagged[0]
        self.assertEqual(float_cell[0], UNREADABLE)
        self.assertIn("CAST(… AS DOUBLE)", float_cell[1].reason)
        self.assertEqual([value for _, value in others], ["0", "16777216", "16777216"])

    def test_tells_codes_and_keys(self):
        self.temporary("a INTEGER PRIMARY KEY AUTO_INCREMENT, b INTEGER")
        done = self.connection.run("INSERT INTO t (b) VALUES ({})", 1, flags=FLAG_KEY)
        self.assertEqual((done.count, done.key), (1, 1))
        error = self.fails(0, self.connection.run, "INSERT INTO t (a) VALUES (1)")
        self.assertEqual(error.code, 1062)
        self.assertIn("Duplicate entry", error.message)
        # The rows that were found, not those that differ afterwards.
        self.assertEqual(self.connection.run("UPDATE t SET b = 1").count, 1)

    def test_reads_several_result_sets(self):
        self.connection.run("DROP PROCEDURE IF EXISTS ebbtide_two")
        self.connection.run("CREATE PROCEDURE ebbtide_two() BEGIN SELECT 1; SELECT 'b', 2; END")
        done = self.connection.run("CALL ebbtide_two()")
        self.assertEqual([[value for _, value in rows[0]] for rows in done.sets], [["1"], ["b", "2"]])
        self.connection.run("DROP PROCEDURE ebbtide_two")

    def test_b2_text_is_bound_by_the_rule_that_the_session_has_for_backslashes(self):
        text = "a\\'b\"\\\\n\n\0\x1a\\"
        for mode in ("", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"):
            self.connection.run("SET SESSION sql_mode = '{}'".format(mode))
            self.assertEqual(self.one("SELECT {}", text)[2], text, mode)



@HAS_DRIVERS
@HAS_MYSQL
class PyMySql(MySql):
    """PyMySQL."""

    driver = "pymysql"
    # Its cursor fails to read the rest of a connection that was ended, once more when it is collected.
    tolerated_errors = "function SSCursor.close"

    def test_marks_booleans(self):
        self.temporary("a BOOLEAN, b TINYINT")
        self.assertEqual([column.flags for column in self.connection.run("SELECT * FROM t").columns], [2, 0])


@HAS_DRIVERS
class PlainServer(Case):
    """A server of MySQL that takes TLS out of what it offers, as somebody in between may do."""

    python = DRIVERS

    def setUp(self):
        super().setUp()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.heard = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        """Says hello without the flag of TLS, and keeps what the first client sends."""
        flags = 0xFFFFFFFF & ~(1 << 11)
        plugin = b"mysql_native_password\0"
        hello = b"\x0a8.0.0\0" + struct.pack("<I8sxHBHHB10x", 1, b"12345678", flags & 0xFFFF, 45, 2, flags >> 16, 21)
        hello += b"123456789012\0" + plugin
        client, _ = self.server.accept()
        with client:
            client.sendall(len(hello).to_bytes(3, "little") + b"\0" + hello)
            self.heard.append(client.recv(1000))

    def test_gets_no_password_from_pymysql(self):
        keywords = {"host": "127.0.0.1", "port": self.server.getsockname()[1], "user": "u", "password": "hunter2"}
        keywords.update(ssl={"verify_mode": False}, ssl_verify_cert=False)
        texts = {name: json.dumps(value) for name, value in keywords.items()}
        with self.assertRaises(Failed):
            self.worker.open("pymysql", keywords=texts)
        self.assertIn(self.heard, ([], [b""]))


class OldPyMySql(Case):
    """PyMySQL before 1.2, which goes on without encryption."""

    MODULE = """
        paramstyle, threadsafety, apilevel = "pyformat", 1, "2.0"
        class Connection:
            def connect(self):
                raise RuntimeError("it has connected")
        def connect(**keywords):
            assert keywords["defer_connect"]
            return Connection()
    """

    def setUp(self):
        super().setUp()
        files = {"__init__": self.MODULE, "converters": "conversions = {}", "cursors": "SSCursor = None"}
        files.update({"constants/__init__": "", "constants/CLIENT": "FOUND_ROWS = 2"})
        os.makedirs(os.path.join(self.folder, "pymysql", "constants"))
        for name, text in files.items():
            with open(os.path.join(self.folder, "pymysql", name + ".py"), "w") as out:
                out.write(textwrap.dedent(text))

    def test_is_refused_if_encryption_is_asked_for(self):
        for keywords, words in [({"ssl": "{\"verify_mode\": false}"}, "it needs 1.2"), ({}, "it has connected")]:
            with self.assertRaises(Failed) as raised:
                self.worker.open("pymysql", keywords=keywords)
            self.assertIn(words, str(raised.exception))


@HAS_DRIVERS
@HAS_MYSQL
class MySqlConnector(MySql):
    """mysql.connector."""

    driver = "mysql.connector"


@HAS_DRIVERS
class DuckDb(Case):
    """DuckDB."""

    python = DRIVERS

    def setUp(self):
        super().setUp()
        self.connection = self.worker.open("duckdb")

    def one(self, sql, *parameters):
        """Returns tag and value of a statement's only value."""
        ((found,),) = self.connection.run(sql, *parameters).tagged
        return found

    def test_reads_values(self):
        values = [
            ("170141183460469231731687303715884105727::HUGEINT", DECIMAL, "170141183460469231731687303715884105727"),
            ("18446744073709551615::UBIGINT", UNSIGNED_INTEGER, 2**64 - 1),
            ("(-128)::TINYINT", INTEGER, -128),
            ("true", BOOL, True),
            ("0.1::FLOAT", FLOAT, struct.unpack("f", struct.pack("f", 0.1))[0]),
            ("5e-324::DOUBLE", DOUBLE, 5e-324),
            ("0.00000000000000000000000000000000000001::DECIMAL(38, 38)", DECIMAL, "0." + "0" * 37 + "1"),
            ("'x\\xFF'::BLOB", BYTES, b"x\xff"),
            ("chr(0) || 'ä'", TEXT, "\0ä"),
            ("DATE '290000-01-01'", DATE, "290000-01-01"),
            ("DATE '0044-03-15 (BC)'", DATE, "0044-03-15 BC"),
            ("TIME '24:00:00'", TIME, "24:00:00"),
            ("TIME '23:59:59.999999'", TIME, "23:59:59.999999"),
            ("TIMESTAMP '2026-12-01 03:04:05.000001'", DATETIME, "2026-12-01 03:04:05.000001"),
            ("TIMESTAMPTZ '2026-12-01 03:04:05+02'", TIMESTAMP, "2026-12-01 01:04:05+00:00"),
            ("'00000000-0000-0000-0000-000000000001'::UUID", UUID, "00000000-0000-0000-0000-000000000001"),
            ("[[1, NULL], []]", ARRAY, [(ARRAY, [(INTEGER, 1), (NULL, None)]), (ARRAY, [])]),
            ("{'a': 1, 'b': [1.5, NULL]}", JSON, '{"a":1,"b":[1.5,null]}'),
            ("'{\"a\": 1}'::JSON", JSON, '{"a": 1}'),
            ("'a'::ENUM('a', 'b')", TEXT, "a"),
            ("'101'::BIT", TEXT, "101"),
            ("NULL", NULL, None),
        ]
        self.connection.run("SET TimeZone = 'UTC'")
        for sql, tag, value in values:
            self.assertEqual(self.one("SELECT " + sql), (tag, value), sql)

    def test_fails_cells_that_python_changes(self):
        lossy = [
            "INTERVAL '1 month'",
            "TIMESTAMP_NS '2026-01-01 00:00:00.123456789'",
            "'infinity'::DATE",
            "'-infinity'::TIMESTAMP",
            "'infinity'::TIMESTAMPTZ",
            "['infinity'::DATE]",
            "['infinity'::TIMESTAMP]",
            "[INTERVAL '1 month']",
            "map {1: 2}",
        ]
        row = self.connection.run("SELECT " + ", ".join(lossy) + ", NULL::INTERVAL, 7").tagged[0]
        self.assertEqual([tag for tag, _ in row], [UNREADABLE] * len(lossy) + [NULL, INTEGER])
        self.assertIn("CAST", row[0][1].reason)

    def test_binds_values(self):
        values = [
            (Tagged(UNSIGNED_INTEGER, 2**64 - 1), UNSIGNED_INTEGER, 2**64 - 1),
            (Tagged(DECIMAL, "12345678901234567890123456789012345678"), DECIMAL, "12345678901234567890123456789012345678"),
            (Tagged(DECIMAL, "-0.00000000000000000001"), DECIMAL, "-0.00000000000000000001"),
            (Tagged(DECIMAL, "1" * 40), TEXT, "1" * 40),
            (5e-324, DOUBLE, 5e-324),
            ("a\0ä", TEXT, "a\0ä"),
            (b"\0\xff", BYTES, b"\0\xff"),
            (Tagged(DATE, "2026-12-01"), DATE, "2026-12-01"),
            (Tagged(TIME, "03:04:05.000006"), TIME, "03:04:05.000006"),
            (Tagged(DATETIME, "2026-12-01 03:04:05.000006"), DATETIME, "2026-12-01 03:04:05.000006"),
            (Tagged(UUID, "00000000-0000-0000-0000-000000000001"), UUID, "00000000-0000-0000-0000-000000000001"),
            (Tagged(ARRAY, [1, 2]), ARRAY, [(INTEGER, 1), (INTEGER, 2)]),
            (None, NULL, None),
        ]
        for value, tag, read in values:
            self.assertEqual(self.one("SELECT {}", value), (tag, read))
        interval = Tagged(INTERVAL, (1, -2, 3000001))
        self.assertEqual(self.one("SELECT CAST({}::INTERVAL AS VARCHAR)", interval), (TEXT, "1 month -2 days 00:00:03.000001"))

    def test_counts(self):
        run = self.connection.run
        self.assertEqual(run("CREATE TABLE t (a INTEGER)").rows, [])
        done = run("INSERT INTO t VALUES (1), (2)")
        self.assertEqual((done.columns, done.count), (None, 2))
        self.assertEqual(run("UPDATE t SET a = {}", 3).count, 2)
        self.assertEqual(run("INSERT INTO t VALUES (4) RETURNING a").rows, [[4]])
        self.assertEqual(run('SELECT count(*) AS "Count" FROM t').rows, [[3]])

    def test_b6_a_commit_after_a_failure_is_an_error(self):
        run = self.connection.run
        run("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        for text in ("INSERT INTO t VALUES (1), (1)", "SELECT * FROM nothing"):
            self.connection.begin()
            run("INSERT INTO t VALUES (7)")
            self.fails(0, run, text)
            error = self.fails(0, self.connection.commit)
            self.assertEqual((error.kind, error.sqlstate), ("ebbtide.NotCommitted", "25P02"))
            self.assertEqual(run("SELECT * FROM t").rows, [])
        self.connection.begin()
        run("INSERT INTO t VALUES (7)")
        self.connection.commit()
        self.assertEqual(run("SELECT * FROM t").rows, [[7]])

    def test_shares_a_database_in_memory(self):
        self.connection.run("CREATE TABLE t AS SELECT 1 AS a")
        duplicate = self.worker.open("duckdb", duplicate=True)
        self.assertEqual(duplicate.run("SELECT a FROM t").rows, [[1]])
        alone = self.worker.open("duckdb")
        self.fails(0, alone.run, "SELECT a FROM t")
        self.connection.close()
        self.assertEqual(duplicate.run("SELECT a FROM t").rows, [[1]])

    def test_gives_files_back(self):
        path = json.dumps(os.path.join(self.folder, "file.db"))
        connection = self.worker.open("duckdb", [path])
        connection.run("CREATE TABLE t (a INTEGER)")
        connection.close()
        other = Worker(self.python)
        self.assertEqual(other.open("duckdb", [path]).run("SELECT * FROM t").rows, [])
        self.assertEqual(other.end(), 0)

    def test_cancels_what_runs(self):
        request = self.connection.send_run(
            "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 1"
        )
        time.sleep(0.1)
        self.connection.cancel(request)
        error = self.fails(0, self.connection.answer, request)
        self.assertEqual(error.kind, "duckdb.InterruptException")
        self.assertEqual(self.one("SELECT 1"), (INTEGER, 1))

    def test_streams(self):
        request = self.connection.send_run("SELECT range FROM range(100000000000)", credits=1)
        self.assertEqual(self.worker.receive(1)[1], frames.COLUMNS)
        self.assertEqual(self.worker.receive(1)[1], frames.BLOCK)
        self.connection.cancel(request)
        self.assertRaises(Failed, self.connection.answer, request)
        self.assertEqual(self.one("SELECT 1"), (INTEGER, 1))


class Units(unittest.TestCase):
    """Functions that need no process."""

    def test_b6_a_connection_is_broken_or_its_statement_has_ended_and_never_both(self):
        fired = []

        class Hung:
            def canceller(self):
                return None

            def breaker(self):
                return lambda: fired.append(True)

        ended = Cancellation(Hung())
        self.assertTrue(ended.end())
        # Its time comes too late.
        ended.has_ended.wait = lambda _: False
        ended.break_late(Hung().breaker())
        self.assertEqual(fired, [])
        late = Cancellation(Hung())
        late.has_ended.wait = lambda _: False
        late.break_late(Hung().breaker())
        self.assertEqual(fired[:1], [True])
        self.assertFalse(late.end())

    def test_b6_a_cancellation_without_a_thread_for_its_end_is_waited_for(self):
        cancelling, names = threading.Event(), []

        class Driver:
            def canceller(self):
                return cancelling.set

            def breaker(self):
                return lambda: names.append("broken")

        start = threading.Thread.start

        def once(thread):
            names.append(thread.name)
            if len(names) > 1:
                raise RuntimeError("can't start new thread")
            start(thread)

        with unittest.mock.patch.object(threading.Thread, "start", once):
            cancellation = Cancellation(Driver())
        self.assertTrue(cancelling.wait(client.LIMIT))
        self.assertTrue(cancellation.end())
        self.assertFalse(cancellation.tries.is_alive())
        self.assertEqual(len(names), 2)

    def test_b6_a_copy_of_a_socket_has_its_family(self):
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as server:
                server.bind((address, 0))
                server.listen()
                with socket.create_connection(server.getsockname()[:2]) as link, socket_by_number(link.fileno()) as copy:
                    self.assertEqual((copy.family, copy.getpeername()), (family, server.getsockname()))
        for link in socket.socketpair(socket.AF_UNIX):
            with link, socket_by_number(link.fileno()) as copy:
                self.assertEqual((copy.family, copy.getpeername()), (socket.AF_UNIX, ""))

    def test_b6_no_text_that_gives_rows_is_sent_in_one_go_with_others(self):
        silent = ["INSERT INTO t VALUES (1)", " update t SET a = 1", "DELETE FROM t", "SAVEPOINT a", "RELEASE a", "BEGIN", "SET a TO b"]
        silent += ["SELECT pg_catalog.set_config('a', 'b', true)"]
        giving = ["SELECT 1", "with a AS (SELECT 1) DELETE FROM t", "VALUES (1)", "TABLE t", "SHOW a", "EXPLAIN SELECT 1", "FETCH ALL c"]
        giving += ["EXECUTE a", "INSERT INTO t VALUES (1)\nRETURNING a", "delete FROM t returning *", "CREATE TABLE t (a INT)"]
        self.assertEqual([text for text in silent + giving if SILENT.match(text)], silent)

    def test_b6_only_short_texts_are_read_to_be_sent_in_one_go(self):
        class Poor(bytes):
            def decode(self, *_):
                raise MemoryError

        class Cut(bytes):
            def __getitem__(self, _):
                return Poor()

        def run(text, kind=bytes):
            flags = FLAG_PLAIN | FLAG_SKIP
            return frames.RUN, frames.Payload(kind(struct.pack(">BI", flags, 1) + frames.packed_str(text) + b"\0\0"))

        requests = Requests()
        sent = [("a",), ("b",), ("x" * LONGEST_JOINED,), ("c",), ("d", Cut), ("e",)]
        for number, request in enumerate(sent):
            requests.put((number,) + run(*request))
        taken = [([number for number, _, _ in found], texts) for found, texts in [requests.take(lambda text, *_: text) for _ in range(4)]]
        self.assertEqual(taken, [([0, 1], ["a", "b"]), ([2], []), ([3], ["c"]), ([4], [])])

    def test_zones(self):
        for text, minutes in (("Z", 0), ("+02", 120), ("-03:30", -210), ("+0545", 345)):
            self.assertEqual(zone(text).utcoffset(None), datetime.timedelta(minutes=minutes))

    def test_b6_the_length_of_values_is_known_before_they_are_packed(self):
        for values, length in (
            ((1, 2.5, None, decimal.Decimal(1)), 0),
            (("abc", None, "d" * 1000) * 5, 5015),
            ((None, b"abc") * 7, 21),
            ((1, "abc") * 7, 21),
            ((b"abc", bytearray(7), memoryview(struct.pack("2i", 1, 2)).cast("i"), 5) * 3, 54),
            ((["a" * 100],), 104),
        ):
            self.assertEqual(length_of(values), length, values)

    def test_b6_rows_are_not_kept_packed_while_their_halves_are_sent(self):
        packed = []

        class Large(bytes):
            def __len__(self):
                return 4 * BATCH

            def __del__(self):
                packed.append("gone")

        class Whole(Packer):
            def packed(self, held):
                if held.count == 8:
                    packed.append("all")
                    return frames.BLOCK, Large()
                packed.append(held.count)
                return frames.BLOCK, b"half"

        channel = Channel.__new__(Channel)
        channel.number, channel.credits, channel.cancelled, channel.pending, channel.lock = 1, 2, False, [], threading.RLock()
        channel.send_batch(1, Whole(), HeldRows([list(range(8))], 8))
        self.assertEqual(packed, ["all", "gone", 4, 4])
        self.assertEqual(len(channel.pending), 2)

    def test_b2_a_column_that_is_packed_at_once_has_the_values_that_were_packed_one_by_one(self):
        random = Random(7)
        packers = [Packer(), Packer({bytearray: pack_utf8}), postgres_packer(["text", "bytea"]), ColumnPacker([pack_json, pack_raw])]
        packers += [ColumnPacker([pack_str, pack_text])]
        packers += [ColumnPacker([duckdb_packer(one), duckdb_packer(other)], DUCKDB_TYPES) for one, other in DUCKDB_PAIRS]
        for _ in range(5000):
            packer = random.choice(packers)
            columns = []
            for _ in range(2):
                pools = random.sample(VALUES, random.choice([1, 1, 1, 2, 3])) + [[None]] * random.choice([0, 0, 1])
                if packer in packers[-len(DUCKDB_PAIRS) :]:
                    pools = [pool for pool in pools if not isinstance(pool[0], (bytes, bytearray, memoryview))] or [[None]]
                columns.append([random.choice(random.choice(pools)) for _ in range(random.choice([4, 5, 20]))])
            rows = list(zip(*columns))
            alone = [read(packed(packer, [row]))[0] for row in rows]
            self.assertEqual(repr(read(packed(packer, rows))), repr(alone), rows)


VALUES = [
    [True, False],
    [0, 1, -1, 2**63 - 1, -(2**63)],
    [2**63, 2**64 - 1, 2**64],
    [0.0, -0.0, 1.5, float("nan"), float("inf")],
    ["", "a", "long " * 10],
    ["ä", "\ud800", "\U0001f600", "\0", "0044-03-15 (BC)"],
    [b"", b"a", b"\\x00ff", b"{}"],
    [b"\xc3", b"\xa9", b"\xc3\xa9", b"\xff"],
    [bytearray(b""), bytearray(b"a"), bytearray(b"\xc3"), bytearray(b"\xa9")],
    [memoryview(b"ab"), memoryview(struct.pack("2i", 1, 2)).cast("i")],
    [decimal.Decimal(text) for text in ("0", "-1.50", "1E+5", "1E-9", "NaN", "-Infinity", "sNaN")],
    [datetime.date(2026, 12, 1), datetime.date.min, datetime.date.max],
    [datetime.datetime(2026, 12, 1), datetime.datetime(2026, 12, 1, 3, 4, 5, 123456, fold=1)],
    [datetime.datetime(1, 1, 1, 0, 0, 0, 1), datetime.datetime.min, datetime.datetime.max],
    [datetime.datetime(2026, 12, 1, 3, tzinfo=datetime.timezone.utc), datetime.datetime.max.replace(tzinfo=zone("+02"))],
    [datetime.time(), datetime.time(3, 4, 5, 6), datetime.time(3, tzinfo=datetime.timezone.utc)],
    [datetime.timedelta(1, 2, 3), datetime.timedelta(-1)],
    [uuid.UUID(int=1), uuid.UUID(int=2**128 - 1)],
    [[1, None], [[]], ("a", 1.5)],
    [{"a": [1]}, {1: 2}],
    [object, 1j],
]
DUCKDB_PAIRS = [("FLOAT", "JSON"), ("DATE", "TIMESTAMP"), ("TIME", "INTERVAL"), ("TIMESTAMP WITH TIME ZONE", "INTEGER")]


def packed(packer, rows):
    """Returns the kind and the payload of a frame with rows."""
    held = HeldRows()
    held.add(rows)
    return packer.packed(held)


def read(frame):
    """Returns the rows of two columns, which were packed."""
    kind, data = frame
    payload = frames.Payload(data)
    count = payload.number("I")
    if kind == frames.ROWS:
        rows = [[client.unpack(payload) for _ in range(2)] for _ in range(count)]
    else:
        rows = list(map(list, zip(*[client.column(payload, count) for _ in range(2)])))
    assert payload.at == len(data)
    return rows


def load_tests(loader, tests, pattern):
    """Returns the tests of all classes but those that others derive from."""
    suite = unittest.TestSuite()
    for kind in list(globals().values()):
        if isinstance(kind, type) and issubclass(kind, unittest.TestCase) and kind not in (Case, Server, Postgres, MySql):
            suite.addTests(loader.loadTestsFromTestCase(kind))
    return suite


if __name__ == "__main__":
    unittest.main()
