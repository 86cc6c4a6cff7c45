"""DuckDB."""

import datetime
import decimal
import functools
import json
import re
import struct
import threading
import uuid

from .columns import WHOLE, numbers, texts
from .frames import ARRAY, DATE, DATETIME, DECIMAL, FLOAT, INTERVAL, JSON, TIME, TIMESTAMP, UNSIGNED, UUID
from .parameters import interval_text, object_parameter
from .rows import ColumnPacker, Packer
from .text_driver import TextDriver
from .values import Lossy, pack_date, pack_datetime, pack_int, pack_str, pack_time, packed_text, unreadable


def duckdb_parameter(tag, value):
    """Returns a parameter for DuckDB, as text where Python's object would lose something."""
    if tag == DECIMAL:
        number = decimal.Decimal(value)
        _, digits, exponent = number.as_tuple()
        # Beyond 38 digits the module would bind a double.
        fits = isinstance(exponent, int) and max(len(digits), -exponent) <= 38
        return number if fits else value
    if tag == UUID:
        return uuid.UUID(value)
    if tag == INTERVAL:
        return interval_text(value)
    if tag == ARRAY:
        return [duckdb_parameter(*item) for item in value]
    return object_parameter(tag, value)


class DuckDb(TextDriver):
    """DuckDB. It says nothing when a COMMIT rolls back, so it is asked before."""

    product = "DuckDB"
    savepoints = "0"
    stream = "1"
    ddl = "transactional"
    isolation = levels = "5"
    rolled_back = "25P02"
    parameter = staticmethod(duckdb_parameter)

    def connect(self, arguments, keywords, duplicate):
        self.shared = SharedDatabase.of(self.module, arguments, keywords, duplicate)
        self.connection = self.shared.opened()
        (self.server_version,) = self.question("SELECT version()")

    def cursor(self):
        # A cursor of DuckDB would be another connection.
        return KeptCursor(self.connection)

    def version(self):
        return self.server_version.lstrip("v")

    def run(self, sql, parameters, plain, wants_key):
        self.text = sql
        self.counted = -1
        return super().run(sql, parameters, plain, wants_key)

    def description(self, cursor):
        description = cursor.description
        if not description or len(description) > 1 or description[0][0] not in ("Count", "Success"):
            return description
        # What changes rows gives one with their number, and what gives nothing one without a value.
        self.counted = cursor.rowcount
        if self.counted < 0:
            if not self.gives_no_rows():
                return description
            row = cursor.fetchone()
            self.counted = row[0] if row and description[0][0] == "Count" else -1
        return None

    def gives_no_rows(self):
        """Returns true if the statement is no query. Before version 2 the number of rows is not told otherwise."""
        if "RETURNING" in self.text.upper():
            return False
        statement, *_ = self.connection.extract_statements(self.text)
        return any(kind.name in ("CHANGED_ROWS", "NOTHING") for kind in statement.expected_result_type)

    def columns(self, cursor, description):
        names = [str(column[1]).strip('"') for column in description]
        packer = ColumnPacker([duckdb_packer(name) for name in names], DUCKDB_TYPES)
        titles = [str(column[0]) for column in description]
        return [(title, name, UNSIGNED if name in DUCKDB_UNSIGNED else 0) for title, name in zip(titles, names)], packer

    def affected(self, cursor, columns):
        return self.counted if columns is None else -1

    def is_aborted(self):
        if not self.failed_inside:
            return False
        try:
            self.execute("SELECT 1")
            return False
        except self.own_errors():
            return True

    def ping(self):
        self.execute("SELECT 1")

    def close(self):
        self.connection.close()
        self.shared.closed()

    def canceller(self):
        return self.connection.interrupt


class SharedDatabase:
    """A database of DuckDB and the number of its connections, which share it also if it is in memory."""

    lock = threading.Lock()
    newest = {}

    def __init__(self, original):
        self.original = original
        self.users = 0

    @classmethod
    def of(cls, module, arguments, keywords, duplicate):
        """Returns the database for these arguments: for a duplicate the one that is open, otherwise a new one."""
        key = json.dumps([arguments, keywords], sort_keys=True)
        with cls.lock:
            found = cls.newest.get(key) if duplicate else None
            if found is None or not found.users:
                found = cls.newest[key] = cls(module.connect(*arguments, **keywords))
            found.users += 1
            return found

    def opened(self):
        """Returns a new connection. `of` has counted it."""
        try:
            return self.original.cursor()
        except BaseException:
            self.closed()
            raise

    def closed(self):
        """Counts a connection that was closed. The last one closes the database."""
        with self.lock:
            self.users -= 1
            if not self.users:
                self.original.close()


class KeptCursor:
    """A connection of DuckDB as a cursor that does not close it."""

    def __init__(self, connection):
        self.connection = connection
        self.execute = connection.execute
        self.fetchmany = connection.fetchmany
        self.fetchone = connection.fetchone

    description = property(lambda self: self.connection.description)
    rowcount = property(lambda self: self.connection.rowcount)

    def close(self):
        """Leaves the connection open."""


DUCKDB_UNSIGNED = {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
DUCKDB_LOSSY = re.compile(r"\b(INTERVAL|TIMESTAMP_NS|TIME_NS)\b")


@functools.lru_cache(256)
def duckdb_packer(name):
    """Returns what packs the values of a type of DuckDB, None for their Python types."""
    lossy = DUCKDB_LOSSY.search(name)
    if lossy:
        reason = "Python has no exact form of {}; cast it in the statement: CAST(… AS VARCHAR)".format(lossy.group(1))
        return lambda value: unreadable(reason)
    if name.startswith("TIMESTAMP") and name.endswith(("]", ")")):
        return None
    return DUCKDB_PACKERS.get(name)


def text_as(tag, otherwise):
    """Returns what packs text with a tag, and values that are no text in another way."""

    def pack(value):
        if not isinstance(value, str):
            return otherwise(value)
        return packed_text(tag, without_brackets(value).encode("utf-8"))

    def column(kind, values):
        if kind is not str:
            return WHOLE[otherwise](kind, values)
        return texts(tag, list(map(without_brackets, values)))

    WHOLE[pack] = column
    return pack


def without_brackets(text):
    """Returns the text of a date as PostgreSQL writes it."""
    return text.replace(" (BC)", " BC")


def finite_date(value):
    """Packs a date. DuckDB's infinities arrive as the first and last date of Python."""
    if value in (datetime.date.min, datetime.date.max):
        raise Lossy("the date is infinite or {}; cast it in the statement: CAST(… AS VARCHAR)".format(value))
    return pack_date(value)


def finite_datetime(value):
    """Packs a datetime. DuckDB's infinities arrive as the first and last one of Python."""
    if value.year in (1, 9999) and value.replace(tzinfo=None) in (datetime.datetime.min, datetime.datetime.max):
        raise Lossy("the timestamp is infinite or {}; cast it in the statement: CAST(… AS VARCHAR)".format(value))
    return pack_datetime(value)


def finite_column(pack, bounds):
    """Returns what packs a column of dates or datetimes. It raises if one may be infinite."""

    def column(kind, values):
        packed = WHOLE[pack](kind, values)
        if any(bound in packed for bound in bounds):
            raise Lossy("one may be infinite")
        return packed

    return column


WHOLE[finite_date] = finite_column(pack_date, (b"0001-01-01", b"9999-12-31"))
WHOLE[finite_datetime] = finite_column(
    pack_datetime, [pack_datetime(bound)[1:] for bound in (datetime.datetime.min, datetime.datetime.max)]
)
DUCKDB_TYPES = Packer({datetime.date: finite_date, datetime.datetime: finite_datetime})


def pack_single(value):
    """Packs a float of 32 bits."""
    return struct.pack(">Bf", FLOAT, value)


WHOLE[pack_single] = lambda kind, values: numbers(FLOAT, "f", values)


DUCKDB_PACKERS = {
    "FLOAT": pack_single,
    "JSON": text_as(JSON, pack_str),
    "BIGNUM": text_as(DECIMAL, pack_int),
    "VARINT": text_as(DECIMAL, pack_int),
    "DATE": text_as(DATE, finite_date),
    "TIME": text_as(TIME, pack_time),
    "TIME WITH TIME ZONE": text_as(TIME, pack_time),
    "TIMESTAMP": text_as(DATETIME, finite_datetime),
    "TIMESTAMP_S": text_as(DATETIME, finite_datetime),
    "TIMESTAMP_MS": text_as(DATETIME, finite_datetime),
    "TIMESTAMP WITH TIME ZONE": text_as(TIMESTAMP, finite_datetime),
}
