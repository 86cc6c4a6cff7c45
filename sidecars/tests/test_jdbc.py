#!/usr/bin/env python3
"""The JDBC sidecar with real drivers. Run by hand:

    EBBTIDE_TEST_JDBC=/usr/share/java python3 sidecars/tests/test_jdbc.py

scripts/drivers-jdbc installs the jars. EBBTIDE_TEST_POSTGRES_URL and EBBTIDE_TEST_MYSQL_URL name the servers
(scripts/servers starts them); without one of them its tests fail.
"""

import os
import queue
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from urllib.parse import urlparse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peer import *  # noqa: E402,F403

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JARS = os.environ.get("EBBTIDE_TEST_JDBC", "")
JAVA = ["java", "-XX:+UseSerialGC", "-Xshare:auto", "-Xlog:disable", "-Xlog:all=warning:stderr", "-cp", os.path.join(ROOT, "jdbc", "classes"),
        "ebbtide.Sidecar"] + ["ebbtide." + file[:-6] for file in sorted(os.listdir(os.path.join(ROOT, "jdbc", "classes", "ebbtide")))]
NAMES = {"h2": "h2", "hsqldb": "hsqldb", "derby": "derby", "sqlite": "sqlite-jdbc", "postgres": "postgresql",
         "mariadb": "mariadb-java-client"}
PRODUCTS = list(NAMES)


def jar(product):
    path = os.path.join(JARS, NAMES[product] + ".jar")
    if not os.path.exists(path):
        raise AssertionError("there is no %s; set EBBTIDE_TEST_JDBC to the folder with the jars (scripts/drivers-jdbc)" % path)
    return path


def server(variable, scheme):
    url = os.environ.get(variable)
    if not url:
        raise AssertionError("%s is not set" % variable)
    parts = urlparse(url)
    pairs = [("url", "jdbc:%s://%s:%d%s" % (scheme, parts.hostname, parts.port, parts.path)),
             ("property", "user=" + (parts.username or ""))]
    if parts.password:
        pairs.append(("property", "password=" + parts.password))
    return pairs


class Case(unittest.TestCase):
    names = 0

    @classmethod
    def setUpClass(cls):
        cls.sidecar = Sidecar(JAVA)
        cls.folder = tempfile.mkdtemp()

    @classmethod
    def tearDownClass(cls):
        status = cls.sidecar.end()
        shutil.rmtree(cls.folder, ignore_errors=True)
        if status != 0:
            raise AssertionError("the sidecar ended with %d" % status)

    def items(self, product, name=None):
        if name is None:
            Case.names += 1
            name = "own%d" % Case.names
        urls = {
            "h2": "jdbc:h2:mem:%s;DB_CLOSE_DELAY=-1" % name,
            "hsqldb": "jdbc:hsqldb:mem:%s" % name,
            "derby": "jdbc:derby:memory:%s;create=true" % name,
            "sqlite": "jdbc:sqlite:%s/%s.db" % (self.folder, name),
        }
        jars = [("jar", jar(product))]
        if product == "postgres":
            return jars + server("EBBTIDE_TEST_POSTGRES_URL", "postgresql")
        if product == "mariadb":
            return jars + server("EBBTIDE_TEST_MYSQL_URL", "mariadb")
        return jars + [("url", urls[product])]

    def open(self, product, name=None, extra=()):
        connection = self.sidecar.open(self.items(product, name) + list(extra))
        self.addCleanup(self.closed, connection)
        return connection

    @staticmethod
    def closed(connection):
        connection.close()

    def table(self, connection, columns, name="sidecar_t"):
        try:
            connection.run("DROP TABLE " + name)
        except Failed:
            pass
        connection.run("CREATE TABLE %s (%s)" % (name, columns))
        self.addCleanup(self.dropped, connection, name)
        return name

    @staticmethod
    def dropped(connection, name):
        try:
            connection.rollback()
        except Failed:
            pass
        try:
            connection.run("DROP TABLE " + name)
        except Failed:
            pass

    def fails(self, action, *arguments, **rest):
        with self.assertRaises(Failed) as caught:
            action(*arguments, **rest)
        return caught.exception


def threads(sidecar):
    command = ["jcmd", str(sidecar.child.pid), "Thread.print"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def each(test):
    """Runs a test on every product."""

    def run(self):
        for product in PRODUCTS:
            with self.subTest(product):
                test(self, product)

    return run


def tag(number, value=None):
    return Tagged(number, value)


class Opening(Case):
    def test_opened_says_what_the_driver_is(self):
        for product, told, transactions, ddl, folding in [
            ("h2", "H2", "api", "commits", "upper"), ("hsqldb", "HSQL Database Engine", "api", "commits", "upper"),
            ("derby", "Apache Derby", "api", "transactional", "upper"), ("sqlite", "SQLite", "text", "transactional", "none"),
            ("postgres", "PostgreSQL", "api", "transactional", "lower"), ("mariadb", "MariaDB", "text", "commits", "none"),
        ]:
            with self.subTest(product):
                opened = self.open(product).opened
                self.assertEqual((opened["product"], opened["transactions"], opened["ddl"], opened["folding"]),
                                 (told, transactions, ddl, folding))
                self.assertEqual(opened["process"], str(self.sidecar.child.pid))
                self.assertEqual(opened["savepoints"], "1")
                self.assertEqual(opened["levels"], {"h2": "1,2,3,4,5", "hsqldb": "2,3,4", "sqlite": "4"}.get(product, "1,2,3,4"))
                for name in ("version", "driver", "driver-version", "quote", "isolation", "levels", "stream", "cancel"):
                    self.assertTrue(opened[name], name)

    def test_what_is_missing_is_named(self):
        def error(*items):
            return self.fails(self.sidecar.open, items)

        found = error(("url", "jdbc:h2:mem:a"), ("jar", "/nowhere/h2.jar"))
        self.assertEqual((found.origin, found.kind), (1, "file-missing"))
        self.assertIn("/nowhere/h2.jar", found.message)
        broken = os.path.join(self.folder, "broken.jar")
        with open(broken, "w") as file:
            file.write("no jar")
        found = error(("url", "jdbc:h2:mem:a"), ("jar", broken))
        self.assertEqual(found.kind, "not-a-jar")
        self.assertIn(broken, found.message)
        found = error(("url", "jdbc:h2:mem:a"), ("jar", jar("h2")), ("driver", "org.nowhere.Driver"))
        self.assertEqual(found.kind, "class-missing")
        self.assertIn("org.nowhere.Driver", found.message)
        self.assertIn(jar("h2"), str(found.causes))
        found = error(("url", "jdbc:h2:mem:a"), ("jar", jar("h2")), ("driver", "org.h2.jdbcx.JdbcDataSource"))
        self.assertEqual(found.kind, "wrong-class")
        found = error(("url", "jdbc:other://me:geheim@host/x?password=geheim;PASSWORD=geheim"), ("jar", jar("h2")))
        self.assertEqual(found.kind, "no-driver")
        self.assertIn("org.h2.Driver", found.message)
        self.assertNotIn("geheim", str(found))
        self.assertIn("jdbc:other://me:***@host/x", found.message)
        self.assertEqual(error(("url", "jdbc:h2:mem:a")).kind, "no-driver")
        found = error(("url", "jdbc:h2:mem:a"), ("jar", jar("h2")), ("property", "user"))
        self.assertEqual(found.kind, "bad-arguments")
        found = error(("url", "jdbc:h2:tcp://127.0.0.1:1/x"), ("jar", jar("h2")))
        self.assertEqual((found.origin, found.state), (0, "90067"))

    def test_each_list_of_jars_has_classes_of_its_own(self):
        one = self.open("h2", "shared")
        one.run("CREATE TABLE t (a INT)")
        copy = os.path.join(self.folder, "other-h2.jar")
        shutil.copy(jar("h2"), copy)
        other = self.sidecar.open([("url", "jdbc:h2:mem:shared"), ("jar", copy)])
        self.assertEqual(self.fails(other.run, "SELECT * FROM t").code, 42104)
        same = self.open("h2", "shared")
        self.assertEqual(same.rows("SELECT * FROM t"), [])
        named = self.open("hsqldb", extra=[("driver", "org.hsqldb.jdbc.JDBCDriver"), ("jar", jar("h2"))])
        self.assertEqual(named.rows("VALUES 1"), [[1]])
        other.close()

    def test_lists_with_a_jar_with_a_native_library_share_it(self):
        one = self.open("sqlite")
        other = self.open("sqlite", extra=[("jar", jar("h2"))])
        for connection in (one, other, one):
            self.assertEqual(connection.rows("SELECT ?", 1), [[1]])

    def test_a_channel_that_is_not_open_answers(self):
        connection = self.sidecar.open(self.items("h2"))
        connection.close()
        found = self.fails(connection.run, "SELECT 1")
        self.assertEqual((found.origin, found.kind, found.flags), (1, "protocol", 1))
        connection.close()

    @each
    def test_closing_twenty_connections_leaves_no_thread(self, product):
        connections = [self.sidecar.open(self.items(product, "many")) for _ in range(20)]
        for connection in connections:
            connection.ping()
        for connection in connections:
            connection.close()
        deadline = time.monotonic() + 5
        while True:
            left = threads(self.sidecar).count("ebbtide connection")
            if left == 0 or time.monotonic() > deadline:
                break
        self.assertEqual(left, 0)


class Values(Case):
    def check(self, connection, cases, select="SELECT %s"):
        for expression, *expected in cases:
            with self.subTest(expression):
                got = connection.run(select % expression)
                self.assertEqual(got.rows[0][0], expected[0])
                if len(expected) > 1:
                    self.assertEqual(got.types[0], expected[1])

    def test_h2(self):
        c = self.open("h2")
        self.check(c, [
            ("TRUE", True, "BOOLEAN"), ("CAST(-128 AS TINYINT)", -128, "TINYINT"), ("CAST(-32768 AS SMALLINT)", -32768),
            ("-2147483648", -2147483648), ("9223372036854775807", 2**63 - 1), ("CAST(-9223372036854775808 AS BIGINT)", -2**63),
            ("CAST(1.1 AS REAL)", tag(4, struct.unpack(">f", struct.pack(">f", 1.1))[0])), ("CAST(0.1 AS DOUBLE PRECISION)", 0.1),
            ("CAST('NaN' AS DOUBLE PRECISION) = 0", False), ("CAST('Infinity' AS DOUBLE PRECISION)", float("inf")),
            ("CAST(1234567890123456789012345678.90 AS NUMERIC(40, 2))", tag(6, "1234567890123456789012345678.90")),
            ("CAST(1E-10 AS NUMERIC(20, 12))", tag(6, "0.000000000100")), ("CAST('1E3' AS DECFLOAT)", tag(6, "1000")),
            ("'ä€😀'", "ä€😀", "CHARACTER VARYING"), ("CAST('x ' AS CHAR(3))", "x  "), ("CAST('long' AS CLOB)", "long"),
            ("X'00ff'", b"\0\xff"), ("CAST(X'00ff' AS BLOB)", b"\0\xff"), ("''", ""), ("X''", b""), ("NULL", None),
            ("DATE '9999-12-31'", tag(9, "9999-12-31")), ("DATE '0001-01-01'", tag(9, "0001-01-01")),
            ("DATE '1500-02-28'", tag(9, "1500-02-28")), ("DATE '10000-01-01'", tag(9, "+10000-01-01")),
            ("CAST(TIME '03:04:05.123456789' AS TIME(9))", tag(10, "03:04:05.123456789")), ("TIME '03:04:00'", tag(10, "03:04:00")),
            ("CAST(TIMESTAMP '2026-03-29 02:30:00.1234567' AS TIMESTAMP(9))", tag(11, "2026-03-29 02:30:00.1234567")),
            ("TIMESTAMP WITH TIME ZONE '2026-12-01 03:04:05.123+05:30'", tag(12, "2026-12-01 03:04:05.123+05:30")),
            ("TIMESTAMP WITH TIME ZONE '2026-12-01 03:04:05+00'", tag(12, "2026-12-01 03:04:05+00:00")),
            ("TIME WITH TIME ZONE '03:04:05-08:00'", "03:04:05-08:00"),
            ("UUID '123e4567-e89b-12d3-a456-426655440000'", tag(13, "123e4567-e89b-12d3-a456-426655440000"), "UUID"),
            ("JSON '{\"a\": [1.0, \"ä\"]}'", tag(14, '{"a":[1.0,"ä"]}'), "JSON"),
            ("INTERVAL '1-2' YEAR TO MONTH", tag(16, (14, 0, 0))), ("INTERVAL '-3' MONTH", tag(16, (-3, 0, 0))),
            ("INTERVAL '-1 02:03:04.5' DAY TO SECOND", tag(16, (0, -1, -7384500000))), ("INTERVAL '5' HOUR", tag(16, (0, 0, 18000000000))),
            ("INTERVAL '0.123456789' SECOND(1, 9)", "INTERVAL '0.123456789' SECOND"),
            ("ARRAY[1, NULL, 3]", [1, None, 3]), ("ARRAY[ARRAY['a'], ARRAY['b', 'c']]", [["a"], ["b", "c"]]),
            ("ARRAY[DATE '2026-12-01']", [tag(9, "2026-12-01")]), ("ARRAY[]", []),
            ("U&'\\d800'", tag(19, "the text has half of a surrogate pair and cannot be written as UTF-8")),
        ])
        values = [(True, "BOOLEAN"), (2**63 - 1, "BIGINT"), (0.1, "DOUBLE PRECISION"), ("ä😀", "VARCHAR"), (b"\0\xff", "VARBINARY"),
                  (tag(6, "1234567890123456789012345678.90"), "NUMERIC(40, 2)"), (tag(4, 0.5), "REAL"),
                  (tag(9, "9999-12-31"), "DATE"), (tag(10, "03:04:05.123456789"), "TIME(9)"),
                  (tag(11, "2026-03-29 02:30:00.123456789"), "TIMESTAMP(9)"),
                  (tag(13, "123e4567-e89b-12d3-a456-426655440000"), "UUID"), (tag(14, '{"a":1}'), "JSON"),
                  (tag(16, (14, 0, 0)), "INTERVAL YEAR TO MONTH"), (tag(16, (0, -1, -1500000)), "INTERVAL DAY TO SECOND"),
                  ([1, 2], "BIGINT ARRAY"), (["a", "b"], "VARCHAR ARRAY")]
        for value, type in values:
            with self.subTest(type):
                self.table(c, "a " + type)
                c.run("INSERT INTO sidecar_t VALUES (?)", value)
                self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[value]])
                self.assertEqual(c.rows("SELECT count(*) FROM sidecar_t WHERE a = ?", value), [[1]])
                c.run("UPDATE sidecar_t SET a = ?", tag(0, 0))
                self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[None]])
        self.assertEqual(c.rows("SELECT CAST(? AS NUMERIC(20))", tag(3, 2**64 - 1)), [[tag(6, str(2**64 - 1))]])
        self.assertEqual(c.rows("SELECT CAST(? AS TIMESTAMP WITH TIME ZONE)", tag(12, "2026-12-01 03:04:05.5Z")),
                         [[tag(12, "2026-12-01 03:04:05.5+00:00")]])
        self.assertEqual(c.rows("SELECT CAST(? AS DATE)", tag(15, "2026-12-01")), [[tag(9, "2026-12-01")]])

    def test_hsqldb(self):
        c = self.open("hsqldb")
        self.check(c, [
            ("TRUE", True), ("CAST(-128 AS TINYINT)", -128), ("9223372036854775807", 2**63 - 1), ("CAST(0.1 AS DOUBLE)", 0.1),
            ("CAST(1234567890123456789012345678.90 AS DECIMAL(40, 2))", tag(6, "1234567890123456789012345678.90")),
            ("'ä€😀'", "ä€😀"), ("CAST('long' AS CLOB)", "long"), ("X'00ff'", b"\0\xff"), ("CAST(X'00ff' AS BLOB)", b"\0\xff"),
            ("B'1'", True), ("B'1010000001'", "1010000001"),
            ("DATE '9999-12-31'", tag(9, "9999-12-31")), ("DATE '1500-02-28'", tag(9, "1500-02-28")),
            ("CAST('03:04:05.123456' AS TIME(6))", tag(10, "03:04:05.123456")),
            ("TIMESTAMP '2026-03-29 02:30:00.123456789'", tag(11, "2026-03-29 02:30:00.123456789")),
            ("TIMESTAMP '2026-12-01 03:04:05.123+5:30'", tag(12, "2026-12-01 03:04:05.123+05:30")),
            ("TIME '03:04:05-8:00'", "03:04:05-08:00"),
            ("CAST('123e4567-e89b-12d3-a456-426655440000' AS UUID)", tag(13, "123e4567-e89b-12d3-a456-426655440000")),
            ("INTERVAL '1-2' YEAR TO MONTH", tag(16, (14, 0, 0))), ("INTERVAL -'3' MONTH", tag(16, (-3, 0, 0))),
            ("INTERVAL '-1 02:03:04.5' DAY TO SECOND", tag(16, (0, -1, -7384500000))),
            ("ARRAY[1, NULL, 3]", [1, None, 3]), ("CAST(NULL AS INTEGER)", None),
        ], "SELECT %s FROM (VALUES(0))")
        for value, type in [(True, "BOOLEAN"), (2**63 - 1, "BIGINT"), (0.1, "DOUBLE"), ("ä😀", "VARCHAR(9)"), (b"\0\xff", "VARBINARY(9)"),
                            (b"\0\xff", "BLOB"), ("long", "CLOB"), (tag(6, "1234567890123456789012345678.90"), "DECIMAL(40, 2)"),
                            (tag(9, "9999-12-31"), "DATE"), (tag(10, "03:04:05.123456"), "TIME(6)"),
                            (tag(11, "2026-03-29 02:30:00.123456789"), "TIMESTAMP(9)"),
                            (tag(13, "123e4567-e89b-12d3-a456-426655440000"), "UUID"),
                            (tag(16, (14, 0, 0)), "INTERVAL YEAR TO MONTH"), (tag(16, (0, -1, -1500000)), "INTERVAL DAY TO SECOND"),
                            ([1, 2], "BIGINT ARRAY")]:
            with self.subTest(type):
                self.table(c, "a " + type)
                c.run("INSERT INTO sidecar_t VALUES (?)", value)
                self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[value]])
                c.run("UPDATE sidecar_t SET a = ?", tag(0, 0))
                self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[None]])
        self.table(c, "a TIMESTAMP(6) WITH TIME ZONE")
        c.run("INSERT INTO sidecar_t VALUES (?)", tag(12, "2026-12-01 03:04:05.5Z"))
        self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[tag(12, "2026-12-01 03:04:05.5+00:00")]])

    def test_derby(self):
        c = self.open("derby")
        self.check(c, [
            ("TRUE", True), ("CAST(-32768 AS SMALLINT)", -32768), ("9223372036854775807", 2**63 - 1), ("CAST(0.1 AS DOUBLE)", 0.1),
            ("CAST(1.5 AS REAL)", tag(4, 1.5)), ("123456789012345678901234567.89", tag(6, "123456789012345678901234567.89")),
            ("'ä€😀'", "ä€😀"), ("CAST('long' AS CLOB)", "long"), ("X'00ff'", b"\0\xff"), ("CAST(X'00ff' AS BLOB)", b"\0\xff"),
            ("DATE('9999-12-31')", tag(9, "9999-12-31")), ("DATE('1500-02-28')", tag(9, "1500-02-28")), ("TIME('03:04:05')", tag(10, "03:04:05")),
            ("TIMESTAMP('2026-03-29 02:30:00.123456789')", tag(11, "2026-03-29 02:30:00.123456789")),
            ("TIMESTAMP('2026-03-29 02:30:00')", tag(11, "2026-03-29 02:30:00")), ("CAST(NULL AS INTEGER)", None),
        ], "VALUES %s")
        for value, type in [(True, "BOOLEAN"), (2**63 - 1, "BIGINT"), (0.1, "DOUBLE"), (tag(4, 0.5), "REAL"), ("ä😀", "VARCHAR(9)"),
                            (b"\0\xff", "VARCHAR(9) FOR BIT DATA"), (b"\0\xff", "BLOB"), ("long", "CLOB"),
                            (tag(6, "12345678901234567890123456.78"), "DECIMAL(28, 2)"), (tag(9, "9999-12-31"), "DATE"),
                            (tag(10, "03:04:05"), "TIME"), (tag(11, "2026-03-29 02:30:00.123456789"), "TIMESTAMP")]:
            with self.subTest(type):
                self.table(c, "a " + type)
                c.run("INSERT INTO sidecar_t VALUES (?)", value)
                self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[value]])
                for null in (tag(0, 0), tag(0, value.tag if isinstance(value, Tagged) else 7)):
                    c.run("UPDATE sidecar_t SET a = ?", null)
                    self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[None]])
        self.table(c, "a TIMESTAMP")
        c.run("INSERT INTO sidecar_t VALUES (?)", tag(12, "2026-12-01 03:04:05.5Z"))
        self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[tag(11, "2026-12-01 03:04:05.5")]])

    def test_sqlite(self):
        c = self.open("sqlite")
        self.check(c, [
            ("9223372036854775807", 2**63 - 1, ""), ("-9223372036854775808", -2**63), ("0.1", 0.1), ("9e999", float("inf")), ("'ä€😀'", "ä€😀"),
            ("x'00ff'", b"\0\xff"), ("x''", b""), ("''", ""), ("NULL", None), ("CAST(x'ff' AS TEXT)", tag(19, "the text is not UTF-8")),
            ("char(65533)", "\ufffd"), ("'03:04:05.123456'", "03:04:05.123456"), ("CAST(1 AS NUMERIC)", 1),
        ])
        self.table(c, "a BOOLEAN, b bool, c DATETIME, d VARCHAR(20), e DECIMAL(10, 2), f, g INTEGER")
        c.run("INSERT INTO sidecar_t VALUES (?, ?, ?, ?, ?, ?, ?)", True, False, tag(11, "2026-12-01 03:04:05.123456"), "x",
              tag(6, "12345.67"), b"\0", tag(0, 0))
        got = c.run("SELECT a, b, c, d, e, f, g, a + 1 FROM sidecar_t")
        self.assertEqual(got.rows, [[1, 0, "2026-12-01 03:04:05.123456", "x", 12345.67, b"\0", None, 2]])
        self.assertEqual(got.flags, [2, 2, 0, 0, 0, 0, 0, 0])
        self.assertEqual(got.types[:3] + got.types[5:], ["BOOLEAN", "bool", "DATETIME", "", "INTEGER", ""])
        self.assertEqual(c.rows("SELECT ?, ?, ?, ?", tag(4, 0.5), tag(12, "2026-12-01 03:04:05Z"), tag(21, -1), tag(3, 7)),
                         [[0.5, "2026-12-01 03:04:05Z", -1, 7]])
        found = self.fails(c.run, "SELECT ?", tag(3, 2**63))
        self.assertEqual((found.origin, found.kind), (1, "unsupported"))
        c.run("CREATE TABLE sidecar_k (a UNIQUE)")
        c.run("INSERT INTO sidecar_k VALUES (1)")
        found = self.fails(c.run, "INSERT INTO sidecar_k VALUES (1)")
        self.assertEqual((found.code, found.state), (2067, ""))
        # A star is not kept over a change of the table.
        self.assertEqual(len(c.run("SELECT * FROM sidecar_t").columns), 7)
        c.run("ALTER TABLE sidecar_t ADD COLUMN h TEXT")
        got = c.run("SELECT * FROM sidecar_t")
        self.assertEqual((len(got.columns), len(got.rows[0])), (8, 8))

    def test_postgres(self):
        c = self.open("postgres")
        self.check(c, [
            ("true", True, "bool"), ("1::int2", 1, "int2"), ("-1", -1, "int4"), ("9223372036854775807", 2**63 - 1, "int8"), ("7::oid", 7, "oid"),
            ("1.5::float4", tag(4, 1.5)), ("0.1::float8", 0.1), ("'NaN'::float8 > 0", True), ("'\\x00ff'::bytea", b"\0\xff", "bytea"),
            ("1.10", tag(15, "1.10"), "numeric"), ("'NaN'::numeric", tag(15, "NaN")), ("'ä€😀'::text", tag(15, "ä€😀"), "text"),
            ("'1000.50'::float8::numeric::money", tag(15, "$1,000.50"), "money"), ("'24:00:00'::time", tag(15, "24:00:00"), "time"),
            ("'03:04:05.123456+05:30'::timetz", tag(15, "03:04:05.123456+05:30"), "timetz"), ("'infinity'::timestamptz", tag(15, "infinity")),
            ("timestamptz '2026-12-01 03:04:05.123456+05:30'", tag(15, "2026-11-30 21:34:05.123456+00"), "timestamptz"),
            ("date '10000-01-01'", tag(15, "10000-01-01"), "date"), ("date '0044-03-15 BC'", tag(15, "0044-03-15 BC")),
            ("interval '1 year 1 mon 3 days 04:05:06.7'", tag(15, "1 year 1 mon 3 days 04:05:06.7"), "interval"),
            ("'{\"a\": 1.0}'::json", tag(15, '{"a": 1.0}'), "json"), ("'{1,NULL}'::int[]", tag(15, "{1,NULL}"), "_int4"),
            ("'{{1,2},{3,4}}'::int8[]", tag(15, "{{1,2},{3,4}}"), "_int8"), ("'::1'::inet", tag(15, "::1"), "inet"),
            ("'123e4567-e89b-12d3-a456-426655440000'::uuid", tag(15, "123e4567-e89b-12d3-a456-426655440000"), "uuid"),
            ("B'101'", tag(15, "101"), "bit"), ("NULL::int4", None), ("'x'::char(3)", tag(15, "x  "), "bpchar"), ("row(1, 'a')", tag(15, "(1,a)"), "record"),
        ])
        uuid = "123e4567-e89b-12d3-a456-426655440000"
        for value, type, text in [
            (True, "bool", "true"), (1, "int8", "1"), (tag(20, 1), "int2", "1"), (tag(21, 1), "int4", "1"), (0.1, "float8", "0.1"), (tag(4, 0.5), "float4", "0.5"),
            (tag(3, 2**64 - 1), "numeric", str(2**64 - 1)), (tag(6, "12345678901234567890123456.78"), "numeric", "12345678901234567890123456.78"),
            (tag(6, "NaN"), "numeric", "NaN"), ("ä", "text", "ä"), (b"\0\xff", "bytea", "\\x00ff"), (tag(9, "9999-12-31"), "date", "9999-12-31"),
            (tag(10, "24:00:00"), "time without time zone", "24:00:00"), (tag(11, "2026-12-01 03:04:05.123456"), "timestamp without time zone", "2026-12-01 03:04:05.123456"),
            (tag(12, "2026-12-01 03:04:05.5Z"), "timestamp with time zone", "2026-12-01 03:04:05.5+00"), (tag(13, uuid), "uuid", uuid), (tag(17, "10.0.0.0/8"), "inet", "10.0.0.0/8"),
            (tag(16, (14, -3, -1500000)), "interval", "1 year 2 mons -3 days -00:00:01.5"), ([1, None, 3], "int8[]", "{1,NULL,3}"),
            ([[tag(21, 1)], [tag(21, 2)]], "int4[]", "{{1},{2}}"), ([tag(13, uuid)], "uuid[]", "{%s}" % uuid), ([True, False], "bool[]", "{t,f}"),
        ]:
            with self.subTest(type):
                spoken = {"int8": "bigint", "int4": "integer", "int2": "smallint", "float8": "double precision", "float4": "real", "bool": "boolean"}
                bare = type.replace("[]", "")
                named = spoken.get(bare, bare) + type[len(bare):]
                self.assertEqual(c.rows("SELECT pg_typeof(v)::text, v::text FROM (SELECT ? AS v) AS x", value), [[tag(15, named), tag(15, text)]])
        self.assertEqual(c.rows("SELECT a FROM (VALUES ('a\"b\\c'), ('x')) AS t (a) WHERE a = ANY (?)", ['a"b\\c', None]), [[tag(15, 'a"b\\c')]])
        self.table(c, "a json, b jsonb, c int4, d timestamptz, e text")
        c.run("INSERT INTO sidecar_t VALUES (?, ?, ?, ?, ?)", tag(14, '{"b": 1, "a": 2}'), tag(14, '{"a": 2}'), None, tag(0, 12), tag(15, "t"))
        self.assertEqual(c.rows("SELECT * FROM sidecar_t"), [[tag(15, '{"b": 1, "a": 2}'), tag(15, '{"a": 2}'), None, None, tag(15, "t")]])
        # Values do not change when the statement is prepared by the server.
        for _ in range(12):
            self.assertEqual(c.rows("SELECT '24:00:00'::time, '\\x00ff'::bytea, ?::numeric, timestamptz '2026-12-01 03:04:05.1+00'", tag(6, "1.10")),
                             [[tag(15, "24:00:00"), b"\0\xff", tag(15, "1.10"), tag(15, "2026-12-01 03:04:05.1+00")]])
        c.run("DROP TABLE IF EXISTS sidecar_serial")
        c.run("CREATE TABLE sidecar_serial (id serial, big bigserial)")
        self.assertEqual(c.run("SELECT * FROM sidecar_serial").types, ["int4", "int8"])
        c.run("DROP TABLE sidecar_serial")

    def test_mariadb(self):
        c = self.open("mariadb")
        columns = [
            ("tinyint", "-128", -128, "TINYINT"), ("tinyint unsigned", "255", tag(3, 255), "TINYINT UNSIGNED"), ("smallint unsigned", "65535", tag(3, 65535), "SMALLINT UNSIGNED"),
            ("mediumint unsigned", "16777215", tag(3, 16777215), "MEDIUMINT UNSIGNED"), ("int unsigned", "4294967295", tag(3, 4294967295), "INT UNSIGNED"), ("int", "-2147483648", -2147483648, "INT"),
            ("bigint unsigned", "18446744073709551615", tag(3, 2**64 - 1), "BIGINT UNSIGNED"), ("bigint", "-9223372036854775808", -2**63, "BIGINT"),
            ("int zerofill", "7", tag(3, 7), "INT UNSIGNED"), ("decimal(40, 10)", "'123456789012345678901234567890.1234567890'", tag(6, "123456789012345678901234567890.1234567890"), "DECIMAL"),
            ("float", "16777216", tag(4, 16777216.0), "FLOAT"), ("double", "0.1", 0.1, "DOUBLE"), ("datetime(6)", "'2026-12-01 03:04:05.123456'", tag(15, "2026-12-01 03:04:05.123456"), "DATETIME"),
            ("datetime", "'9999-12-31 23:59:59'", tag(15, "9999-12-31 23:59:59"), "DATETIME"), ("timestamp(3) null", "'2026-12-01 03:04:05.120'", tag(15, "2026-12-01 03:04:05.12"), "TIMESTAMP"),
            ("time(6)", "'-838:59:58.999999'", tag(15, "-838:59:58.999999"), "TIME"), ("date", "'9999-12-31'", tag(15, "9999-12-31"), "DATE"), ("year", "2026", tag(15, "2026"), "YEAR"),
            ("bit(1)", "b'1'", tag(3, 1), "BIT"), ("bit(64)", "b'" + "1" * 64 + "'", tag(3, 2**64 - 1), "BIT"), ("blob", "x'00ff'", b"\0\xff", "BLOB"), ("binary(3)", "x'01'", b"\1\0\0", "BINARY"),
            ("text character set utf8mb4", "'ä€😀'", "ä€😀", "TEXT"), ("varbinary(5)", "x'ff'", b"\xff", "VARBINARY"), ("enum('a','b')", "'a'", "a", "CHAR"), ("json", "'{\"a\":1.0}'", '{"a":1.0}', "LONGTEXT"),
            ("boolean", "true", 1, "TINYINT"),
        ]
        self.table(c, ", ".join("c%d %s" % (i, column[0]) for i, column in enumerate(columns)))
        c.run("INSERT INTO sidecar_t VALUES (%s)" % ", ".join(column[1] for column in columns))
        c.run("INSERT INTO sidecar_t (c0) VALUES (0)")
        for flags in (WANTED, WANTED | FEW):
            for _ in range(3):
                got = c.run("SELECT * FROM sidecar_t", flags=flags)
                for i, column in enumerate(columns):
                    with self.subTest(column[0]):
                        self.assertEqual((got.rows[0][i], got.types[i]), (column[2], column[3]))
                        self.assertEqual(bool(got.flags[i] & 1), column[3].endswith("UNSIGNED") or column[3] == "BIT")
                        self.assertEqual(bool(got.flags[i] & 2), column[0] == "boolean")
                        if i:
                            self.assertIsNone(got.rows[1][i])
        # As text, too, except for the digits that the server leaves out of a FLOAT.
        got = c.run("SELECT * FROM sidecar_t", flags=WANTED | PLAIN)
        for i, column in enumerate(columns):
            if column[0] != "float":
                self.assertEqual((got.rows[0][i], got.types[i]), (column[2], column[3]))
        c.run("SET SESSION sql_mode = ''")
        c.run("INSERT INTO sidecar_t (c12, c16) VALUES ('0000-00-00', '0000-00-00')")
        self.assertEqual(c.rows("SELECT c12, c16 FROM sidecar_t WHERE c12 = 0"), [[tag(15, "0000-00-00 00:00:00"), tag(15, "0000-00-00")]])
        for value, type, got in [
            (True, "boolean", 1), (2**63 - 1, "bigint", 2**63 - 1), (tag(3, 2**64 - 1), "bigint unsigned", tag(3, 2**64 - 1)), (0.1, "double", 0.1), (tag(4, 16777216.0), "float", tag(4, 16777216.0)),
            (tag(6, "12345678901234567890123456.78"), "decimal(28, 2)", tag(6, "12345678901234567890123456.78")), ("ä\\'\"😀", "varchar(20) character set utf8mb4", "ä\\'\"😀"), (b"\0\xff\\'", "blob", b"\0\xff\\'"),
            (tag(9, "9999-12-31"), "date", tag(15, "9999-12-31")), (tag(10, "03:04:05.123456"), "time(6)", tag(15, "03:04:05.123456")),
            (tag(11, "2026-12-01 03:04:05.123456"), "datetime(6)", tag(15, "2026-12-01 03:04:05.123456")), (tag(12, "2026-12-01 03:04:05.5Z"), "datetime(6)", tag(15, "2026-12-01 03:04:05.5")),
            (tag(14, '{"a":1}'), "json", '{"a":1}'), (tag(13, "123e4567-e89b-12d3-a456-426655440000"), "char(36)", "123e4567-e89b-12d3-a456-426655440000"), (tag(21, -5), "int", -5),
        ]:
            with self.subTest(type):
                self.table(c, "a " + type)
                c.run("INSERT INTO sidecar_t VALUES (?)", value)
                self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[got]])
                for null in (tag(0, 0), tag(0, 9)):
                    c.run("UPDATE sidecar_t SET a = ?", null)
                    self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[None]])


class Running(Case):
    @each
    def test_parameters_of_an_earlier_use_do_not_stay(self, product):
        c = self.open(product)
        self.table(c, "a INTEGER, b INTEGER")
        c.run("INSERT INTO sidecar_t VALUES (?, ?)", 1, 2)
        found = self.fails(c.run, "INSERT INTO sidecar_t VALUES (?, ?)", 3)
        self.assertIn(found.origin, (0, 1))
        found = self.fails(c.run, "INSERT INTO sidecar_t VALUES (?, ?)", 3, 4, 5)
        self.assertIn(found.origin, (0, 1))
        c.run("INSERT INTO sidecar_t VALUES (?, ?)", 5, 6)
        self.assertEqual(c.rows("SELECT a, b FROM sidecar_t ORDER BY a"), [[1, 2], [5, 6]])

    @each
    def test_another_connection_changes_a_table(self, product):
        c, other = self.open(product, "changed"), self.open(product, "changed")
        self.table(other, "a INTEGER, b INTEGER")
        other.run("INSERT INTO sidecar_t VALUES (1, 2)")
        for _ in range(10):
            self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[1]])
            self.assertEqual(c.run("SELECT * FROM sidecar_t WHERE a = ?", 1).rows, [[1, 2]])
        self.table(other, "b INTEGER, a VARCHAR(20)")
        other.run("INSERT INTO sidecar_t VALUES (3, 'four')")
        four = tag(15, "four") if product == "postgres" else "four"
        self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[four]])
        got = c.run("SELECT * FROM sidecar_t WHERE a = ?", "four")
        self.assertEqual(([name.lower() for name in got.columns], got.rows), (["b", "a"], [[3, four]]))
        # A table that was changed in a transaction and is as before after it.
        if product in ("derby", "sqlite", "postgres"):
            c.begin(begin="BEGIN")
            c.run("DROP TABLE sidecar_t")
            c.run("CREATE TABLE sidecar_t (a INTEGER)")
            self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [])
            c.rollback()
            self.assertEqual(c.rows("SELECT a FROM sidecar_t"), [[four]])
        other.run("DROP TABLE sidecar_t")

    @each
    def test_a_statement_that_failed_fails_again(self, product):
        c = self.open(product)
        self.table(c, "a INTEGER")
        for a in (0, 1):
            c.run("INSERT INTO sidecar_t VALUES (?)", a)
        query = "SELECT sum(10 / (a - ?)) FROM sidecar_t"
        good = c.rows(query, 5)
        for _ in range(3):
            if product in ("sqlite", "mariadb"):
                self.assertNotEqual(c.rows(query, 1), good)
            else:
                self.assertEqual(self.fails(c.run, query, 1).state, "22012")
        self.assertEqual(c.rows(query, 5), good)
        c.run("DROP TABLE sidecar_t")

    @each
    def test_counts_and_keys(self, product):
        c = self.open(product)
        key = {"h2": "id INT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "hsqldb": "id INT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
               "derby": "id INT NOT NULL GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "sqlite": "id INTEGER PRIMARY KEY",
               "postgres": "id serial PRIMARY KEY", "mariadb": "id INT AUTO_INCREMENT PRIMARY KEY"}[product]
        self.table(c, "created INTEGER DEFAULT 7, %s, a INTEGER" % key)
        one = "INSERT INTO sidecar_t (a) VALUES (?)"
        first = [0, 1, 2] if product == "hsqldb" else [1, 2, 3]
        self.assertEqual([c.run(one, 1, flags=KEY).key for _ in range(3)], [None] * 3 if product == "postgres" else first)
        self.assertIsNone(c.run(one, 1).key)
        many = c.run("INSERT INTO sidecar_t (a) VALUES (1), (2)", flags=KEY)
        self.assertEqual((many.affected, many.key), (2, None))
        self.assertEqual(c.run("UPDATE sidecar_t SET a = a + 1").affected, 6)
        self.assertEqual(c.run("DELETE FROM sidecar_t WHERE a > ?", 99).affected, 0)
        self.table(c, "a INTEGER", "sidecar_u")
        got = c.run("INSERT INTO sidecar_u VALUES (1)", flags=KEY)
        self.assertEqual(got.affected, 1)
        if product != "sqlite":
            self.assertIsNone(got.key)
        c.run("DROP TABLE sidecar_u")

    @each
    def test_a_failure_skips_what_depends_on_it(self, product):
        c = self.open(product)
        self.table(c, "a INTEGER")
        bad = c.start("INSERT INTO nowhere VALUES (1)")
        skipped = [c.start("INSERT INTO sidecar_t VALUES (1)", flags=SKIP), c.start("INSERT INTO sidecar_t VALUES (2)", flags=SKIP)]
        good = c.start("INSERT INTO sidecar_t VALUES (3)")
        last = c.start("INSERT INTO sidecar_t VALUES (4)", flags=SKIP)
        self.assertEqual(self.fails(c.answer, bad).origin, 0)
        for request in skipped:
            self.assertEqual(self.fails(c.answer, request).origin, 2)
        c.answer(good)
        c.answer(last)
        self.assertEqual(c.rows("SELECT a FROM sidecar_t ORDER BY a"), [[3], [4]])

    @each
    def test_credits_hold_rows_back(self, product):
        c = self.open(product)
        self.table(c, "a INTEGER, b VARCHAR(100)")
        c.begin(begin="BEGIN")
        for i in range(3000):
            c.start("INSERT INTO sidecar_t VALUES (?, ?)", i, "x" * 100)
        for i in range(3000):
            c.answer(c.requests - 2999 + i)
        c.commit()
        for flags in (WANTED, WANTED | FEW):
            request = c.start("SELECT a, b FROM sidecar_t ORDER BY a", flags=flags, credits=1)
            self.assertEqual([c.next()[1] for _ in range(2)], [COLUMNS, ROWS])
            with self.assertRaises(queue.Empty):
                c.next(timeout=0.3)
            self.sidecar.send(c.number, request + 1, MORE, struct.pack(">I", 9))
            with self.assertRaises(queue.Empty):
                c.next(timeout=0.1)
            self.sidecar.send(c.number, request, MORE, struct.pack(">I", 100))
            while True:
                number, kind, reader = c.next()
                if kind != ROWS:
                    break
            self.assertEqual((number, kind), (request, DONE))
        got = c.run("SELECT a, b FROM sidecar_t ORDER BY a")
        self.assertEqual([row[0] for row in got.rows], list(range(3000)))
        self.assertGreater(got.batches, 4)
        # Without wanted rows there are none, and the connection goes on.
        self.assertEqual(c.run("SELECT a, b FROM sidecar_t", flags=0).batches, 0)
        # Cancelled while it waits for credits.
        request = c.start("SELECT a, b FROM sidecar_t ORDER BY a", credits=1)
        self.assertEqual([c.next()[1] for _ in range(2)], [COLUMNS, ROWS])
        c.cancel(request)
        found = self.fails(c.answer, request)
        self.assertIn((found.origin, found.kind), [(1, "cancelled"), (0, found.kind)])
        self.assertEqual(c.rows("SELECT count(*) FROM sidecar_t"), [[3000]])
        c.run("DROP TABLE sidecar_t")

    def test_a_request_that_waits_for_its_turn_is_cancelled(self):
        c = self.open("postgres")
        slow, waiting = c.start("SELECT pg_sleep(0.3)"), c.start("SELECT 1")
        c.cancel(waiting)
        c.answer(slow)
        self.assertEqual(self.fails(c.answer, waiting).kind, "cancelled")
        self.assertEqual(c.rows("SELECT 2"), [[2]])

    def test_all_requests_that_are_cancelled_together_end(self):
        c = self.open("postgres")
        self.assertEqual(c.rows("SELECT 1"), [[1]])
        slow, *waiting = [c.start(sql) for sql in ("SELECT pg_sleep(0.3)", "SELECT 2", "SELECT pg_sleep(60)", "SELECT 3")]
        for request in (slow - 1, waiting[1], waiting[0], slow, waiting[2]):
            c.cancel(request)
        start = time.monotonic()
        self.fails(c.answer, slow)
        for request in waiting:
            self.assertEqual(self.fails(c.answer, request).kind, "cancelled")
        self.assertLess(time.monotonic() - start, 2)
        self.assertEqual(c.rows("SELECT 4"), [[4]])

    def test_a_text_with_several_results(self):
        c = self.open("mariadb")
        for flags in (WANTED, WANTED | FEW):
            got = c.run("BEGIN NOT ATOMIC SELECT 1 AS a; SELECT 'b' AS b, 2 AS c; END", flags=flags)
            self.assertEqual((got.sets, got.columns, got.rows), (2, ["a", "b", "c"], [[1], ["b", 2]]))
        c = self.open("postgres")
        got = c.run("SELECT 1 AS a; SELECT 2 AS b", flags=WANTED | PLAIN)
        self.assertEqual((got.sets, got.rows), (2, [[1], [2]]))

    SLOW = {
        "h2": "SELECT count(*) FROM system_range(1, 1000000) a, system_range(1, 1000000) b",
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "postgres": "SELECT pg_sleep(60)",
        "mariadb": "SELECT sleep(60)",
        "derby": "SELECT count(*) FROM sys.syscolumns a, sys.syscolumns b, sys.syscolumns c, sys.syscolumns d",
        "hsqldb": "SELECT count(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c",
    }

    @each
    def test_cancelling_ends_a_statement(self, product):
        c = self.open(product)
        other = self.open(product)
        start = time.monotonic()
        request = c.start(self.SLOW[product])
        time.sleep(0.3)
        self.assertTrue(c.mailbox.empty())
        c.cancel(request + 1)
        c.cancel(request)
        other.ping()
        self.fails(c.answer, request, timeout=20)
        self.assertLess(time.monotonic() - start, 2)
        # The connection stays.
        c.ping()
        self.assertEqual(len(c.rows("VALUES 1" if product in ("derby", "hsqldb") else "SELECT 1")), 1)


class Transactions(Case):
    @each
    def test_commit_and_rollback(self, product):
        c = self.open(product, "tx")
        self.table(c, "a INTEGER PRIMARY KEY NOT NULL")
        c.begin(begin="BEGIN")
        c.run("INSERT INTO sidecar_t VALUES (1)")
        c.rollback()
        c.begin(begin="BEGIN")
        c.run("INSERT INTO sidecar_t VALUES (2)")
        c.commit()
        c.run("INSERT INTO sidecar_t VALUES (3)")
        other = self.open(product, "tx")
        self.assertEqual(other.rows("SELECT a FROM sidecar_t ORDER BY a"), [[2], [3]])
        # A failed statement and its transaction.
        c.begin(begin="BEGIN")
        c.run("INSERT INTO sidecar_t VALUES (4)")
        self.fails(c.run, "INSERT INTO sidecar_t VALUES (4)")
        if product == "postgres":
            found = self.fails(c.commit)
            self.assertEqual((found.origin, found.state), (0, "25P02"))
        else:
            c.commit()
        self.assertEqual(len(other.rows("SELECT a FROM sidecar_t WHERE a = 4")), 0 if product == "postgres" else 1)
        # Closing with an open transaction rolls back.
        third = self.sidecar.open(self.items(product, "tx"))
        third.begin(begin="BEGIN")
        third.run("INSERT INTO sidecar_t VALUES (9)")
        third.close()
        self.assertEqual(other.rows("SELECT a FROM sidecar_t WHERE a = 9"), [])
        c.run("DROP TABLE sidecar_t")

    def test_options_are_for_one_transaction(self):
        levels = {"h2": "SELECT isolation_level FROM information_schema.sessions WHERE session_id = session_id()",
                  "hsqldb": "CALL SESSION_ISOLATION_LEVEL()", "derby": "VALUES CURRENT ISOLATION", "postgres": "SHOW transaction_isolation"}
        for product, ask in levels.items():
            with self.subTest(product):
                c = self.open(product)
                before = c.rows(ask)
                self.table(c, "a INTEGER")
                c.begin(isolation=4)
                within = c.rows(ask)
                c.commit()
                self.assertNotEqual(within, before)
                self.assertEqual(c.rows(ask), before)
                c.begin(isolation=4)
                c.rollback()
                self.assertEqual(c.rows(ask), before)
                if product != "h2":
                    c.begin(read_only=1)
                    found = self.fails(c.run, "INSERT INTO sidecar_t VALUES (1)")
                    self.assertEqual(found.origin, 0)
                    c.rollback()
                    c.run("INSERT INTO sidecar_t VALUES (1)")
                else:
                    self.assertEqual(self.fails(c.begin, read_only=1).kind, "unsupported")
                    c.run("INSERT INTO sidecar_t VALUES (1)")
                found = self.fails(c.begin, first="SELECT * FROM nowhere")
                self.assertEqual(found.origin, 0)
                self.assertEqual(c.rows(ask), before)
                c.begin()
                c.rollback()
                self.assertEqual(self.fails(c.commit).kind, "protocol")
        c = self.open("hsqldb")
        found = self.fails(c.begin, isolation=1)
        self.assertEqual((found.origin, found.kind), (1, "unsupported"))
        self.assertIn("read committed", found.message)
        self.assertEqual(c.rows(levels["hsqldb"]), [["READ COMMITTED"]])
        c = self.open("derby")
        self.assertIn(self.fails(c.begin, isolation=5).origin, (0, 1))
        c.begin()
        c.rollback()
        c = self.open("mariadb")
        self.table(c, "a INTEGER")
        c.begin(begin="SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION READ ONLY")
        self.assertEqual(self.fails(c.run, "INSERT INTO sidecar_t VALUES (1)").code, 1792)
        c.rollback()

    def test_a_lost_connection_is_no_commit(self):
        for product, kill, ask in [
            ("postgres", "SELECT pg_terminate_backend(%s)", "SELECT pg_backend_pid()"),
            ("mariadb", "KILL %s", "SELECT connection_id()"),
        ]:
            with self.subTest(product):
                c = self.sidecar.open(self.items(product))
                other = self.open(product)
                self.table(other, "a INTEGER")
                ids = c.rows(ask)
                number = ids[0][0].value if isinstance(ids[0][0], Tagged) else ids[0][0]
                c.begin(begin="START TRANSACTION")
                c.run("INSERT INTO sidecar_t VALUES (1)")
                other.run(kill % number)
                time.sleep(0.3)
                found = self.fails(c.commit)
                self.assertEqual(found.flags & 1, 1, found)
                self.assertEqual(other.rows("SELECT a FROM sidecar_t"), [])
                found = self.fails(c.run, "SELECT 1")
                self.assertEqual(found.flags & 1, 1, found)
                c.close()
                other.run("DROP TABLE sidecar_t")

    def test_postgres_streams_outside_of_transactions(self):
        c = self.open("postgres")
        self.table(c, "a INTEGER PRIMARY KEY DEFERRABLE INITIALLY DEFERRED")
        request = c.start("SELECT i, repeat('x', 1000) FROM generate_series(1, 2000000) AS i", credits=1)
        self.assertEqual([c.next()[1] for _ in range(2)], [COLUMNS, ROWS])
        with open("/proc/%d/status" % self.sidecar.child.pid) as status:
            resident = [int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS")][0]
        self.assertLess(resident, 400)
        c.cancel(request)
        self.fails(c.answer, request)
        # Inside the statement it is a transaction, whose commit may fail.
        found = self.fails(c.run, "INSERT INTO sidecar_t SELECT 1 FROM generate_series(1, 2) RETURNING a")
        self.assertEqual((found.state, found.details.get("constraint")), ("23505", "sidecar_t_pkey"))
        self.assertEqual(found.details["table"], "sidecar_t")
        c.run("INSERT INTO sidecar_t VALUES (1) RETURNING a")
        other = self.open("postgres")
        self.assertEqual(other.rows("SELECT a FROM sidecar_t"), [[1]])
        self.assertEqual(other.rows("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"), [[0]])
        c.run("VACUUM sidecar_t")
        c.run("DROP TABLE sidecar_t")


class Life(unittest.TestCase):
    def test_drivers_print_to_standard_error_and_the_end_of_input_ends_all(self):
        sidecar = Sidecar(JAVA)
        c = sidecar.open([("url", "jdbc:h2:mem:x;TRACE_LEVEL_SYSTEM_OUT=3"), ("jar", jar("h2"))])
        self.assertEqual(c.rows("SELECT 1"), [[1]])
        c.start("SELECT count(*) FROM system_range(1, 1000000) a, system_range(1, 1000000) b")
        start = time.monotonic()
        self.assertEqual(sidecar.end(), 0)
        self.assertLess(time.monotonic() - start, 1)

    def test_the_classes_may_go_once_it_runs(self):
        folder = tempfile.mkdtemp()
        shutil.copytree(os.path.join(ROOT, "jdbc", "classes"), os.path.join(folder, "classes"))
        sidecar = Sidecar([os.path.join(folder, "classes") if part.endswith("classes") else part for part in JAVA])
        shutil.rmtree(folder)
        c = sidecar.open([("url", "jdbc:h2:mem:x"), ("jar", jar("h2")), ("duplicate", "1")])
        with self.assertRaises(Failed):
            c.run("SELECT * FROM nowhere")
        request = c.start("SELECT count(*) FROM system_range(1, 1000000) a, system_range(1, 1000000) b")
        c.cancel(request)
        with self.assertRaises(Failed):
            c.answer(request)
        other = sidecar.open([("url", "jdbc:sqlite::memory:"), ("jar", jar("sqlite"))])
        self.assertEqual(other.rows("SELECT ?", 1), [[1]])
        self.assertEqual(sidecar.end(), 0)

    def test_a_hanging_connect_is_cancelled(self):
        sidecar = Sidecar(JAVA)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            items = [("url", "jdbc:postgresql://127.0.0.1:%d/x" % silent.getsockname()[1]), ("jar", jar("postgres"))]
            sidecar.mailboxes[77] = queue.Queue()
            sidecar.send(77, 1, OPEN, pairs(items))
            accepted = silent.accept()[0]
            start = time.monotonic()
            sidecar.send(77, 1, CANCEL)
            request, kind, reader = sidecar.mailboxes[77].get(timeout=5)
            found = Failed(reader)
            self.assertEqual((request, kind, found.kind, found.flags), (1, FAILED, "cancelled", 1))
            self.assertLess(time.monotonic() - start, 1)
            accepted.close()
        c = sidecar.open([("url", "jdbc:h2:mem:x"), ("jar", jar("h2"))])
        # Large values travel whole.
        for size in (65535, 70000, 20000000):
            self.assertEqual(c.rows("SELECT ?, repeat('ä', ?)", b"\1" * size, size), [[b"\1" * size, "ä" * size]])
        self.assertEqual(sidecar.end(), 0)

    def test_bad_frames(self):
        sidecar = Sidecar(JAVA)
        c = sidecar.open([("url", "jdbc:h2:mem:x"), ("jar", jar("h2"))])
        for kind, payload in [(RUN, b"\2\0"), (RUN, struct.pack(">BI", 2, 1) + b"\xff\xff\xff\xff"), (77, b""), (OPEN, pairs([]))]:
            request = c.ask(kind, payload)
            try:
                c.answer(request)
                self.fail("an answer")
            except Failed as found:
                self.assertEqual((found.origin, found.kind), (1, "protocol"))
        self.assertEqual(c.rows("SELECT 1"), [[1]])
        sidecar.end()

    def fake(self, java=JAVA):
        """Returns a sidecar, and a function that connects by the driver of FakeDriver.java."""
        sidecar, folder = Sidecar(java), os.path.join(ROOT, "tests", "classes")
        return sidecar, lambda url="jdbc:fake:x": sidecar.open([("url", url), ("jar", folder), ("driver", "FakeDriver")])

    def fails(self, action, *arguments, **rest):
        with self.assertRaises(Failed) as caught:
            action(*arguments, **rest)
        return caught.exception

    def test_a_driver_that_does_what_it_should_not(self):
        sidecar, connect = self.fake()
        error = self.fails
        found = error(connect, "jdbc:fake:runtime")
        self.assertEqual((found.origin, found.flags, found.kind), (3, 1, "java.lang.IllegalStateException"))
        c = connect()
        self.assertNotIn("product", c.opened)
        self.assertNotIn("version", c.opened)
        self.assertEqual(c.opened["driver"], "fake")
        # One bad cell fails that cell.
        self.assertEqual(c.rows("good"), [["value", Tagged(19, "no such cell"), Tagged(19, "java.lang.IllegalArgumentException: bad cell"),
                                           Tagged(11, "2026-03-29 02:30:00.5"), "value"]])
        for text, kind in [("memory", "java.lang.OutOfMemoryError"), ("runtime", "java.lang.IllegalStateException"), ("deep", "java.lang.StackOverflowError")]:
            c = connect()
            request, later = c.start(text), c.start("good")
            found = error(c.answer, request)
            self.assertEqual((found.origin, found.flags, found.kind), (3, 1, kind))
            found = error(c.answer, later)
            self.assertEqual((found.origin, found.kind), (1, "protocol"))
        c = connect()
        found = error(c.run, "lost")
        self.assertEqual((found.origin, found.state, len(found.causes)), (0, "08006", 1))
        found = error(c.run, "unreadable")
        self.assertEqual((found.origin, found.flags), (0, 0))
        self.assertIn("FakeDriver$1", found.message)
        request, later = c.start("hang"), c.start("good")
        while "FakeDriver.execute" not in threads(sidecar):
            time.sleep(0.05)
        start = time.monotonic()
        c.cancel(request)
        found = error(c.answer, request, timeout=10)
        self.assertEqual((found.origin, found.flags, found.kind), (1, 1, "cancelled"))
        self.assertLess(time.monotonic() - start, 4)
        self.assertEqual(error(c.answer, later).kind, "protocol")
        c.close()
        connect().close()
        self.assertEqual(sidecar.end(), 0)

    def test_a_row_that_breaks_off_leaves_none_of_its_cells(self):
        sidecar, connect = self.fake()
        row = ["value", Tagged(19, "no such cell"), Tagged(19, "java.lang.IllegalArgumentException: bad cell"),
               Tagged(11, "2026-03-29 02:30:00.5"), "value"]
        for why, origin in [("without memory", 3), ("without a connection", 0)]:
            # The reader of the answer says if there are bytes behind the last row.
            found = self.fails(connect().run, "breaks off " + why)
            self.assertEqual((found.origin, found.result.batches, found.result.rows), (origin, 1, [row, row]))
            found = self.fails(connect().run, "breaks off at once " + why)
            self.assertEqual((found.origin, found.result.sets, found.result.batches), (origin, 1, 0))
        self.assertEqual(sidecar.end(), 0)

    def test_a_cancellation_that_hangs_holds_up_nobody(self):
        sidecar, connect = self.fake()
        hanging = [connect() for _ in range(24)]
        other = connect()
        requests = [c.start("cannot be cancelled") for c in hanging]
        while threads(sidecar).count("FakeDriver.execute") < len(hanging):
            time.sleep(0.05)
        start = time.monotonic()
        for c, request in zip(hanging, requests):
            c.cancel(request)
            sidecar.send(c.number, request, MORE, struct.pack(">I", 1))
        while "FakeDriver.cancel" not in threads(sidecar):
            time.sleep(0.05)
        self.assertEqual(len(other.rows("good")), 1)
        self.assertLess(time.monotonic() - start, 2)
        for c, request in zip(hanging, requests):
            found = self.fails(c.answer, request, timeout=10)
            self.assertEqual((found.flags, found.kind), (1, "cancelled"))
        self.assertLess(time.monotonic() - start, 7)
        self.assertEqual(len(other.rows("good")), 1)
        self.assertLessEqual(threads(sidecar).count("ebbtide cancel"), 16)
        sidecar.end()

    def test_cancellations_that_hang_cost_no_connection_but_theirs(self):
        sidecar, connect = self.fake()
        hanging, healthy = [connect() for _ in range(4)], [connect() for _ in range(6)]
        requests = [c.start("cannot be cancelled") for c in hanging]
        waiting = [c.start("ends when it is cancelled") for c in healthy]
        while threads(sidecar).count("FakeDriver.execute") < len(hanging + healthy):
            time.sleep(0.05)
        for c, request in zip(hanging, requests):
            c.cancel(request)
        while threads(sidecar).count("FakeDriver.cancel") < len(hanging):
            time.sleep(0.05)
        for c, request in zip(healthy, waiting):
            c.cancel(request)
        for c, request in zip(healthy, waiting):
            found = self.fails(c.answer, request, timeout=10)
            self.assertEqual((found.origin, found.flags, found.state), (0, 0, "57014"))
            self.assertEqual(len(c.rows("good")), 1)
        for c, request in zip(hanging, requests):
            found = self.fails(c.answer, request, timeout=10)
            self.assertEqual((found.flags, found.kind), (1, "cancelled"))
        sidecar.end()

    def test_a_statement_that_ends_while_its_cancellation_hangs_costs_the_connection(self):
        sidecar, connect = self.fake()
        c = connect()
        request = c.start("ends, and cannot be cancelled")
        while "FakeDriver.execute" not in threads(sidecar):
            time.sleep(0.05)
        c.cancel(request)
        c.answer(request, timeout=10)
        number, kind, reader = c.next()
        self.assertEqual((number, kind, Failed(reader).state), (0, FAILED, "08000"))
        self.assertEqual(self.fails(c.ping).kind, "protocol")
        self.assertEqual(len(connect().rows("good")), 1)
        sidecar.end()

    def test_a_cancellation_does_not_hit_the_end_of_the_transaction_for_reading(self):
        sidecar, connect = self.fake()
        c = connect("jdbc:fake:postgres")
        request = c.start("SELECT and its cancellation is late")
        while "FakeDriver.execute" not in threads(sidecar):
            time.sleep(0.05)
        c.cancel(request)
        found = self.fails(c.answer, request, timeout=10)
        self.assertEqual((found.origin, found.flags, found.state), (0, 0, "57014"))
        self.assertEqual(c.rows("SELECT what was cancelled")[0][0], Tagged(15, "the statement"))
        c.close()
        self.assertEqual(sidecar.end(), 0)

    def test_a_connection_whose_transaction_for_reading_does_not_end_is_lost(self):
        sidecar, connect = self.fake()
        c = connect("jdbc:fake:postgres")
        request, later = c.start("SELECT and the rollback fails"), c.start("INSERT INTO t VALUES (1)")
        found = self.fails(c.answer, request)
        self.assertEqual((found.origin, found.flags, found.message), (0, 0, "it went wrong"))
        number, kind, reader = c.next()
        self.assertEqual((number, kind, Failed(reader).state), (0, FAILED, "08000"))
        self.assertEqual(self.fails(c.answer, later).kind, "protocol")
        self.assertEqual(sidecar.end(), 0)

    def test_what_memory_does_not_suffice_for_fails_alone(self):
        sidecar = Sidecar(["java", "-Xmx40m"] + JAVA[1:])
        filling, other = [sidecar.open([("url", "jdbc:h2:mem:x;DB_CLOSE_DELAY=-1"), ("jar", jar("h2"))]) for _ in range(2)]
        request, later = filling.start("SELECT ?", b"x" * 100000000), filling.start("SELECT 1")
        found = self.fails(filling.answer, request)
        self.assertEqual((found.origin, found.flags, found.kind), (1, 0, "no-memory"))
        self.assertEqual(filling.answer(later).rows, [[1]])
        self.assertEqual(other.rows("SELECT 1"), [[1]])
        request = filling.start("SELECT x, repeat('y', 100) FROM system_range(1, 10000000)", flags=WANTED | FEW)
        while filling.mailbox.empty():
            try:
                other.ping()
            except Failed:
                other = sidecar.open([("url", "jdbc:h2:mem:x;DB_CLOSE_DELAY=-1"), ("jar", jar("h2"))])
        self.fails(filling.answer, request)
        filling.close()
        other.close()
        self.assertEqual(sidecar.open([("url", "jdbc:h2:mem:x"), ("jar", jar("h2"))]).rows("SELECT 1"), [[1]])
        self.assertEqual(sidecar.end(), 0)

    def test_a_connection_without_a_thread_is_an_error_of_its_own(self):
        sidecar = Sidecar(JAVA)
        items = [("url", "jdbc:h2:mem:x;DB_CLOSE_DELAY=-1"), ("jar", jar("h2"))]
        one = sidecar.open(items)
        self.assertEqual(one.rows("SELECT 1"), [[1]])
        process, unlimited = sidecar.child.pid, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        # No stack for another thread.
        with open("/proc/%d/statm" % process) as sizes:
            size = int(sizes.read().split()[0]) * resource.getpagesize()
        resource.prlimit(process, resource.RLIMIT_AS, (size + 500000, resource.RLIM_INFINITY))
        found = self.fails(sidecar.open, items)
        self.assertEqual((found.origin, found.flags, found.kind), (1, 1, "no-thread"))
        self.assertEqual(one.rows("SELECT 1"), [[1]])
        resource.prlimit(process, resource.RLIMIT_AS, unlimited)
        self.assertEqual(sidecar.open(items).rows("SELECT 1"), [[1]])
        self.assertEqual(sidecar.end(), 0)

    def test_a_connection_alone_is_served_by_the_reader_which_goes_on_reading(self):
        sidecar = Sidecar(JAVA)
        c, other = [sidecar.open([("url", "jdbc:h2:mem:x;DB_CLOSE_DELAY=-1"), ("jar", jar("h2"))]) for _ in range(2)]
        slow = "SELECT count(*) FROM system_range(1, ?) a, system_range(1, 1000000) b"
        many = "SELECT x, repeat('y', 100) FROM system_range(1, ?)"
        self.assertEqual(c.rows(slow, 1), [[1000000]])

        def alone():
            for _ in range(200):
                self.assertEqual(c.rows("SELECT ?", 1), [[1]])

        for _ in range(20):
            alone()
            request = c.start(slow, 1000000)
            start = time.monotonic()
            other.ping()
            self.assertLess(time.monotonic() - start, 1)
            c.cancel(request)
            with self.assertRaises(Failed):
                c.answer(request, timeout=5)
            alone()
            # It waits for credits.
            request = c.start(many, 5000, credits=1)
            self.assertEqual([c.next()[1] for _ in range(2)], [COLUMNS, ROWS])
            later = c.start("SELECT 2")
            other.ping()
            sidecar.send(c.number, request, MORE, struct.pack(">I", 100))
            while c.next()[1] != DONE:
                pass
            self.assertEqual(c.answer(later).rows, [[2]])
            alone()
            self.assertEqual(len(c.rows(many, 5000)), 5000)
        alone()
        c.start(slow, 1000000)
        start = time.monotonic()
        self.assertEqual(sidecar.end(), 0)
        self.assertLess(time.monotonic() - start, 1)

    def test_sixteen_connections_at_once(self):
        sidecar = Sidecar(JAVA)
        connections = [sidecar.open([("url", "jdbc:h2:mem:x;DB_CLOSE_DELAY=-1"), ("jar", jar("h2"))]) for _ in range(16)]
        failures = []

        def work(c):
            try:
                for i in range(200):
                    assert c.rows("SELECT ?, ?", i, "x%d" % i) == [[i, "x%d" % i]]
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(c,)) for c in connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        sidecar.end()


if __name__ == "__main__":
    unittest.main()
