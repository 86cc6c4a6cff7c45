"""Runs statements through Python's DB-API 2 modules for a program that speaks the frame protocol of docs/SIDECARS.md.

The library starts it as `python -c TEXT`. It needs nothing but the standard library, of Python 3.6 or newer. One thread
reads requests; each connection has a thread of its own.

The parts, in order: frames, parameters, rows, failures, drivers, channels, the process.
"""
import collections
import datetime
import decimal
import importlib
import inspect
import json
import os
import platform
import queue
import re
import select
import signal
import socket
import struct
import sys
import threading
import traceback
import uuid

VERSION = 1
LONGEST_FRAME = 1 << 30
BATCH = 64 * 1024
MOST_ROWS = 1024
PREPARED = 100

HELLO, OPEN, RUN, BEGIN, COMMIT, ROLLBACK, PING, MORE, CANCEL, CLOSE = range(1, 11)
WELCOME, OPENED, COLUMNS, ROWS, DONE, FAILED = range(129, 135)
FLAG_SKIP, FLAG_ROWS, FLAG_PLAIN, FLAG_KEY = 1, 2, 4, 8
UNSIGNED, BOOLEAN = 1, 2
DRIVERS_OWN, SIDECARS_OWN, SKIPPED, UNKNOWN = range(4)

(
    NULL,
    BOOL,
    INTEGER,
    UNSIGNED_INTEGER,
    FLOAT,
    DOUBLE,
    DECIMAL,
    TEXT,
    BYTES,
    DATE,
    TIME,
    DATETIME,
    TIMESTAMP,
    UUID,
    JSON,
    SERVER_TEXT,
    INTERVAL,
    INET,
    ARRAY,
    UNREADABLE,
    SMALL_INTEGER,
    MIDDLE_INTEGER,
) = range(22)


# Frames


class Refused(Exception):
    """An error of the sidecar itself: its word, its message, and causes."""

    def __init__(self, word, message, causes=()):
        super().__init__(message)
        self.word = word
        self.causes = list(causes)


class Payload:
    """Reads the fields of a payload in order."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, length):
        """Returns the next bytes."""
        end = self.at + length
        if end > len(self.data):
            raise Refused("protocol", "a frame ended in the middle of a field")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def number(self, form):
        """Returns the next number, whose form is one of the module struct."""
        (number,) = struct.unpack(">" + form, self.take(struct.calcsize(form)))
        return number

    def bytes(self):
        """Returns the next bytes with their length before them."""
        return self.take(self.number("I"))

    def str(self):
        """Returns the next text."""
        try:
            return self.bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused("protocol", "a text of a frame is not UTF-8: {}".format(error))

    def pairs(self):
        """Returns the next pairs of names and values."""
        return [(self.str(), self.str()) for _ in range(self.number("H"))]


def packed_str(text):
    """Returns the bytes of a text field. What UTF-8 cannot say is replaced by question marks."""
    data = text.encode("utf-8", "replace")
    return struct.pack(">I", len(data)) + data


def packed_pairs(pairs):
    """Returns the bytes of a field of pairs."""
    return struct.pack(">H", len(pairs)) + b"".join(packed_str(name) + packed_str(value) for name, value in pairs)


def frame(channel, request, kind, payload=b""):
    """Returns the bytes of a frame."""
    return struct.pack(">IIIB", len(payload) + 9, channel, request, kind) + payload


# Parameters: read as pairs of a tag and a plain value, then changed to what a driver takes without loss


def read_parameter(payload):
    """Returns the tag and the plain value of the next parameter."""
    tag = payload.number("B")
    if tag == NULL:
        payload.number("B")
        return tag, None
    if tag == BOOL:
        return tag, payload.number("B") != 0
    if tag in NUMBER_FORMS:
        return tag, payload.number(NUMBER_FORMS[tag])
    if tag == BYTES:
        return tag, payload.bytes()
    if tag == INTERVAL:
        return tag, struct.unpack(">iiq", payload.take(16))
    if tag == ARRAY:
        return tag, [read_parameter(payload) for _ in range(payload.number("I"))]
    if tag in TEXT_TAGS:
        return tag, payload.str()
    raise Refused("protocol", "a parameter has the unknown tag {}".format(tag))


NUMBER_FORMS = {INTEGER: "q", UNSIGNED_INTEGER: "Q", FLOAT: "f", DOUBLE: "d", SMALL_INTEGER: "h", MIDDLE_INTEGER: "i"}
TEXT_TAGS = {DECIMAL, TEXT, DATE, TIME, DATETIME, TIMESTAMP, UUID, JSON, SERVER_TEXT, INET}

DATE_FORM = r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
TIME_FORM = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6})0*)?)?"
ZONE_FORM = r"\s*(?P<zone>Z|[+-]\d\d(?::?\d\d)?)"
DATED = {
    DATE: re.compile(DATE_FORM + r"\Z"),
    TIME: re.compile(TIME_FORM + r"\Z"),
    DATETIME: re.compile(DATE_FORM + "[ T]" + TIME_FORM + r"\Z"),
    TIMESTAMP: re.compile(DATE_FORM + "[ T]" + TIME_FORM + ZONE_FORM + r"\Z"),
}


def dated(tag, text):
    """Returns the object of the module datetime for a text, or the text where Python has no such object."""
    found = DATED[tag].match(text)
    if not found:
        return text
    parts = found.groupdict()
    day = [int(parts[name]) for name in ("year", "month", "day")] if tag != TIME else []
    time = []
    if tag != DATE:
        time = [int(parts["hour"]), int(parts["minute"]), int(parts["second"] or 0), int((parts["fraction"] or "0").ljust(6, "0"))]
    try:
        if tag == DATE:
            return datetime.date(*day)
        if tag == TIME:
            return datetime.time(*time)
        return datetime.datetime(*(day + time), tzinfo=zone(parts.get("zone")))
    except (ValueError, OverflowError):
        return text


def zone(text):
    """Returns the zone of an offset such as `+02:00`, and None for None."""
    if text is None:
        return None
    if text == "Z":
        return datetime.timezone.utc
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return datetime.timezone(-offset if text[0] == "-" else offset)


class PlainDecimal(decimal.Decimal):
    """A decimal that never writes itself with an exponent, which MySQL would read as a double."""

    def __str__(self):
        return format(decimal.Decimal(self), "f")

    __repr__ = __str__


# mysql.connector finds its converter by the name of the class.
PlainDecimal.__name__ = "Decimal"


def object_parameter(tag, value):
    """Returns a parameter as the objects that PEP 249 has in mind."""
    if tag in DATED:
        return dated(tag, value)
    if tag == DECIMAL:
        return decimal.Decimal(value)
    if tag == INTERVAL:
        months, days, microseconds = value
        if months:
            raise Refused("bad-arguments", "an interval with months cannot be a timedelta, and this module takes no other")
        return datetime.timedelta(days=days, microseconds=microseconds)
    if tag == ARRAY:
        return [object_parameter(*item) for item in value]
    return value


def sqlite_parameter(tag, value):
    """Returns a parameter as one of SQLite's storage classes. A decimal is text, which keeps its digits."""
    if tag == BOOL:
        return int(value)
    if tag == UNSIGNED_INTEGER and value >= 1 << 63:
        raise Refused("bad-arguments", "{} is too large for an integer of SQLite, which has 64 bits with a sign".format(value))
    if tag in (INTERVAL, ARRAY):
        raise Refused("bad-arguments", "SQLite has no intervals and no arrays; bind text instead")
    return value


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


def mysql_parameter(tag, value):
    """Returns a parameter for a module of MySQL, which writes it into the text as a literal."""
    if tag == DECIMAL:
        return PlainDecimal(value)
    if tag == TIMESTAMP:
        # The library's sessions run in UTC, and older servers take no offset.
        moment = dated(tag, value)
        if isinstance(moment, str):
            return value
        return moment.astimezone(datetime.timezone.utc).replace(tzinfo=None).isoformat(" ")
    if tag == INTERVAL:
        months, days, microseconds = value
        if months:
            raise Refused("bad-arguments", "an interval with months cannot be a TIME of MySQL; bind text instead")
        return clock_text(days * 86400 * 10 ** 6 + microseconds)
    if tag == ARRAY:
        raise Refused("bad-arguments", "MySQL has no arrays; bind JSON instead")
    return value


def clock_text(microseconds):
    """Returns `-838:59:59.000001` for a number of microseconds."""
    seconds, fraction = divmod(abs(microseconds), 10 ** 6)
    sign = "-" if microseconds < 0 else ""
    return "{}{:02}:{:02}:{:02}.{:06}".format(sign, seconds // 3600, seconds // 60 % 60, seconds % 60, fraction)


def interval_text(value):
    """Returns an interval in words that PostgreSQL and DuckDB read."""
    months, days, microseconds = value
    return "{} months {} days {}".format(months, days, clock_text(microseconds))


def postgres_text(tag, value):
    """Returns the text form in which PostgreSQL reads a parameter, None for NULL."""
    if value is None:
        return None
    if tag == BOOL:
        return "true" if value else "false"
    if tag in (FLOAT, DOUBLE):
        return repr(value)
    if tag == BYTES:
        return "\\x" + value.hex()
    if tag == INTERVAL:
        return interval_text(value)
    if tag == ARRAY:
        return "{" + ",".join(array_item(*item) for item in value) + "}"
    return str(value)


def array_item(tag, value):
    """Returns an item of an array literal of PostgreSQL."""
    if value is None:
        return "NULL"
    text = postgres_text(tag, value)
    if tag == ARRAY:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Types of parameters that PostgreSQL is told. It decides all others by itself, so that text may be an enum or a date.
POSTGRES_TYPES = {BOOL: 16, BYTES: 17, INTEGER: 20, SMALL_INTEGER: 21, MIDDLE_INTEGER: 23, FLOAT: 700, DOUBLE: 701, DECIMAL: 1700}


def psycopg2_parameter(module):
    """Returns the function that changes a parameter for psycopg2, which writes it into the text as a literal."""

    def change(tag, value):
        if tag in (FLOAT, DOUBLE):
            return module.extensions.AsIs("'{!r}'::float8".format(value))
        if tag == BYTES:
            return module.Binary(value)
        if tag == DECIMAL:
            return decimal.Decimal(value)
        if tag in (INTERVAL, ARRAY):
            return postgres_text(tag, value)
        return value

    return change


# Rows


class Lossy(Exception):
    """A value that a driver has changed or that has no form in the protocol; the message says why."""


def packed_text(tag, data):
    """Returns the bytes of a value that is text in UTF-8."""
    return struct.pack(">BI", tag, len(data)) + data


def unreadable(reason):
    """Returns the bytes that stand for a value that cannot be read."""
    return packed_text(UNREADABLE, reason.encode("utf-8", "replace"))


def pack_null(_):
    return b"\0"


def pack_bool(value):
    return b"\1\1" if value else b"\1\0"


def pack_int(value, pack=struct.Struct(">Bq").pack):
    if -(1 << 63) <= value < 1 << 63:
        return pack(INTEGER, value)
    if 0 <= value < 1 << 64:
        return struct.pack(">BQ", UNSIGNED_INTEGER, value)
    return packed_text(DECIMAL, str(value).encode())


def pack_float(value, pack=struct.Struct(">Bd").pack):
    return pack(DOUBLE, value)


def pack_str(value, pack=struct.Struct(">BI").pack):
    try:
        data = value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Lossy("the text has a surrogate without its other half at {}, which UTF-8 cannot say".format(error.start))
    return pack(TEXT, len(data)) + data


def pack_bytes(value, pack=struct.Struct(">BI").pack):
    return pack(BYTES, len(value)) + value


def pack_memory(value):
    return pack_bytes(bytes(value))


def pack_utf8(value):
    """Packs bytes that should be text in UTF-8."""
    return packed_text(TEXT, checked_utf8(value))


def checked_utf8(value):
    """Returns the bytes if they are UTF-8."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Lossy("the text is not UTF-8: {}".format(error))
    return value


def pack_decimal(value):
    text = format(value, "f") if value.is_finite() else str(value)
    return packed_text(DECIMAL, text.encode())


def pack_date(value):
    return packed_text(DATE, value.isoformat().encode())


def pack_time(value):
    return packed_text(TIME, value.isoformat().encode())


def pack_datetime(value):
    tag = DATETIME if value.tzinfo is None else TIMESTAMP
    return packed_text(tag, value.isoformat(" ").encode())


def pack_timedelta(value):
    microseconds = value.seconds * 10 ** 6 + value.microseconds
    return struct.pack(">Biiq", INTERVAL, 0, value.days, microseconds)


def pack_uuid(value):
    return packed_text(UUID, str(value).encode())


PACKERS = collections.OrderedDict(
    [
        (type(None), pack_null),
        (bool, pack_bool),
        (int, pack_int),
        (float, pack_float),
        (str, pack_str),
        (bytes, pack_bytes),
        (bytearray, pack_memory),
        (memoryview, pack_memory),
        (decimal.Decimal, pack_decimal),
        (datetime.datetime, pack_datetime),
        (datetime.date, pack_date),
        (datetime.time, pack_time),
        (datetime.timedelta, pack_timedelta),
        (uuid.UUID, pack_uuid),
    ]
)


def json_text(value):
    """Returns the JSON of a value, if JSON can say it exactly."""
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float)) and value == value and value not in (float("inf"), float("-inf")):
        return repr(value)
    if isinstance(value, decimal.Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return "{" + ",".join(json_text(key) + ":" + json_text(item) for key, item in value.items()) + "}"
    raise Lossy("JSON cannot say the {} in it exactly; convert it to text in the statement".format(type(value).__name__))


class Packer:
    """Packs values by their Python types. `packers` replaces functions of PACKERS."""

    def __init__(self, packers=None):
        self.packers = collections.OrderedDict(PACKERS)
        self.packers.update(packers or {})
        for container in (list, tuple):
            self.packers.setdefault(container, self.array)
        self.packers.setdefault(dict, self.document)

    def array(self, values):
        return struct.pack(">BI", ARRAY, len(values)) + b"".join(map(self.value, values))

    def document(self, value):
        return packed_text(JSON, json_text(value).encode("utf-8"))

    def value(self, value):
        """Returns the bytes of a value. Raises Lossy if it cannot be said exactly."""
        packer = self.packers.get(type(value))
        if packer is None:
            packer = self.inherited(value)
        return packer(value)

    def inherited(self, value):
        """Returns the function for a value whose type derives from a known one."""
        for kind, packer in self.packers.items():
            if isinstance(value, kind):
                return packer
        kind = type(value)
        raise Lossy(
            "the module gave a {}.{}, which has no form in the protocol; convert it in the statement".format(
                kind.__module__, kind.__qualname__
            )
        )

    def cell(self, value):
        """Returns the bytes of a value, or of the reason why it cannot be read."""
        try:
            return self.value(value)
        except Exception as error:
            return unreadable(str(error) or type(error).__name__)

    def row(self, values):
        """Returns the bytes of a row. A value that cannot be read leaves the others as they are."""
        packers = self.packers
        try:
            return b"".join([packers[type(value)](value) for value in values])
        except Exception:
            return b"".join(map(self.cell, values))


class ColumnPacker(Packer):
    """Packs values by functions of their columns; None stands for the Python type."""

    def __init__(self, columns, packers=None):
        super().__init__(packers)
        self.columns = columns

    def column(self, packer, value):
        """Returns the bytes of a value of a column."""
        if value is None:
            return b"\0"
        if packer is None:
            return self.cell(value)
        try:
            return packer(value)
        except Exception as error:
            return unreadable(str(error) or type(error).__name__)

    def row(self, values):
        return b"".join(map(self.column, self.columns, values))


def pack_server_text(value):
    """Packs the server's own text of a value."""
    data = value.encode("utf-8") if isinstance(value, str) else value
    return packed_text(SERVER_TEXT, checked_utf8(data))


def pack_bytea(value):
    """Packs the text form of a bytea of PostgreSQL."""
    text = value if isinstance(value, str) else value.decode("ascii")
    return pack_bytes(bytes.fromhex(text[2:])) if text.startswith("\\x") else pack_server_text(value)


class PostgresPacker(ColumnPacker):
    """Packs rows whose values are the server's own text."""

    def __init__(self, names):
        super().__init__([pack_bytea if name == "bytea" else pack_server_text for name in names])
        self.binary = "bytea" in names

    def row(self, values, pack=struct.Struct(">BI").pack):
        if self.binary:
            return super().row(values)
        try:
            parts = []
            for value in values:
                if value is None:
                    parts.append(b"\0")
                else:
                    data = value.encode("utf-8") if type(value) is str else value
                    parts.append(pack(SERVER_TEXT, len(data)))
                    parts.append(data)
            row = b"".join(parts)
        except UnicodeEncodeError:
            return super().row(values)
        return row


# Failures


def qualified(module, error):
    """Returns the name of an exception's class, as the user of the module writes it."""
    kind = type(error)
    if module is not None and getattr(module, kind.__name__, None) is kind:
        return "{}.{}".format(getattr(module, "__name__", kind.__module__), kind.__name__)
    return "{}.{}".format(kind.__module__, kind.__qualname__)


def causes(error):
    """Returns what an exception was raised from, outermost first."""
    found = []
    seen = {id(error)}
    while len(found) < 16:
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if error is None or id(error) in seen:
            break
        seen.add(id(error))
        found.append("{}: {}".format(type(error).__name__, error))
    return found


class Failure(Exception):
    """A FAILED answer."""

    def __init__(self, origin, kind, message, sqlstate="", code=0, reasons=(), details=(), closed=False):
        super().__init__(message)
        self.origin = origin
        self.kind = kind
        self.sqlstate = sqlstate
        self.code = code
        self.reasons = list(reasons)
        self.details = list(details)
        self.closed = closed

    def payload(self):
        """Returns the payload of the frame."""
        reasons = self.reasons[: (1 << 16) - 1]
        return b"".join(
            [
                struct.pack(">BB", self.origin, 1 if self.closed else 0),
                packed_str(self.kind),
                packed_str(self.sqlstate),
                struct.pack(">q", self.code if -(1 << 63) <= self.code < 1 << 63 else 0),
                packed_str(str(self)),
                struct.pack(">H", len(reasons)),
                b"".join(map(packed_str, reasons)),
                packed_pairs(self.details),
            ]
        )


def failure(driver, error):
    """Returns the failure that an exception is."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, Refused):
        return Failure(SIDECARS_OWN, error.word, str(error), reasons=error.causes)
    module = driver.module if driver else None
    own = driver is not None and isinstance(error, driver.own_errors())
    result = Failure(
        DRIVERS_OWN if own else UNKNOWN,
        qualified(module, error),
        (driver.message(error) if own else str(error)) or type(error).__name__,
        reasons=causes(error),
    )
    if own:
        result.sqlstate = driver.sqlstate(error)
        result.code = driver.code(error)
        result.details = [(name, str(value)) for name, value in driver.details(error) if value not in (None, "")]
        result.closed = driver.is_closed(error)
    return result


SQLSTATE = re.compile(r"[0-9A-Z]{5}\Z")


# Drivers


class Result:
    """What a statement gave: rows in the order of a cursor, or a count."""

    def __init__(self, driver, cursor, wants_key):
        self.driver = driver
        self.cursor = cursor
        self.wants_key = wants_key
        self.describe()

    def describe(self):
        """Reads the columns of the result set that comes first or next."""
        description = self.driver.description(self.cursor)
        self.columns = None
        if description:
            self.columns, self.packer = self.driver.columns(self.cursor, description)

    def fetch(self, count):
        """Returns at most as many rows, none at the end."""
        return self.cursor.fetchmany(count)

    def next(self):
        """Goes to the next result set, if there is one."""
        nextset = getattr(self.cursor, "nextset", None)
        if nextset is None:
            return False
        try:
            found = nextset()
        except getattr(self.driver.module, "NotSupportedError", ()):
            return False
        if found:
            self.describe()
        return bool(found)

    def done(self):
        """Returns the number of affected rows and the generated key."""
        count = self.driver.affected(self.cursor, self.columns)
        return count, self.driver.key(self.cursor) if self.wants_key else None

    def close(self):
        """Closes the cursor."""
        close = getattr(self.cursor, "close", None)
        if close is not None:
            close()


class Driver:
    """A connection of a module of which nothing is known but PEP 249, and the base of all others.

    Such a module is always in a transaction, so that it is committed after each statement outside of ours.
    """

    transactions = "api"
    savepoints = "1"
    stream = "0"
    quote = '"'
    ddl = ""
    isolation = ""
    levels = ""
    product = ""
    parameter = staticmethod(object_parameter)

    def __init__(self, module):
        self.module = module
        self.packer = Packer()
        self.connection = None
        self.inside = False
        self.failed_inside = False
        self.paramstyle = getattr(module, "paramstyle", None) or "qmark"

    # Opening

    def connect(self, arguments, keywords, duplicate):
        """Opens the connection."""
        self.connection = self.module.connect(*arguments, **keywords)
        if inspect.isawaitable(self.connection):
            raise Refused("not-dbapi", "{}.connect is asynchronous; PEP 249 modules are not".format(self.name()))
        self.product = self.product or PRODUCTS.get(self.name().split(".")[0], "") or self.name()
        self.savepoints = self.has_savepoints()

    def has_savepoints(self):
        """Returns `1` if the server takes savepoints, which is tried."""
        try:
            for text in ("SAVEPOINT ebbtide_probe", "ROLLBACK TO SAVEPOINT ebbtide_probe"):
                self.execute(text)
            return "1"
        except self.own_errors():
            return "0"
        finally:
            self.rollback_api()

    def name(self):
        """Returns the name of the module."""
        return getattr(self.module, "__name__", type(self.module).__name__)

    def version(self):
        """Returns the version of the server, if it is known."""
        return ""

    def driver_version(self):
        """Returns the version of the module, if it says one."""
        for name in ("VERSION_STRING", "__version__", "version"):
            found = getattr(self.module, name, None)
            if isinstance(found, str):
                return found
        return ""

    def about(self):
        """Returns the pairs of OPENED."""
        pairs = [
            ("product", self.product),
            ("version", self.version()),
            ("driver", self.name()),
            ("driver-version", self.driver_version()),
            ("transactions", self.transactions),
            ("savepoints", self.savepoints),
            ("paramstyle", self.paramstyle),
            ("quote", self.quote),
            ("ddl", self.ddl),
            ("isolation", self.isolation),
            ("levels", self.levels),
            ("stream", self.stream),
            ("cancel", self.cancelling()),
            ("folding", "none"),
            ("threads", str(self.threads())),
            ("process", str(os.getpid())),
        ]
        return [(name, value) for name, value in pairs if value]

    def threads(self):
        """Returns the thread safety of PEP 249."""
        safety = getattr(self.module, "threadsafety", 0)
        return safety if isinstance(safety, int) else 0

    # Statements

    def cursor(self):
        """Returns a new cursor."""
        return self.connection.cursor()

    def run(self, sql, parameters, plain, wants_key):
        """Runs a statement and returns its result."""
        cursor = self.cursor()
        try:
            if parameters:
                cursor.execute(sql, self.bound(parameters))
            else:
                cursor.execute(sql)
            return Result(self, cursor, wants_key)
        except BaseException:
            self.forget(cursor)
            raise

    def bound(self, parameters):
        """Returns the parameters in the module's style."""
        values = [None if tag == NULL else self.parameter(tag, value) for tag, value in parameters]
        if self.paramstyle in ("named", "pyformat"):
            return {"p{}".format(number): value for number, value in enumerate(values, 1)}
        return tuple(values)

    @staticmethod
    def forget(cursor):
        """Closes a cursor after an error, which is the one to be told."""
        try:
            cursor.close()
        except Exception:
            pass

    def execute(self, text):
        """Runs a text of the library's own, without parameters, to its end."""
        result = self.run(text, [], True, False)
        try:
            if result.columns is not None:
                while result.fetch(MOST_ROWS):
                    pass
        finally:
            result.close()

    def question(self, text):
        """Returns the first row of a statement as text, or an empty tuple."""
        cursor = self.cursor()
        try:
            cursor.execute(text)
            row = cursor.fetchone() or ()
            while cursor.fetchone():
                pass
        finally:
            self.forget(cursor)
        plain = [item.decode() if isinstance(item, (bytes, bytearray)) else item for item in row]
        return tuple("" if item is None else str(item) for item in plain)

    @staticmethod
    def description(cursor):
        """Returns the description of the rows, None if there are none."""
        return cursor.description

    def columns(self, cursor, description):
        """Returns names, type names and flags of the columns, and what packs their rows."""
        return [(str(column[0]), "", 0) for column in description], self.packer

    def affected(self, cursor, columns):
        """Returns the number of affected rows, -1 if it is not known."""
        count = getattr(cursor, "rowcount", -1)
        return count if isinstance(count, int) and 0 <= count < 1 << 63 else -1

    def key(self, cursor):
        """Returns the generated key, if the module documents one."""
        return None

    # Transactions

    def begin(self, isolation, read_only, begin_text, first_text):
        """Begins a transaction."""
        if (isolation or read_only) and not first_text:
            raise Refused(
                "unsupported",
                "the interface of {} cannot set the isolation level or read-only of a transaction".format(self.name()),
            )
        self.inside = True
        try:
            if first_text:
                self.execute(first_text)
        except BaseException:
            self.rollback()
            raise

    def commit(self):
        """Commits the transaction."""
        self.connection.commit()
        self.inside = False

    def rollback(self):
        """Rolls the transaction back."""
        self.inside = False
        self.connection.rollback()

    def rollback_api(self):
        """Ends the transaction that the module has begun by itself."""
        self.connection.rollback()

    def settled(self, worked):
        """Ends the module's own transaction after a statement outside of ours."""
        if self.inside:
            return
        if worked:
            self.connection.commit()
        else:
            self.connection.rollback()

    def ping(self):
        """Asks the server for a sign of life."""
        ping = getattr(self.connection, "ping", None)
        if callable(ping):
            ping()
        else:
            self.execute("SELECT 1")

    def close(self):
        """Closes the connection."""
        self.connection.close()

    # Cancelling, by another thread

    def cancelling(self):
        """Returns what `cancel` of OPENED says."""
        return "1" if self.canceller() else "0"

    def canceller(self):
        """Returns the function that ends the statement under way, None if there is none."""
        for name in ("cancel", "interrupt"):
            function = getattr(self.connection, name, None)
            if callable(function):
                return function
        return None

    # Errors

    def own_errors(self):
        """Returns the classes of the module's own errors. A Warning of PEP 249 is raised and is no Error."""
        found = [getattr(self.module, name, None) for name in ("Error", "Warning")]
        return tuple(kind for kind in found if isinstance(kind, type) and issubclass(kind, Exception))

    def message(self, error):
        """Returns the message of an error."""
        return str(error)

    def sqlstate(self, error):
        """Returns the SQLSTATE of an error, an empty text if it has none."""
        candidates = [getattr(error, name, None) for name in ("sqlstate", "pgcode")] + list(error.args[:1])
        for candidate in candidates:
            if isinstance(candidate, str) and SQLSTATE.match(candidate):
                return candidate
        return ""

    def code(self, error):
        """Returns the number of an error, 0 if it has none."""
        first = error.args[0] if error.args else None
        candidates = [getattr(error, name, None) for name in ("sqlite_errorcode", "extendedresult", "errno", "sqlcode", "number")]
        for candidate in candidates + [first, getattr(first, "code", None)]:
            if isinstance(candidate, int) and not isinstance(candidate, bool):
                return candidate
        return 0

    def details(self, error):
        """Returns pairs of what an error says of constraint, table and so on."""
        diag = getattr(error, "diag", None)
        return [(name, getattr(diag, attribute, None)) for name, attribute in DIAGNOSTICS] if diag is not None else []

    def is_closed(self, error):
        """Returns true if the connection is surely closed."""
        return any(getattr(self.connection, name, None) in CLOSED for name in ("closed", "broken"))


PRODUCTS = {
    "chdb": "ClickHouse",
    "cx_Oracle": "Oracle",
    "firebird": "Firebird",
    "oracledb": "Oracle",
    "pymssql": "Microsoft SQL Server",
    "pytds": "Microsoft SQL Server",
}
DIAGNOSTICS = [
    ("constraint", "constraint_name"),
    ("table", "table_name"),
    ("column", "column_name"),
    ("schema", "schema_name"),
    ("detail", "message_detail"),
    ("hint", "message_hint"),
    ("position", "statement_position"),
]
# psycopg2 says 1 for a closed connection and 2 for a broken one.
CLOSED = (True, 1, 2)


class TextDriver(Driver):
    """A driver that commits each statement by itself, and takes BEGIN, COMMIT and ROLLBACK as text."""

    transactions = "text"
    # The SQLSTATE of a COMMIT that rolled back.
    rolled_back = "40000"

    def open_transaction(self):
        """Returns whether a transaction is open, None if the module does not say."""
        return None

    def is_aborted(self):
        """Returns true if a failed statement has ruined the transaction, so that COMMIT would roll it back."""
        return False

    def begin(self, isolation, read_only, begin_text, first_text):
        for text in begin_text.split(";"):
            if text.strip():
                self.execute(text.strip())
        if self.open_transaction() is False:
            raise Failure(SIDECARS_OWN, "unsupported", "{} began no transaction at {}".format(self.name(), begin_text))
        self.inside = True
        self.failed_inside = False

    def commit(self):
        if self.is_aborted():
            self.rollback()
            raise self.not_committed("a statement in it had failed, so the transaction was rolled back")
        self.execute("COMMIT")
        self.inside = False
        if self.open_transaction():
            raise self.not_committed("the transaction is still open after COMMIT")

    def not_committed(self, reason):
        """Returns the failure of a COMMIT that raised nothing and did not commit."""
        return Failure(DRIVERS_OWN, "ebbtide.NotCommitted", "nothing was committed: " + reason, sqlstate=self.rolled_back)

    def rollback(self):
        self.inside = False
        self.execute("ROLLBACK")
        if self.open_transaction():
            raise Failure(UNKNOWN, "ebbtide.NotRolledBack", "the transaction is still open after ROLLBACK")

    def settled(self, worked):
        if self.inside and not worked:
            self.failed_inside = True


class Sqlite3(TextDriver):
    """The module sqlite3."""

    product = "SQLite"
    stream = "1"
    ddl = "transactional"
    isolation = levels = "4"
    parameter = staticmethod(sqlite_parameter)

    def connect(self, arguments, keywords, duplicate):
        keywords = dict(keywords, check_same_thread=False)
        # Neither the transactions of the module nor its converters: both are ours.
        for name in ("isolation_level", "autocommit", "detect_types"):
            keywords.pop(name, None)
        self.connection = self.module.connect(*arguments[:2], isolation_level=None, **keywords)
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
        return next((code for start, code in SQLITE_CODES if text.startswith(start)), 0)


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


class ApswResult(Result):
    """Rows of APSW, whose cursor is an iterator."""

    def fetch(self, count):
        rows = []
        for row in self.cursor:
            rows.append(row)
            if len(rows) == count:
                break
        return rows

    def next(self):
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

    def connect(self, arguments, keywords, duplicate):
        self.connection = self.module.Connection(*arguments, **keywords)

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
            # The columns of a result without rows are told only here.
            described.append(cursor.get_description())
            return True

        cursor.exec_trace = trace
        changes = self.connection.total_changes()
        try:
            if parameters:
                cursor.execute(sql, self.bound(parameters))
            else:
                cursor.execute(sql)
        except BaseException:
            self.forget(cursor)
            raise
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
        return self.connection.last_insert_rowid()

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


class Postgres(TextDriver):
    """What the modules of PostgreSQL have in common: values are the server's text, with the names of their types."""

    product = "PostgreSQL"
    ddl = "transactional"
    levels = "1,2,3,4"
    rolled_back = "25P02"

    SETTINGS = "SET datestyle TO ISO; SET intervalstyle TO postgres; SET bytea_output TO hex; SET extra_float_digits TO 3"

    def prepare_session(self):
        """Sets the forms in which the server writes values, and asks for what OPENED says."""
        self.execute(self.SETTINGS)
        row = self.question("SELECT current_setting('server_version'), current_setting('default_transaction_isolation')")
        self.server_version, level = row
        self.isolation = {"read committed": "2", "repeatable read": "3", "serializable": "4"}.get(level, "1")
        self.names = {}

    def version(self):
        return self.server_version

    def type_names(self, oids):
        """Returns the names of types. Those that nobody knows are asked for once."""
        unknown = sorted({oid for oid in oids if oid not in POSTGRES_NAMES and oid not in self.names})
        if unknown:
            self.names.update(dict.fromkeys(unknown, ""))
            listed = ", ".join(map(str, unknown))
            question = "SELECT string_agg(oid || ' ' || typname, chr(10)) FROM pg_type WHERE oid IN ({})".format(listed)
            for line in self.question(question)[0].splitlines():
                oid, name = line.split(" ", 1)
                self.names[int(oid)] = name
        return [POSTGRES_NAMES.get(oid) or self.names[oid] for oid in oids]

    def columns(self, cursor, description):
        names = self.type_names([column[1] for column in description])
        titles = [str(column[0]) for column in description]
        return [(title, name, 0) for title, name in zip(titles, names)], PostgresPacker(names)

    def message(self, error):
        diag = getattr(error, "diag", None)
        return getattr(diag, "message_primary", None) or str(error)

    def ping(self):
        self.execute("SELECT 1")


POSTGRES_NAMES = {
    16: "bool", 17: "bytea", 18: "char", 19: "name", 20: "int8", 21: "int2", 22: "int2vector", 23: "int4", 24: "regproc",
    25: "text", 26: "oid", 27: "tid", 28: "xid", 29: "cid", 30: "oidvector", 114: "json", 142: "xml", 143: "_xml",
    199: "_json", 600: "point", 601: "lseg", 602: "path", 603: "box", 604: "polygon", 628: "line", 629: "_line",
    650: "cidr", 651: "_cidr", 700: "float4", 701: "float8", 705: "unknown", 718: "circle", 719: "_circle", 774: "macaddr8",
    775: "_macaddr8", 790: "money", 791: "_money", 829: "macaddr", 869: "inet", 1000: "_bool", 1001: "_bytea", 1002: "_char",
    1003: "_name", 1005: "_int2", 1007: "_int4", 1009: "_text", 1014: "_bpchar", 1015: "_varchar", 1016: "_int8",
    1017: "_point", 1018: "_lseg", 1019: "_path", 1020: "_box", 1021: "_float4", 1022: "_float8", 1027: "_polygon",
    1028: "_oid", 1040: "_macaddr", 1041: "_inet", 1042: "bpchar", 1043: "varchar", 1082: "date", 1083: "time",
    1114: "timestamp", 1115: "_timestamp", 1182: "_date", 1183: "_time", 1184: "timestamptz", 1185: "_timestamptz",
    1186: "interval", 1187: "_interval", 1231: "_numeric", 1266: "timetz", 1270: "_timetz", 1560: "bit", 1561: "_bit",
    1562: "varbit", 1563: "_varbit", 1700: "numeric", 2205: "regclass", 2206: "regtype", 2249: "record", 2278: "void",
    2287: "_record", 2950: "uuid", 2951: "_uuid", 3220: "pg_lsn", 3614: "tsvector", 3615: "tsquery", 3802: "jsonb",
    3807: "_jsonb", 3904: "int4range", 3906: "numrange", 3908: "tsrange", 3910: "tstzrange", 3912: "daterange",
    3926: "int8range", 4072: "jsonpath",
}  # fmt: skip


class PsycopgResult:
    """Rows of libpq, in the order in which it gives results."""

    def __init__(self, driver):
        self.driver = driver
        self.held = collections.deque()
        self.ended = False
        self.columns = None
        self.count = -1
        self.position = 0
        self.current = None
        self.receive()

    def receive(self):
        """Reads results up to the next with columns, or to the end."""
        while self.current is None:
            result = self.held.popleft() if self.held else self.driver.next_result()
            if result is None:
                self.ended = True
                return
            if self.driver.has_rows(result):
                self.current = result
                self.position = 0
                if self.columns is None:
                    self.describe(result)
            else:
                self.count = self.driver.command_count(result)

    def describe(self, result):
        """Reads the columns of a result. To ask for names of types, what is under way is read to its end first."""
        oids = [result.ftype(index) for index in range(result.nfields)]
        if any(oid not in POSTGRES_NAMES and oid not in self.driver.names for oid in oids) and not self.held:
            self.held.extend(iter(self.driver.next_result, None))
            self.held.append(None)
        names = self.driver.type_names(oids)
        self.columns = [(result.fname(index).decode(), name, 0) for index, name in enumerate(names)]
        self.packer = PostgresPacker(names)
        self.indexes = range(result.nfields)

    def fetch(self, count):
        """Returns at most as many rows, none at the end of the result set."""
        while self.current is not None:
            result = self.current
            start = self.position
            end = min(start + count, result.ntuples)
            if start < end:
                self.position = end
                value = result.get_value
                return [[value(row, column) for column in self.indexes] for row in range(start, end)]
            last = self.driver.is_last(result)
            self.current = None
            if last:
                self.count = self.driver.command_count(result)
                return []
            self.receive()
        return []

    def next(self):
        """Goes to the next result set, if there is one."""
        if self.ended:
            return False
        self.columns = None
        self.receive()
        return self.columns is not None

    def done(self):
        """Returns the number of affected rows."""
        return self.count, None

    def close(self):
        """Reads what is left."""
        while not self.ended and (self.held or self.driver.next_result() is not None):
            if self.held and self.held.popleft() is None:
                break
        self.ended = True


class Psycopg(Postgres):
    """psycopg 3, whose layer of libpq reads rows as they come and gives the server's own text."""

    stream = "1"
    PLACEHOLDER = re.compile(r"%(?:\(p(\d+)\)s|%)")

    def connect(self, arguments, keywords, duplicate):
        keywords = dict(keywords, autocommit=True, client_encoding="utf8")
        self.prepares = keywords.get("prepare_threshold", 5) is not None
        self.connection = self.module.connect(*arguments, **keywords)
        self.pq = self.module.pq
        self.link = self.connection.pgconn
        self.link.nonblocking = 0
        self.poll = select.poll()
        self.poll.register(self.link.socket, select.POLLIN)
        self.texts = collections.OrderedDict()
        self.numbered = 0
        self.no_rows = {getattr(self.pq.ExecStatus, name) for name in ("COMMAND_OK", "EMPTY_QUERY")}
        status = self.pq.ExecStatus
        self.with_rows = {status.TUPLES_OK, status.SINGLE_TUPLE, getattr(status, "TUPLES_CHUNK", status.SINGLE_TUPLE)}
        self.prepare_session()

    def question(self, text):
        self.link.send_query(text.encode())
        result = PsycopgResult.__new__(PsycopgResult)
        row = ()
        for part in iter(self.next_result, None):
            if self.has_rows(part) and part.ntuples:
                row = tuple((part.get_value(0, column) or b"").decode() for column in range(part.nfields))
        return row

    def run(self, sql, parameters, plain, wants_key):
        if not parameters and plain:
            self.link.send_query(sql.encode())
            self.set_streaming()
            return PsycopgResult(self)
        types = [POSTGRES_TYPES.get(tag, 0) for tag, _ in parameters]
        values = [None if value is None else self.wire(tag, value) for tag, value in parameters]
        formats = [1 if tag == BYTES else 0 for tag, _ in parameters]
        if parameters:
            sql = self.PLACEHOLDER.sub(lambda found: "$" + found.group(1) if found.group(1) else "%", sql)
        return self.run_prepared(sql.encode(), types, values, formats)

    @staticmethod
    def wire(tag, value):
        """Returns the bytes of a parameter."""
        return value if tag == BYTES else postgres_text(tag, value).encode()

    def run_prepared(self, text, types, values, formats):
        """Runs a statement, which is prepared when it comes for the second time."""
        kind = (text, tuple(types))
        name = self.texts.get(kind)
        if name is None:
            self.remember(kind)
            return self.run_once(text, types, values, formats)
        self.texts.move_to_end(kind)
        try:
            if name == b"":
                self.numbered += 1
                name = b"ebbtide_%d" % self.numbered
                self.link.send_prepare(name, text, types)
                while self.next_result() is not None:
                    pass
                self.texts[kind] = name
            self.link.send_query_prepared(name, values, formats)
            self.set_streaming()
            return PsycopgResult(self)
        except self.module.Error as error:
            self.drop(kind)
            # The plan was kept by a pooler or another server session, or a table has changed: nothing has run.
            if error.sqlstate in ("0A000", "26000") and self.status() == "IDLE":
                return self.run_once(text, types, values, formats)
            raise

    def run_once(self, text, types, values, formats):
        """Runs a statement that is not prepared."""
        self.link.send_query_params(text, values, types, formats)
        self.set_streaming()
        return PsycopgResult(self)

    def remember(self, kind):
        """Notes that a text has come, and forgets the one that has not come for longest."""
        if not self.prepares:
            return
        if len(self.texts) >= PREPARED:
            oldest = next(iter(self.texts))
            self.drop(oldest)
        self.texts[kind] = b""

    def drop(self, kind):
        """Forgets a prepared statement, here and at the server."""
        name = self.texts.pop(kind, b"")
        if name and self.status() in ("IDLE", "INTRANS"):
            self.link.send_query(b"DEALLOCATE " + name)
            self.discard()

    def discard(self):
        """Reads what is under way to its end, whatever it says."""
        while self.waited() is not None:
            pass

    def set_streaming(self):
        """Has libpq give rows as they come, many at a time where it can."""
        try:
            self.link.set_chunked_rows_mode(MOST_ROWS // 4)
        except (AttributeError, self.module.NotSupportedError):
            self.link.set_single_row_mode()

    def waited(self):
        """Returns the next result. Waiting lets other threads run, which libpq's own waiting would not."""
        link = self.link
        while link.is_busy():
            self.poll.poll()
            link.consume_input()
        return link.get_result()

    def next_result(self):
        """Returns the next result of the statement under way, None at its end. Raises its error."""
        result = self.waited()
        if result is None or result.status in self.no_rows or result.status in self.with_rows:
            return result
        status = self.pq.ExecStatus
        if result.status in (status.COPY_IN, status.COPY_OUT, status.COPY_BOTH):
            self.connection.close()
            raise Failure(SIDECARS_OWN, "unsupported", "COPY FROM STDIN and TO STDOUT are not supported", closed=True)
        error = self.module.errors.error_from_result(result, encoding="utf-8")
        self.discard()
        raise error

    def has_rows(self, result):
        """Returns true if a result has columns."""
        return result.status in self.with_rows

    def is_last(self, result):
        """Returns true if a result is the last of its statement."""
        return result.status == self.pq.ExecStatus.TUPLES_OK

    def command_count(self, result):
        """Returns the number of affected rows that a result tells."""
        count = result.command_tuples
        return count if isinstance(count, int) else -1

    def status(self):
        """Returns the name of the transaction's status."""
        return self.pq.TransactionStatus(self.link.transaction_status).name

    def open_transaction(self):
        return self.status() in ("INTRANS", "INERROR", "ACTIVE")

    def is_aborted(self):
        return self.status() == "INERROR"

    def canceller(self):
        cancel = self.link.get_cancel()
        return cancel.cancel

    def is_closed(self, error):
        return self.link.status != self.pq.ConnStatus.OK


class Psycopg2(Postgres):
    """psycopg2. Its cursors buffer all rows."""

    def connect(self, arguments, keywords, duplicate):
        extensions = importlib.import_module("psycopg2.extensions")
        self.extensions = extensions
        self.parameter = psycopg2_parameter(self.module)
        self.connection = self.module.connect(*arguments, **keywords)
        self.connection.autocommit = True
        self.connection.set_client_encoding("UTF8")
        raw = extensions.new_type(tuple(extensions.string_types), "EBBTIDE_RAW", lambda value, _: value)
        extensions.register_type(raw, self.connection)
        self.prepare_session()

    def open_transaction(self):
        return self.connection.info.transaction_status in (1, 2, 3)

    def is_aborted(self):
        return self.connection.info.transaction_status == 3

    def is_closed(self, error):
        return self.connection.closed != 0


class Pg8000(Postgres):
    """pg8000. Its cursors buffer all rows."""

    parameter = staticmethod(postgres_text)

    def connect(self, arguments, keywords, duplicate):
        converters = importlib.import_module("pg8000.converters")
        self.connection = self.module.connect(*arguments, **keywords)
        self.connection.autocommit = True
        for oid in converters.PG_TYPES:
            self.connection.register_in_adapter(oid, str)
        self.prepare_session()

    def run(self, sql, parameters, plain, wants_key):
        # A NULL tells its type too, as in PostgreSQL's own protocol.
        self.types = [POSTGRES_TYPES.get(tag, 0) for tag, _ in parameters]
        return super().run(sql, parameters, plain, wants_key)

    def cursor(self):
        cursor = self.connection.cursor()
        types = getattr(self, "types", None)
        if types and hasattr(cursor, "setinputsizes"):
            cursor.setinputsizes(*types)
        return cursor

    def state(self):
        """Returns the letter of the transaction's status."""
        return self.connection._transaction_status

    def open_transaction(self):
        return self.state() in (b"T", b"E")

    def is_aborted(self):
        return self.state() == b"E"

    def cancelling(self):
        return "abort"

    def canceller(self):
        return shutdown(self.connection._usock)

    @staticmethod
    def fields(error):
        """Returns the fields of the server's answer."""
        first = error.args[0] if error.args else None
        return first if isinstance(first, dict) else {}

    def message(self, error):
        return self.fields(error).get("M") or str(error)

    def sqlstate(self, error):
        return self.fields(error).get("C", "")

    def details(self, error):
        fields = self.fields(error)
        letters = zip("ntcsDHP", DIAGNOSTICS)
        return [(name, fields.get(letter)) for letter, (name, _) in letters]

    def is_closed(self, error):
        return not self.fields(error) and isinstance(error, self.module.InterfaceError)


def shutdown(link):
    """Returns the function that ends a connection by its socket, whatever another thread does with it."""

    def end():
        socket.socket.shutdown(link, socket.SHUT_RDWR)

    return end


class MySql(TextDriver):
    """What the modules of MySQL and MariaDB have in common: values are the server's text, with the names of their types."""

    quote = "`"
    ddl = "commits"
    levels = "1,2,3,4"
    parameter = staticmethod(mysql_parameter)
    lost = (2006, 2013, 2055, 4031)

    def prepare_session(self):
        """Asks for what OPENED says."""
        (self.server_version,) = self.question("SELECT VERSION()")
        self.product = "MariaDB" if "mariadb" in self.server_version.lower() else "MySQL"
        variable = "tx_isolation" if self.product == "MariaDB" else "transaction_isolation"
        row = self.question("SHOW VARIABLES LIKE '{}'".format(variable)) or ("", "")
        self.isolation = {"READ-UNCOMMITTED": "1", "READ-COMMITTED": "2", "SERIALIZABLE": "4"}.get(row[1].upper(), "3")

    def version(self):
        return self.server_version

    def fields(self, cursor, description):
        """Returns name, type, flags, number of the charset and length of each column."""
        raise NotImplementedError

    def columns(self, cursor, description):
        columns = []
        packers = []
        for name, kind, flags, charset, length in self.fields(cursor, description):
            type_name, packer = mysql_type(kind, flags, charset)
            marks = (UNSIGNED if type_name.endswith(" UNSIGNED") else 0) | (BOOLEAN if kind == 1 and length == 1 else 0)
            columns.append((name, type_name, marks))
            packers.append(packer)
        return columns, ColumnPacker(packers)

    def affected(self, cursor, columns):
        return super().affected(cursor, columns) if columns is None else -1

    def key(self, cursor):
        return cursor.lastrowid or None

    def ping(self):
        self.execute("SELECT 1")

    def message(self, error):
        return str(error.args[1]) if len(error.args) > 1 else str(error)

    def is_closed(self, error):
        return self.code(error) in self.lost


MYSQL_NAMES = {
    0: "DECIMAL", 1: "TINYINT", 2: "SMALLINT", 3: "INT", 4: "FLOAT", 5: "DOUBLE", 6: "NULL", 7: "TIMESTAMP", 8: "BIGINT",
    9: "MEDIUMINT", 10: "DATE", 11: "TIME", 12: "DATETIME", 13: "YEAR", 14: "DATE", 15: "VARCHAR", 16: "BIT", 242: "VECTOR",
    245: "JSON", 246: "DECIMAL", 247: "ENUM", 248: "SET", 249: "TINYBLOB", 250: "MEDIUMBLOB", 251: "LONGBLOB", 252: "BLOB",
    253: "VARCHAR", 254: "CHAR", 255: "GEOMETRY",
}  # fmt: skip
MYSQL_INTEGERS = {1, 2, 3, 8, 9}
MYSQL_TEXTS = {15, 247, 248, 249, 250, 251, 252, 253, 254}
MYSQL_BINARY_NAMES = {15: "VARBINARY", 253: "VARBINARY", 254: "BINARY"}
MYSQL_BINARY = 63
MYSQL_UNSIGNED, MYSQL_ENUM, MYSQL_SET = 32, 256, 2048


def mysql_type(kind, flags, charset):
    """Returns the name of a type of MySQL and what packs its values."""
    name = MYSQL_NAMES.get(kind, "")
    if kind in MYSQL_TEXTS:
        if charset == MYSQL_BINARY:
            return MYSQL_BINARY_NAMES.get(kind, name), pack_raw
        if flags & MYSQL_ENUM or flags & MYSQL_SET:
            return ("ENUM" if flags & MYSQL_ENUM else "SET"), pack_mysql_text
        return name.replace("BLOB", "TEXT"), pack_mysql_text
    if kind == 16:
        return name, pack_bits
    if kind == 245:
        return name, pack_json
    if kind in (242, 255):
        return name, pack_raw
    unsigned = flags & MYSQL_UNSIGNED and (kind in MYSQL_INTEGERS or kind in (4, 5))
    return name + (" UNSIGNED" if unsigned else ""), pack_server_text


def pack_raw(value):
    """Packs bytes of MySQL, also where the module has taken them for text."""
    return pack_bytes(value.encode("utf-8") if isinstance(value, str) else bytes(value))


def pack_bits(value):
    """Packs a BIT of MySQL as an unsigned integer."""
    return struct.pack(">BQ", UNSIGNED_INTEGER, int.from_bytes(value, "big"))


def pack_mysql_text(value):
    """Packs text of MySQL."""
    return pack_str(value) if isinstance(value, str) else pack_utf8(value)


def pack_json(value):
    """Packs the text of a JSON document."""
    return packed_text(JSON, checked_utf8(value.encode("utf-8") if isinstance(value, str) else value))


class PyMySql(MySql):
    """PyMySQL, with a cursor that reads rows as they come."""

    stream = "1"

    def connect(self, arguments, keywords, duplicate):
        conversions = importlib.import_module("pymysql.converters").conversions
        encoders = {kind: function for kind, function in conversions.items() if not isinstance(kind, int)}
        encoders[PlainDecimal] = lambda value, _: str(value)
        found_rows = importlib.import_module("pymysql.constants.CLIENT").FOUND_ROWS
        cursors = importlib.import_module("pymysql.cursors")
        keywords = dict(keywords, conv=encoders, autocommit=True, cursorclass=cursors.SSCursor)
        keywords["client_flag"] = keywords.get("client_flag", 0) | found_rows
        self.connection = self.module.connect(*arguments, **keywords)
        self.prepare_session()

    def fields(self, cursor, description):
        fields = cursor._result.fields
        return [(field.name, field.type_code, field.flags, field.charsetnr, field.length) for field in fields]

    def open_transaction(self):
        return bool(self.connection.server_status & 1)

    def cancelling(self):
        return "abort"

    def canceller(self):
        return shutdown(self.connection._sock)

    def is_closed(self, error):
        return not self.connection.open or super().is_closed(error)


class MySqlDb(MySql):
    """mysqlclient (MySQLdb), with a cursor that reads rows as they come."""

    stream = "1"

    def connect(self, arguments, keywords, duplicate):
        conversions = importlib.import_module("MySQLdb.converters").conversions
        encoders = {kind: function for kind, function in conversions.items() if not isinstance(kind, int)}
        encoders[PlainDecimal] = lambda value, _: str(value)
        cursors = importlib.import_module("MySQLdb.cursors")
        found_rows = importlib.import_module("MySQLdb.constants.CLIENT").FOUND_ROWS
        keywords = dict(keywords, conv=encoders, cursorclass=cursors.SSCursor)
        keywords.setdefault("charset", "utf8mb4")
        keywords["client_flag"] = keywords.get("client_flag", 0) | found_rows
        self.connection = self.module.connect(*arguments, **keywords)
        self.connection.autocommit(True)
        self.prepare_session()

    def fields(self, cursor, description):
        # The module does not tell the charset; it gives bytes for what is binary.
        rows = zip(description, cursor.description_flags)
        return [(column[0], column[1], flags, 0, column[3] or 0) for column, flags in rows]

    def columns(self, cursor, description):
        columns, packer = super().columns(cursor, description)
        by_value = lambda value: pack_bytes(value) if isinstance(value, bytes) else pack_str(value)
        packer.columns = [by_value if function is pack_mysql_text else function for function in packer.columns]
        return columns, packer


class MySqlConnector(MySql):
    """mysql.connector, with a raw cursor: its others lose signs of times and turn zero dates into NULL."""

    stream = "1"

    def connect(self, arguments, keywords, duplicate):
        flags = importlib.import_module("mysql.connector.constants").ClientFlag
        # Only the part that is written in Python has a socket that another thread can end.
        keywords = dict(keywords, autocommit=True)
        keywords.setdefault("use_pure", True)
        self.pure = keywords["use_pure"]
        if not keywords.get("client_flags"):
            keywords["client_flags"] = [flags.FOUND_ROWS]
        self.connection = self.module.connect(*arguments, **keywords)
        self.prepare_session()

    def cursor(self):
        return self.connection.cursor(raw=True)

    def fields(self, cursor, description):
        return [(column[0], column[1], column[7], column[8], 0) for column in description]

    def open_transaction(self):
        return self.connection.in_transaction

    def cancelling(self):
        return "abort" if self.pure else "0"

    def canceller(self):
        return shutdown(self.connection._socket.sock) if self.pure else None

    def message(self, error):
        return getattr(error, "msg", None) or str(error)


class MariaDb(TextDriver):
    """The module mariadb, whose values are read by their Python types."""

    product = "MariaDB"
    quote = "`"
    ddl = "commits"
    levels = "1,2,3,4"
    isolation = "3"

    def connect(self, arguments, keywords, duplicate):
        self.connection = self.module.connect(*arguments, **keywords)
        self.connection.autocommit = True

    def version(self):
        return str(getattr(self.connection, "server_info", ""))

    def key(self, cursor):
        return cursor.lastrowid or None


class DuckDb(TextDriver):
    """DuckDB. It says nothing when a COMMIT rolls back, so it is asked before."""

    product = "DuckDB"
    savepoints = "0"
    stream = "1"
    ddl = "transactional"
    isolation = levels = "5"
    rolled_back = "25P02"
    parameter = staticmethod(duckdb_parameter)
    # The first connection for each set of arguments; others of the process share its database.
    first = {}
    first_lock = threading.Lock()

    def connect(self, arguments, keywords, duplicate):
        key = json.dumps([arguments, keywords], sort_keys=True)
        with self.first_lock:
            original = self.first.get(key) if duplicate else None
            if original is None:
                original = self.first[key] = self.module.connect(*arguments, **keywords)
            self.connection = original.cursor()
        (self.server_version,) = self.question("SELECT version()")
        infinite = {datetime.date: finite_date, datetime.datetime: finite_datetime}
        self.base = ColumnPacker([], infinite)

    def cursor(self):
        # A cursor of DuckDB would be another connection.
        return KeptCursor(self.connection)

    def version(self):
        return self.server_version.lstrip("v")

    @staticmethod
    def description(cursor):
        description = cursor.description
        # INSERT, UPDATE and DELETE have a row with their count; DDL and the words of transactions have none.
        if description and len(description) == 1 and description[0][0] in ("Count", "Success") and cursor.rowcount >= 0:
            return None
        return description

    def columns(self, cursor, description):
        names = [str(column[1]).strip('"') for column in description]
        packer = ColumnPacker([duckdb_packer(name) for name in names], self.base.packers)
        titles = [str(column[0]) for column in description]
        return [(title, name, UNSIGNED if name in DUCKDB_UNSIGNED else 0) for title, name in zip(titles, names)], packer

    def affected(self, cursor, columns):
        return super().affected(cursor, columns) if columns is None else -1

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

    def canceller(self):
        return self.connection.interrupt


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
        return packed_text(tag, value.replace(" (BC)", " BC").encode("utf-8"))

    return pack


def finite_date(value):
    """Packs a date. DuckDB's infinities arrive as the first and last date of Python."""
    if value in (datetime.date.min, datetime.date.max):
        raise Lossy("the date is infinite or {}; cast it in the statement: CAST(… AS VARCHAR)".format(value))
    return pack_date(value)


def finite_datetime(value):
    """Packs a datetime. DuckDB's infinities arrive as the first and last one of Python."""
    if value.replace(tzinfo=None) in (datetime.datetime.min, datetime.datetime.max):
        raise Lossy("the timestamp is infinite or {}; cast it in the statement: CAST(… AS VARCHAR)".format(value))
    return pack_datetime(value)


def pack_single(value):
    """Packs a float of 32 bits."""
    return struct.pack(">Bf", FLOAT, value)


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

DRIVERS = {
    "MySQLdb": MySqlDb,
    "apsw": Apsw,
    "duckdb": DuckDb,
    "mariadb": MariaDb,
    "mysql.connector": MySqlConnector,
    "pg8000": Pg8000,
    "pg8000.dbapi": Pg8000,
    "pg8000.legacy": Pg8000,
    "psycopg": Psycopg,
    "psycopg2": Psycopg2,
    "pymysql": PyMySql,
    "sqlite3": Sqlite3,
    "sqlite3.dbapi2": Sqlite3,
}


def load(path):
    """Returns the driver for `package.module` or `package.module:attribute`, not yet connected."""
    name, _, attribute = path.partition(":")
    module = imported(name)
    if attribute:
        for part in attribute.split("."):
            if not hasattr(module, part):
                raise Refused("attribute-missing", "the module {} has no attribute {}".format(name, attribute), [where()])
            module = getattr(module, part)
    kind = DRIVERS.get(name if not attribute else getattr(module, "__name__", ""), Driver)
    connect = getattr(module, "connect", None)
    if kind is not Apsw and not callable(connect):
        missing = [word for word in ("connect", "paramstyle", "threadsafety", "apilevel", "Error") if not hasattr(module, word)]
        raise Refused("not-dbapi", "{} is no DB-API 2 module: it has no {}".format(path, ", ".join(missing)), [where()])
    if inspect.iscoroutinefunction(connect) or inspect.isasyncgenfunction(connect):
        raise Refused("not-dbapi", "{}.connect is asynchronous, and DB-API 2 is not; name the module's own driver".format(path))
    return kind(module)


def imported(name):
    """Returns a module, or raises what went wrong."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        # A module that is missing is one thing, one that misses another is another.
        missing = isinstance(error, ModuleNotFoundError) and error.name and (name + ".").startswith(error.name + ".")
        if missing:
            raise Refused("module-missing", "Python finds no module {}".format(error.name), [where()])
        raise import_failed(name)
    except BaseException:
        raise import_failed(name)


def import_failed(name):
    """Returns the error for a module that raised when it was imported."""
    lines = traceback.format_exc().strip().splitlines()
    return Refused("import-failed", "importing {} failed: {}".format(name, lines[-1]), [where()] + lines)


def where():
    """Returns in which Python and where modules were looked for."""
    folders = [folder or os.getcwd() for folder in sys.path[:6]]
    more = ", …" if len(sys.path) > 6 else ""
    version = platform.python_version()
    return "looked for by {} (Python {}) in {}{}".format(sys.executable, version, ", ".join(folders), more)


# Channels


class Channel:
    """A connection: a thread that answers its requests in order."""

    def __init__(self, number, output):
        self.number = number
        self.output = output
        self.requests = SimpleQueue()
        self.changed = threading.Condition()
        self.driver = None
        self.current = 0
        self.credits = 0
        self.cancelled = False
        self.failed = False
        self.canceller = None
        thread = threading.Thread(target=self.work, name="channel {}".format(number))
        thread.daemon = True
        thread.start()

    # Called by the reader

    def more(self, request, payload):
        """Adds credits to the request under way."""
        with self.changed:
            if request == self.current:
                self.credits += payload.number("I")
                self.changed.notify_all()

    def cancel(self, request):
        """Cancels the request under way."""
        with self.changed:
            if request != self.current or self.cancelled:
                return
            self.cancelled = True
            self.changed.notify_all()
            self.canceller = threading.Thread(target=self.keep_cancelling, args=(request,))
            self.canceller.daemon = True
            self.canceller.start()

    def keep_cancelling(self, request):
        """Cancels until the request has ended: the first time may come before the driver has begun."""
        driver = self.driver
        try:
            cancel = driver.canceller() if driver and driver.connection is not None else None
        except Exception:
            cancel = None
        while cancel is not None and self.current == request:
            try:
                cancel()
            except Exception:
                pass
            with self.changed:
                if self.current == request:
                    self.changed.wait(0.05)

    # The channel's own thread

    def work(self):
        """Answers requests until the channel is closed."""
        open_still = True
        while open_still:
            request, kind, payload = self.requests.get()
            with self.changed:
                self.current = request
                self.cancelled = False
                self.credits = 0
            answer, open_still = self.answered(request, kind, payload)
            with self.changed:
                self.current = 0
                self.changed.notify_all()
                canceller, self.canceller = self.canceller, None
            if canceller is not None:
                # It must not reach the next statement.
                canceller.join()
            if not open_still:
                self.output.forget(self.number)
            self.output.write(answer)

    def answered(self, request, kind, payload):
        """Returns the bytes that answer a request, and whether the channel stays open."""
        self.pending = []
        try:
            if kind == CLOSE:
                self.close()
                return frame(self.number, request, DONE, DONE_WITHOUT_COUNT), False
            done = self.act(request, kind, payload)
            self.failed = False
            self.pending.append(done)
            return b"".join(self.pending), True
        except BaseException as error:
            self.failed = True
            found = failure(self.driver, error)
            stays = kind != OPEN and found.origin != UNKNOWN
            found.closed = found.closed or not stays
            self.pending.append(frame(self.number, request, FAILED, found.payload()))
            if not stays:
                self.close()
            return b"".join(self.pending), stays

    def close(self):
        """Closes the connection, whatever that gives."""
        try:
            if self.driver is not None and self.driver.connection is not None:
                self.driver.close()
        except BaseException:
            pass

    def act(self, request, kind, payload):
        """Does what a request says, and returns its final answer."""
        if kind == OPEN:
            return frame(self.number, request, OPENED, packed_pairs(self.open(payload)))
        if self.driver is None or self.driver.connection is None:
            raise Refused("protocol", "the channel {} has no connection".format(self.number))
        if kind == RUN:
            return self.run(request, payload)
        if kind in (COMMIT, ROLLBACK):
            self.heed_skip(payload.number("B"))
            if kind == COMMIT:
                self.driver.commit()
            else:
                self.driver.rollback()
        elif kind == BEGIN:
            isolation, read_only = payload.number("B"), payload.number("B")
            self.driver.begin(isolation, read_only != 0, payload.str(), payload.str())
        elif kind == PING:
            self.driver.ping()
            self.driver.settled(True)
        else:
            raise Refused("protocol", "the kind {} is unknown".format(kind))
        return frame(self.number, request, DONE, DONE_WITHOUT_COUNT)

    def heed_skip(self, flags):
        """Raises if the request is to be skipped."""
        if flags & FLAG_SKIP and self.failed:
            raise Failure(SKIPPED, "", "skipped, because the request before it failed")

    def open(self, payload):
        """Opens the connection and returns what the driver says of itself."""
        if self.driver is not None:
            raise Refused("protocol", "the channel {} is open already".format(self.number))
        module, arguments, keywords, duplicate = None, [], {}, False
        for name, value in payload.pairs():
            if name == "module":
                module = value
            elif name == "argument":
                arguments.append(read_json(name, value))
            elif name == "keyword":
                keyword, _, text = value.partition("=")
                keywords[keyword] = read_json(keyword, text)
            elif name == "duplicate":
                duplicate = value == "1"
            else:
                raise Refused("protocol", "OPEN has the unknown name {}".format(name))
        if module is None:
            raise Refused("protocol", "OPEN names no module")
        self.driver = load(module)
        try:
            self.driver.connect(arguments, keywords, duplicate)
        except TypeError as error:
            # Arguments that `connect` does not take; what a driver does later is another matter.
            if error.__traceback__.tb_next is not None and depth(error.__traceback__) > 2:
                raise
            raise Refused("bad-arguments", "{}.connect does not take these arguments: {}".format(module, error))
        return self.driver.about()

    def run(self, request, payload):
        """Runs a statement, sends its rows, and returns the final answer."""
        flags = payload.number("B")
        credits = payload.number("I")
        sql = payload.str()
        parameters = [read_parameter(payload) for _ in range(payload.number("H"))]
        self.heed_skip(flags)
        with self.changed:
            self.credits += credits
        worked = False
        try:
            result = self.driver.run(sql, parameters, bool(flags & FLAG_PLAIN), bool(flags & FLAG_KEY))
            try:
                self.send_results(request, result, bool(flags & FLAG_ROWS))
                count, key = result.done()
            finally:
                result.close()
            worked = True
        finally:
            self.settle(worked)
        mark = b"\0" if key is None or not isinstance(key, int) else struct.pack(">Bq", 1, key)
        return frame(self.number, request, DONE, struct.pack(">q", count) + mark)

    def settle(self, worked):
        """Ends what the module has begun by itself. After an error the first error is the one to be told."""
        try:
            self.driver.settled(worked)
        except BaseException:
            if worked:
                raise

    def send_results(self, request, result, wanted):
        """Sends the result sets of a statement."""
        while True:
            if result.columns is not None:
                if wanted:
                    self.pending.append(frame(self.number, request, COLUMNS, packed_columns(result.columns)))
                self.send_rows(request, result, wanted)
            if not result.next():
                return

    def send_rows(self, request, result, wanted):
        """Sends the rows of a result set in batches, as far as there are credits."""
        fetch = result.fetch
        pack = result.packer.row
        rows, size, asked = [], 0, 16
        while True:
            fetched = fetch(asked)
            if not fetched:
                break
            if not wanted or self.cancelled:
                rows, size, asked = [], 0, MOST_ROWS
                continue
            before, count = size, len(fetched)
            for row in fetched:
                data = pack(row)
                rows.append(data)
                size += len(data)
                if size >= BATCH:
                    self.send_batch(request, rows)
                    before -= size
                    rows, size = [], 0
            asked = max(1, min(MOST_ROWS, BATCH * count // max(1, size - before)))
        if rows and not self.cancelled:
            self.send_batch(request, rows)

    def send_batch(self, request, rows):
        """Sends a batch when there is a credit for it. Nothing is sent once the request is cancelled."""
        if self.credits <= 0:
            self.flush()
            with self.changed:
                while self.credits <= 0 and not self.cancelled:
                    self.changed.wait()
        with self.changed:
            if self.cancelled:
                return
            self.credits -= 1
        self.pending.append(frame(self.number, request, ROWS, struct.pack(">I", len(rows)) + b"".join(rows)))
        if len(rows) > 1 and len(self.pending[-1]) >= BATCH:
            self.flush()

    def flush(self):
        """Writes what has been answered so far."""
        if self.pending:
            self.output.write(b"".join(self.pending))
            self.pending = []


DONE_WITHOUT_COUNT = struct.pack(">qB", -1, 0)


def depth(trace):
    """Returns the number of frames of a traceback."""
    number = 0
    while trace is not None:
        number += 1
        trace = trace.tb_next
    return number


def read_json(name, text):
    """Returns the value of an argument."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused("bad-arguments", "the argument {} is not JSON: {}".format(name, error))


def packed_columns(columns):
    """Returns the payload of COLUMNS."""
    described = [packed_str(name) + packed_str(kind) + struct.pack("B", flags) for name, kind, flags in columns]
    return struct.pack(">H", len(columns)) + b"".join(described)


# The process

SimpleQueue = getattr(queue, "SimpleQueue", queue.Queue)


class Output:
    """The pipe to the library. It ends the process when nobody reads it any more."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.lock = threading.Lock()
        self.channels = {}

    def forget(self, number):
        """Forgets a channel that has ended."""
        self.channels.pop(number, None)

    def write(self, data):
        """Writes bytes as a whole."""
        with self.lock:
            try:
                written = os.write(self.descriptor, data)
                while written < len(data):
                    data = memoryview(data)[written:]
                    written = os.write(self.descriptor, data)
            except OSError:
                os._exit(0)


class Input:
    """The pipe from the library. Its end is the end of the process."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.held = b""

    def read(self, length):
        """Returns as many bytes."""
        if len(self.held) < length:
            parts = [self.held]
            missing = length - len(self.held)
            while missing > 0:
                part = os.read(self.descriptor, max(missing, 1 << 16))
                if not part:
                    os._exit(0)
                parts.append(part)
                missing -= len(part)
            self.held = b"".join(parts)
        taken, self.held = self.held[:length], self.held[length:]
        return taken

    def frame(self):
        """Returns channel, request, kind and payload of the next frame."""
        length, channel, request, kind = struct.unpack(">IIIB", self.read(13))
        if not 9 <= length <= LONGEST_FRAME:
            os._exit(2)
        return channel, request, kind, Payload(self.read(length - 9))


def serve(source, output):
    """Reads requests and hands them to their channels, until the input ends."""
    channels = output.channels
    while True:
        number, request, kind, payload = source.frame()
        if number == 0:
            output.write(answer_process(request, kind, payload))
            continue
        channel = channels.get(number)
        if channel is None and kind == OPEN:
            channel = channels[number] = Channel(number, output)
        if channel is None:
            if kind not in (MORE, CANCEL):
                output.write(answer_nobody(number, request, kind))
        elif kind == MORE:
            channel.more(request, payload)
        elif kind == CANCEL:
            channel.cancel(request)
        else:
            channel.requests.put((request, kind, payload))


def answer_process(request, kind, payload):
    """Returns the answer to a request of the process itself."""
    try:
        if kind != HELLO:
            raise Refused("protocol", "the kind {} is unknown on channel 0".format(kind))
        version = payload.number("H")
        if version != VERSION:
            raise Refused("protocol", "the library speaks version {} of the protocol, the worker {}".format(version, VERSION))
    except Refused as error:
        return frame(0, request, FAILED, failure(None, error).payload())
    pairs = [
        ("runtime", platform.python_implementation()),
        ("version", platform.python_version()),
        ("executable", sys.executable or ""),
        ("process", str(os.getpid())),
    ]
    return frame(0, request, WELCOME, struct.pack(">H", VERSION) + packed_pairs(pairs))


def answer_nobody(number, request, kind):
    """Returns the answer to a request of a channel that is not open."""
    if kind == CLOSE:
        return frame(number, request, DONE, DONE_WITHOUT_COUNT)
    error = Failure(SIDECARS_OWN, "protocol", "the channel {} is not open".format(number), closed=True)
    return frame(number, request, FAILED, error.payload())


def take_pipes():
    """Keeps the two pipes for the protocol, so that modules may print and read without harm."""
    source, output = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout = sys.stderr
    return Input(source), Output(output)


def main():
    """Serves the library that started this process."""
    # An interrupt of the terminal is the program's to handle; its end is ours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Two threads take turns at each statement. The default of 5 ms would make one wait for the other's Python code.
    sys.setswitchinterval(0.0005)
    source, output = take_pipes()
    try:
        serve(source, output)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
