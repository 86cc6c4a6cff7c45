"""Failures: what an exception is to the library."""

import re
import struct

from .frames import DRIVERS_OWN, Refused, SIDECARS_OWN, UNKNOWN, packed_pairs, packed_str


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
        return Failure(SIDECARS_OWN, error.word, str(error), reasons=error.causes, details=error.details)
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
