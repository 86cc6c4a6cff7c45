"""SQLite, by Python's own module and by APSW."""

import itertools
import platform

from .driver import Result
from .frames import ARRAY, BOOL, BOOLEAN, INTERVAL, Refused, UNSIGNED_INTEGER
from .rows import Packer
from .text_driver import TextDriver
from .values import pack_utf8


def sqlite_parameter(tag, value):
    """Returns a parameter as one of SQLite's storage classes. A decimal is text, which keeps its digits."""
    if tag == BOOL:
        return int(value)
    if tag == UNSIGNED_INTEGER and value >= 1 << 63:
        raise Refused("bad-arguments", "{} is too large for an integer of SQLite, which has 64 bits with a sign".format(value))
    if tag in (INTERVAL, ARRAY):
        raise Refused("bad-arguments", "SQLite has no intervals and no arrays; bind text instead")
    return value


class SqliteResult(Result):
    """Rows of a cursor that is an iterator. Those before an error come before it."""

    error = None

    def fetch(self, count):
        if self.error is not None:
            raise self.error
        rows = []
        try:
            rows.extend(itertools.islice(self.cursor, count))
        except Exception as error:
            if not rows:
                raise
            self.error = error
        return rows


class Sqlite3(TextDriver):
    """The module sqlite3."""

    product = "SQLite"
    stream = "1"
    ddl = "transactional"
    isolation = levels = "4"
    parameter = staticmethod(sqlite_parameter)
    result = SqliteResult
    ARGUMENTS = (
        "database",
        "timeout",
        "detect_types",
        "isolation_level",
        "check_same_thread",
        "factory",
        "cached_statements",
        "uri",
    )

    def known_keywords(self):
        return {"autocommit", *self.ARGUMENTS}

    def connect(self, arguments, keywords, duplicate):
        keywords = dict(zip(self.ARGUMENTS, arguments), **keywords)
        keywords["check_same_thread"] = False
        # Neither the transactions of the module nor its converters: both are ours.
        for name in ("isolation_level", "autocommit", "detect_types"):
            keywords.pop(name, None)
        self.connection = self.module.connect(isolation_level=None, **keywords)
        # Text arrives as bytearray, so that it is told from a blob, and text that is not UTF-8 fails only its cell.
        self.connection.text_factory = bytearray
        self.connection.row_factory = None
        self.packer = Packer({bytearray: pack_utf8})

    def version(self):
        return self.module.sqlite_version

    def driver_version(self):
        return platform.python_version()

    def run(self, sql, parameters, plain, wants_key):
        changes = self.connection.total_changes
        result = super().run(sql, parameters, plain, wants_key)
        self.may_have_changed = self.connection.total_changes != changes or result.columns is not None
        return result

    def affected(self, cursor, columns):
        if cursor.rowcount < 0 and columns is None and self.may_have_changed:
            # The module counts only for texts that begin with INSERT, UPDATE, DELETE or REPLACE.
            return self.connection.execute("SELECT changes()").fetchone()[0]
        return super().affected(cursor, columns)

    def key(self, cursor):
        return cursor.lastrowid

    def open_transaction(self):
        return self.connection.in_transaction

    def ping(self):
        self.execute("SELECT 1")

    def canceller(self):
        return self.connection.interrupt

    def code(self, error):
        found = getattr(error, "sqlite_errorcode", None)
        if found is not None:
            return found
        # Before Python 3.11 only the message tells.
        text = str(error)
        return next((code for start, code in SQLITE_CODES if text.startswith(start)), 1)


SQLITE_CODES = [
    ("UNIQUE constraint failed", 2067),
    ("NOT NULL constraint failed", 1299),
    ("FOREIGN KEY constraint failed", 787),
    ("CHECK constraint failed", 275),
    ("database is locked", 5),
    ("database table is locked", 6),
    ("attempt to write a readonly database", 8),
    ("interrupted", 9),
    ("disk I/O error", 10),
    ("database disk image is malformed", 11),
    ("database or disk is full", 13),
    ("unable to open database file", 14),
    ("string or blob too big", 18),
    ("datatype mismatch", 20),
    ("file is not a database", 26),
]


class ApswResult(SqliteResult):
    """Rows of APSW, which has no more results behind the first."""

    def next(self):
        self.count = self.driver.affected(self.cursor, self.columns)
        return False

    def close(self):
        self.cursor.close(True)


class Apsw(TextDriver):
    """The module apsw, which has its own interface to SQLite."""

    product = "SQLite"
    stream = "1"
    ddl = "transactional"
    isolation = levels = "4"
    parameter = staticmethod(sqlite_parameter)

    def known_keywords(self):
        return {"filename", "flags", "vfs", "statementcachesize"}

    def connect(self, arguments, keywords, duplicate):
        self.connection = self.module.Connection(*arguments, **keywords)
        # As long as sqlite3 waits by default.
        self.connection.set_busy_timeout(5000)

    def version(self):
        return self.module.sqlite_lib_version()

    def driver_version(self):
        return self.module.apsw_version()

    def threads(self):
        return 1

    def run(self, sql, parameters, plain, wants_key):
        cursor = self.connection.cursor()
        described = []

        def trace(cursor, sql, bindings):
            # The columns of a result without rows are told only here. The attribute has a memory of its own, so that
            # the method tells the columns of a table that was changed: the statement is prepared again after this.
            described.append([column[:2] for column in cursor.description])
            return True

        cursor.exec_trace = trace
        if wants_key:
            # A table without rowids leaves it as it is.
            self.connection.set_last_insert_rowid(0)
        changes = self.connection.total_changes()
        try:
            if parameters:
                cursor.execute(sql, self.bound(parameters))
            else:
                cursor.execute(sql)
        except BaseException:
            self.forget(cursor)
            raise
        try:
            self.described = cursor.get_description()
        except self.module.ExecutionCompleteError:
            self.described = described[0] if described else ()
        self.changes_before = changes
        return ApswResult(self, cursor, wants_key)

    def forget(self, cursor):
        try:
            cursor.close(True)
        except Exception:
            pass

    def description(self, cursor):
        return self.described

    def columns(self, cursor, description):
        columns = []
        for name, declared in description:
            declared = (declared or "").upper()
            columns.append((name, declared, BOOLEAN if declared in ("BOOLEAN", "BOOL") else 0))
        return columns, self.packer

    def affected(self, cursor, columns):
        return self.connection.changes() if self.connection.total_changes() != self.changes_before else 0

    def key(self, cursor):
        return self.connection.last_insert_rowid() or None

    def open_transaction(self):
        return self.connection.in_transaction

    def ping(self):
        self.execute("SELECT 1")

    def canceller(self):
        return self.connection.interrupt

    def own_errors(self):
        # Text that is not UTF-8 is an error of the row that is read; the connection is fine.
        return super().own_errors() + (UnicodeDecodeError,)

    def code(self, error):
        return getattr(error, "extendedresult", None) or getattr(error, "result", None) or 0
