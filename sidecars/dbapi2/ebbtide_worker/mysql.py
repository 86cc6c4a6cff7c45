"""What the modules of MySQL and MariaDB have in common."""

import datetime
import decimal
import struct

from .columns import WHOLE, bytes_column, text_column
from .frames import ARRAY, BOOLEAN, DECIMAL, INTERVAL, JSON, Refused, TIMESTAMP, UNSIGNED, UNSIGNED_INTEGER
from .parameters import clock_text, dated
from .rows import ColumnPacker, Packer
from .text_driver import TextDriver
from .values import Lossy, checked_utf8, pack_bytes, pack_server_text, pack_text, packed_text


class PlainDecimal(decimal.Decimal):
    """A decimal that never writes itself with an exponent, which MySQL would read as a double."""

    def __str__(self):
        return format(decimal.Decimal(self), "f")

    __repr__ = __str__


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
        return clock_text(days * 86400 * 10**6 + microseconds)
    if tag == ARRAY:
        raise Refused("bad-arguments", "MySQL has no arrays; bind JSON instead")
    return value


class MySql(TextDriver):
    """What the modules of MySQL and MariaDB have in common: values are the server's text, with the names of their types."""

    quote = "`"
    ddl = "commits"
    levels = "1,2,3,4"
    parameter = staticmethod(mysql_parameter)
    lost = (2006, 2013, 2055, 4031)
    types = Packer()

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
            packers.append(self.adapted(packer))
        return columns, ColumnPacker(packers, self.types)

    @staticmethod
    def adapted(packer):
        """Returns what packs the values that the module gives, for what packs the server's text."""
        return packer

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
            return ("ENUM" if flags & MYSQL_ENUM else "SET"), pack_text
        return name.replace("BLOB", "TEXT"), pack_text
    if kind == 16:
        return name, pack_bits
    if kind == 245:
        return name, pack_json
    if kind in (242, 255):
        return name, pack_raw
    unsigned = flags & MYSQL_UNSIGNED and (kind in MYSQL_INTEGERS or kind in (4, 5))
    return name + (" UNSIGNED" if unsigned else ""), pack_rounded if kind == 4 else pack_server_text


def pack_raw(value):
    """Packs bytes of MySQL, also where the module has taken them for text."""
    return pack_bytes(value.encode("utf-8") if isinstance(value, str) else bytes(value))


def pack_rounded(value):
    """Packs a FLOAT. The server's text has six digits of it, of which the value cannot be told."""
    if float(value):
        raise Lossy("the server writes a FLOAT with six digits only; cast it in the statement: CAST(… AS DOUBLE)")
    return pack_server_text(value if isinstance(value, (str, bytes, bytearray)) else "0")


def pack_bits(value):
    """Packs a BIT of MySQL as an unsigned integer."""
    return struct.pack(">BQ", UNSIGNED_INTEGER, int.from_bytes(value, "big"))


def pack_json(value):
    """Packs the text of a JSON document."""
    return packed_text(JSON, checked_utf8(value.encode("utf-8") if isinstance(value, str) else value))


WHOLE[pack_json] = text_column(JSON)
WHOLE[pack_raw] = bytes_column
