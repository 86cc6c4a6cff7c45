"""The modules of MySQL and MariaDB."""

import datetime
import importlib

from .columns import WHOLE
from .frames import BYTES, Refused
from .mysql import MySql, PlainDecimal, mysql_parameter
from .parameters import clock_text
from .rows import Packer
from .shutdown import shutdown
from .values import PACKERS, pack_bytes, pack_server_text, pack_str, pack_text


# A flag of the status that the server tells: a backslash in a text is a plain character.
NO_BACKSLASH_ESCAPES = 1 << 9


def asks_for_encryption(keywords):
    """Returns whether the keywords of PyMySQL ask for more than encryption if the server has it."""
    if keywords.get("ssl_disabled"):
        return False
    return bool(keywords.get("ssl")) or any(keywords.get("ssl_" + name) for name in ("ca", "verify_cert", "verify_identity"))


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
        keywords["defer_connect"] = True
        self.connection = self.module.connect(*arguments, **keywords)
        encrypts = asks_for_encryption(keywords)
        if encrypts and not getattr(self.connection, "_ssl_required", False):
            raise Refused("unsupported", "this version of PyMySQL goes on without encryption if the server has none; it needs 1.2")
        self.connection.connect()
        if encrypts and not self.connection._secure:
            self.connection.close()
            raise Refused("unsupported", "the server does not encrypt connections")
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
        encoders[PlainDecimal] = encoders[HexLiteral] = lambda value, _: str(value)
        cursors = importlib.import_module("MySQLdb.cursors")
        found_rows = importlib.import_module("MySQLdb.constants.CLIENT").FOUND_ROWS
        keywords = dict(keywords, conv=encoders, cursorclass=cursors.SSCursor)
        keywords.setdefault("charset", "utf8mb4")
        keywords["client_flag"] = keywords.get("client_flag", 0) | found_rows
        self.connection = self.module.connect(*arguments, **keywords)
        self.connection.autocommit(True)
        self.prepare_session()

    @staticmethod
    def parameter(tag, value):
        # The module decodes the names of columns, in which its own literal would put the bytes.
        return HexLiteral(value) if tag == BYTES else mysql_parameter(tag, value)

    def fields(self, cursor, description):
        # The module does not tell the charset; it gives bytes for what is binary.
        rows = zip(description, cursor.description_flags)
        return [(column[0], column[1], flags, 0, column[3] or 0) for column, flags in rows]

    @staticmethod
    def adapted(packer):
        return pack_by_type if packer is pack_text else packer


def pack_by_type(value):
    """Packs text or bytes, as the module gives them."""
    return pack_bytes(value) if isinstance(value, bytes) else pack_str(value)


WHOLE[pack_by_type] = lambda kind, values: WHOLE[PACKERS[kind]](kind, values)


class HexLiteral:
    """Bytes that are written with hexadecimal digits."""

    def __init__(self, data):
        self.data = data

    def __str__(self):
        return "X'" + self.data.hex() + "'"


def connector_converter(driver):
    """Returns a class of converters that writes bytes, floats and decimals as literals of their own types."""
    base = importlib.import_module("mysql.connector.conversion").MySQLConverter

    class Literal(bytes):
        """A literal that is ready for the text."""

    class Converter(base):
        """Leaves everything else to the module."""

        def to_mysql(self, value):
            if isinstance(value, (bytes, bytearray)):
                return Literal(b"X'" + value.hex().encode() + b"'")
            if isinstance(value, float):
                text = repr(value)
                return Literal((text if "e" in text else text + "e0").encode())
            if isinstance(value, PlainDecimal):
                return Literal(str(value).encode())
            return super().to_mysql(value)

        def escape(self, value, sql_mode=None):
            # The module asks for the mode once, and the session may change it.
            mode = "NO_BACKSLASH_ESCAPES" if driver.status() & NO_BACKSLASH_ESCAPES else ""
            return value if isinstance(value, Literal) else super().escape(value, mode)

        def quote(self, value):
            return value if isinstance(value, Literal) else super().quote(value)

    return Converter


class MySqlConnector(MySql):
    """mysql.connector, with a raw cursor: its others lose signs of times and turn zero dates into NULL."""

    stream = "1"

    def known_keywords(self):
        constants = importlib.import_module("mysql.connector.constants")
        others = {"connect_timeout", "db", "failover", "option_files", "option_groups", "passwd", "read_default_file", "username"}
        return {*constants.DEFAULT_CONFIGURATION, *constants.CNX_POOL_ARGS, *others}

    def connect(self, arguments, keywords, duplicate):
        flags = importlib.import_module("mysql.connector.constants").ClientFlag
        # Only the part that is written in Python has a socket that another thread can end.
        keywords = dict(keywords, autocommit=True)
        keywords.setdefault("use_pure", True)
        self.pure = keywords["use_pure"]
        self.raw_cursor = importlib.import_module("mysql.connector.cursor").MySQLCursorRaw
        if not keywords.get("client_flags"):
            keywords["client_flags"] = [flags.FOUND_ROWS]
        keywords["converter_class"] = connector_converter(self)
        self.connection = self.module.connect(*arguments, **keywords)
        if self.pure:
            self.keep_status()
        self.prepare_session()

    def keep_status(self):
        """Keeps the status that the server tells with each answer, of which the part in Python keeps nothing."""
        self.told = 0
        handle = self.connection._handle_server_status

        def keep(flags):
            self.told = flags
            handle(flags)

        self.connection._handle_server_status = keep

    def status(self):
        """Returns the flags that the server told last."""
        return self.told if self.pure else self.connection._server_status or 0

    def cursor(self):
        # The method `cursor` of a connection pings the server first, each time.
        return self.raw_cursor(self.connection) if self.pure else self.connection.cursor(raw=True)

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

    def is_closed(self, error):
        # It has no number for a connection that was found closed.
        return super().is_closed(error) or (self.code(error) == -1 and not self.connection.is_connected())


def pack_clock(value):
    """Packs a TIME, which has a sign and may be longer than a day."""
    microseconds = (value.days * 86400 + value.seconds) * 10**6 + value.microseconds
    return pack_server_text(clock_text(microseconds))


class MariaDb(MySql):
    """The module mariadb, which reads values as Python's objects. A date of zeros is None there, as NULL is."""

    types = Packer({datetime.timedelta: pack_clock})

    def connect(self, arguments, keywords, duplicate):
        found_rows = importlib.import_module("mariadb.constants.CLIENT").FOUND_ROWS
        keywords = dict(keywords, client_flag=keywords.get("client_flag", 0) | found_rows)
        self.connection = self.module.connect(*arguments, **keywords)
        self.connection.autocommit = True
        self.prepare_session()

    def fields(self, cursor, description):
        found = cursor.metadata
        return list(zip(found["field"], found["type"], found["flags"], found["charset"], found["length"]))

    @staticmethod
    def adapted(packer):
        return {pack_server_text: None, pack_text: pack_str}.get(packer, packer)

    def open_transaction(self):
        return bool(self.connection.server_status & 1)

    def message(self, error):
        return str(error)

    def code(self, error):
        return getattr(error, "errno", 0) or 0

    def is_closed(self, error):
        return not self.connection.open or super().is_closed(error)
