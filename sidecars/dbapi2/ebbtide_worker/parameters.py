"""Parameters: read as pairs of a tag and a plain value, then changed to what a driver takes without loss."""

import datetime
import decimal
import re
import struct

from .frames import (
    ARRAY, BOOL, BYTES, DATE, DATETIME, DECIMAL, DOUBLE, FLOAT, INET, INTEGER, INTERVAL, JSON, MIDDLE_INTEGER, NULL,
    Refused, SERVER_TEXT, SMALL_INTEGER, TEXT, TIME, TIMESTAMP, UNSIGNED_INTEGER, UUID,
)  # fmt: skip


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
        time = [int(parts["hour"]), int(parts["minute"]), int(parts["second"] or 0)]
        time.append(int((parts["fraction"] or "").ljust(6, "0")))
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


def clock_text(microseconds):
    """Returns `-838:59:59.000001` for a number of microseconds."""
    seconds, fraction = divmod(abs(microseconds), 10**6)
    sign = "-" if microseconds < 0 else ""
    return "{}{:02}:{:02}:{:02}.{:06}".format(sign, seconds // 3600, seconds // 60 % 60, seconds % 60, fraction)


def interval_text(value):
    """Returns an interval in words that PostgreSQL and DuckDB read."""
    months, days, microseconds = value
    return "{} months {} days {}".format(months, days, clock_text(microseconds))
