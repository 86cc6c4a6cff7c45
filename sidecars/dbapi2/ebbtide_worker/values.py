"""Values of rows as bytes of the protocol, by their Python types."""

import collections
import datetime
import decimal
import json
import struct
import uuid

from .frames import (
    BYTES, CALENDAR, DATE, DECIMAL, DOUBLE, INTEGER, INTERVAL, SERVER_TEXT, TEXT, TIME, TIMESTAMP, UNREADABLE, UNSIGNED_INTEGER, UUID,
)  # fmt: skip


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


def pack_text(value):
    """Packs text, or bytes that should be text."""
    return pack_str(value) if isinstance(value, str) else pack_utf8(value)


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
    if value.tzinfo is not None:
        return packed_text(TIMESTAMP, value.isoformat(" ").encode())
    # The ten bytes are those in which Python keeps one.
    return struct.pack("B", CALENDAR) + value.__reduce__()[1][0]


def pack_timedelta(value):
    microseconds = value.seconds * 10**6 + value.microseconds
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


def pack_server_text(value):
    """Packs the server's own text of a value."""
    data = value.encode("utf-8") if isinstance(value, str) else checked_utf8(value)
    return packed_text(SERVER_TEXT, data)
