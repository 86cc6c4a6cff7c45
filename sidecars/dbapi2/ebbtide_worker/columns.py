"""Columns of one type as bytes of the protocol, all values at once: a call for each value costs most."""

import datetime
import itertools
import operator
import struct

from .frames import (
    BOOL, BYTES, CALENDAR, DATE, DECIMAL, DOUBLE, INTEGER, MIXED, NULLABLE, SERVER_TEXT, TEXT, TIME, UUID,
)  # fmt: skip
from .values import (
    Lossy, pack_bool, pack_bytes, pack_date, pack_datetime, pack_decimal, pack_float, pack_int, pack_memory,
    pack_server_text, pack_str, pack_text, pack_time, pack_utf8, pack_uuid,
)  # fmt: skip

FORM = struct.Struct("B").pack


def numbers(tag, form, values):
    """Returns the bytes of a column of numbers, whose form is one of the module struct."""
    return struct.pack(">B{}{}".format(len(values), form), tag, *values)


def long(tag, data, lengths):
    """Returns the bytes of a column of values that have lengths: their ends, and what they are when joined."""
    return numbers(tag, "I", tuple(itertools.accumulate(lengths))) + data


def texts(tag, values):
    """Returns the bytes of a column of text."""
    text = "".join(values)
    data = text.encode()
    if len(data) == len(text):
        return long(tag, data, map(len, values))
    return long(tag, data, [len(value.encode()) for value in values])


def joined(kind, values):
    """Returns bytes one after the other. Raises if they are of another type: a memoryview has as many items as it likes."""
    if kind not in (bytes, bytearray):
        raise Lossy("the values are no bytes")
    return b"".join(values)


def str_column(kind, values):
    """Packs a column of text. Raises if it is of anything else, even of bytes that look like text."""
    if kind is not str:
        raise Lossy("the values are no text")
    return texts(TEXT, values)


def text_column(tag):
    """Returns what packs a column of text, or of bytes that should be text."""

    def column(kind, values):
        if kind is str:
            return texts(tag, values)
        data = joined(kind, values)
        if len(data.decode()) != len(data):
            # The end of one value and the beginning of the next may look like a letter.
            for value in values:
                value.decode()
        return long(tag, data, map(len, values))

    return column


def bytes_column(kind, values):
    return long(BYTES, joined(kind, values), map(len, values))


def calendar_column(kind, values):
    """Packs a column of datetimes; see `pack_datetime`. Raises if one has a zone, which would be behind the ten bytes."""
    states = map(operator.itemgetter(1), map(datetime.datetime.__reduce__, values))
    return FORM(CALENDAR) + b"".join(itertools.chain.from_iterable(states))


def as_text(tag, text):
    """Returns what packs a column of objects by their text."""
    return lambda kind, values: texts(tag, list(map(text, values)))


# By the function that packs a value: what packs a column of values of one type.
WHOLE = {
    pack_bool: lambda kind, values: FORM(BOOL) + bytes(values),
    pack_int: lambda kind, values: numbers(INTEGER, "q", values),
    pack_float: lambda kind, values: numbers(DOUBLE, "d", values),
    pack_str: str_column,
    pack_text: text_column(TEXT),
    pack_utf8: text_column(TEXT),
    pack_server_text: text_column(SERVER_TEXT),
    pack_bytes: bytes_column,
    pack_datetime: calendar_column,
    pack_date: as_text(DATE, operator.methodcaller("isoformat")),
    pack_time: as_text(TIME, operator.methodcaller("isoformat")),
    pack_uuid: as_text(UUID, str),
    pack_decimal: as_text(DECIMAL, "{:f}".format),
}
