"""What the modules of PostgreSQL have in common."""

from .frames import (
    ARRAY, BOOL, BYTES, DECIMAL, DOUBLE, FLOAT, INTEGER, INTERVAL, MIDDLE_INTEGER, Refused, SERVER_TEXT, SMALL_INTEGER,
)  # fmt: skip
from .parameters import interval_text
from .rows import ColumnPacker
from .text_driver import TextDriver
from .values import pack_bytes, pack_server_text


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
    text = str(value)
    if "\0" in text:
        # libpq would send what stands before it.
        raise Refused("bad-arguments", "a text has a NUL, which PostgreSQL's types cannot hold; bind bytes instead")
    return text


def array_item(tag, value):
    """Returns an item of an array literal of PostgreSQL."""
    if value is None:
        return "NULL"
    text = postgres_text(tag, value)
    if tag == ARRAY:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Types of parameters that PostgreSQL is told. It decides all others by itself, so that text may be an enum or a date.
POSTGRES_TYPES = {
    BOOL: 16,
    BYTES: 17,
    INTEGER: 20,
    SMALL_INTEGER: 21,
    MIDDLE_INTEGER: 23,
    FLOAT: 700,
    DOUBLE: 701,
    DECIMAL: 1700,
}


def pack_bytea(value):
    """Packs the text form of a bytea of PostgreSQL."""
    text = value if isinstance(value, str) else value.decode("ascii")
    return pack_bytes(bytes.fromhex(text[2:])) if text.startswith("\\x") else pack_server_text(value)


def postgres_packer(names):
    """Returns what packs rows whose values are the server's own text, which it has checked to be UTF-8."""
    return ColumnPacker([pack_bytea if name == "bytea" else pack_server_text for name in names])


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
        return [(title, name, 0) for title, name in zip(titles, names)], postgres_packer(names)

    def message(self, error):
        diag = getattr(error, "diag", None)
        return getattr(diag, "message_primary", None) or str(error)

    def ping(self):
        self.execute("SELECT 1")

    def cancelling(self):
        return "1"


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
