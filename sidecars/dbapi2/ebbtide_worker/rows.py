"""Rows as bytes of the protocol: values by their Python types, or by functions of their columns."""

import collections
import struct

from .frames import ARRAY, JSON
from .fused import fused
from .values import Lossy, PACKERS, json_text, pack_null, packed_text, unreadable

# The most rows that are asked for at a time, and the most functions for rows of different types that are kept.
MOST_ROWS = 1024
MOST_FUNCTIONS = 64


class Packer:
    """Packs values by their Python types. `packers` replaces functions of PACKERS."""

    def __init__(self, packers=None):
        self.packers = collections.OrderedDict(PACKERS)
        self.packers.update(packers or {})
        for container in (list, tuple):
            self.packers.setdefault(container, self.array)
        self.packers.setdefault(dict, self.document)
        self.functions = {}

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
        kinds = tuple(map(type, values))
        try:
            function = self.functions.get(kinds)
            if function is None:
                # Few are kept: a column of SQLite may hold any type.
                if len(self.functions) >= MOST_FUNCTIONS:
                    self.functions.clear()
                function = self.functions[kinds] = self.function(kinds)
            return function(values)
        except Exception:
            return self.guarded(values)

    def guarded(self, values):
        """Returns the bytes of a row, value by value."""
        return b"".join(map(self.cell, values))

    def function(self, kinds):
        """Returns a new function for rows of these types."""
        return fused([self.packers[kind] for kind in kinds], kinds)


class ColumnPacker(Packer):
    """Packs values by functions of their columns; None stands for the Python type."""

    shared = {}

    def __init__(self, columns, packers=None):
        super().__init__(packers)
        self.columns = columns
        # Statements whose columns are packed alike share their functions.
        if len(self.shared) >= MOST_FUNCTIONS:
            self.shared.clear()
        self.functions = self.shared.setdefault((tuple(columns), frozenset((packers or {}).items())), {})

    def guarded(self, values):
        return b"".join(map(self.column, self.columns, values))

    def function(self, kinds):
        pairs = zip(self.columns, kinds)
        return fused([pack_null if kind is type(None) else column or self.packers[kind] for column, kind in pairs], kinds)

    def column(self, packer, value):
        """Returns the bytes of a value of a column, or of the reason why it cannot be read."""
        if value is None:
            return b"\0"
        if packer is None:
            return self.cell(value)
        try:
            return packer(value)
        except Exception as error:
            return unreadable(str(error) or type(error).__name__)
