"""Rows as bytes of the protocol: values by their Python types, or by functions of their columns."""

import collections
import datetime
import decimal
import itertools
import operator
import struct
import uuid

from .columns import WHOLE
from .frames import ARRAY, BLOCK, JSON, MIXED, NULLABLE, ROWS
from .values import Lossy, PACKERS, json_text, packed_text, unreadable

# The rows that are asked for at first, and at most: with more of them the processor's cache does not hold all. The most of
# a frame.
FIRST_ROWS, MOST_ROWS, MOST_OF_FRAME = 16, 512, 16384
# So few rows are packed value by value.
FEW_ROWS = 4
# What stands in a column for NULL, whose byte says that it is not there.
FILLERS = {
    datetime.datetime: datetime.datetime(1970, 1, 1),
    datetime.date: datetime.date(1970, 1, 1),
    datetime.time: datetime.time(),
    uuid.UUID: uuid.UUID(int=0),
}
FILLERS.update((kind, kind()) for kind in (bool, int, float, str, bytes, bytearray, decimal.Decimal))


class HeldRows:
    """Rows that wait for their frame, as columns."""

    def __init__(self, columns=(), count=0):
        self.columns = columns
        self.count = count
        # About how many bytes were added.
        self.length = 0

    def add(self, rows):
        """Adds rows."""
        columns = list(zip(*rows))
        self.length += sum(map(length_of, columns))
        if not self.count:
            self.columns = list(map(list, columns))
        else:
            for column, values in zip(self.columns, columns):
                column.extend(values)
        self.count += len(rows)

    def halves(self):
        """Returns the first half, and the rest."""
        middle = self.count // 2
        return [
            HeldRows([column[:middle] for column in self.columns], middle),
            HeldRows([column[middle:] for column in self.columns], self.count - middle),
        ]


def written(value):
    """Returns the length of what a value is written as, 0 if it cannot be written."""
    try:
        return len(repr(value))
    except Exception:
        return 0


# By type, what tells about how many bytes a value of any length has.
LENGTHS = {str: len, bytes: len, bytearray: len, memoryview: operator.attrgetter("nbytes"), list: written, tuple: written, dict: written}


def length_of(values):
    """Returns about how many bytes values have, at little cost: those of numbers and the like do not count."""
    # Every seventh tells the types: no order of rows that is likely repeats so.
    kinds = set(map(type, values[::7])) - {type(None)}
    if kinds.isdisjoint(LENGTHS):
        return 0
    try:
        (kind,) = kinds
        return sum(map(LENGTHS[kind], filter(None, values)))
    except Exception:
        # They are of several types.
        return sum([LENGTHS[type(value)](value) for value in values if type(value) in LENGTHS])


def rows_of(size, count, bytes_of_count):
    """Returns the number of rows that take a size, if so many take so many bytes."""
    return max(1, min(MOST_OF_FRAME, size * count // bytes_of_count))


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

    def cell(self, own, value):
        """Returns the bytes of a value, or of the reason why it cannot be read. `own` is the function of its column."""
        if value is None:
            return b"\0"
        try:
            return (own or self.packers.get(type(value)) or self.inherited(value))(value)
        except Exception as error:
            return unreadable(str(error) or type(error).__name__)

    def functions(self):
        """Returns the function of each column, None for one that is packed by the types of its values."""
        return itertools.repeat(None)

    def packed(self, held):
        """Returns the kind and the payload of a frame with rows."""
        count = struct.pack(">I", held.count)
        if held.count < FEW_ROWS:
            cells = [map(self.cell, self.functions(), row) for row in zip(*held.columns)]
            return ROWS, count + b"".join(itertools.chain.from_iterable(cells))
        return BLOCK, count + b"".join(map(self.column, self.functions(), held.columns))

    def column(self, own, values):
        """Returns the bytes of a column: all values at once, or one by one."""
        for way in (self.alike, self.nullable):
            try:
                return way(own, values)
            except Exception:
                pass
        return struct.pack("B", MIXED) + b"".join([self.cell(own, value) for value in values])

    def alike(self, own, values):
        """Returns the bytes of a column whose values are of one type. Raises if they are not."""
        kind = type(values[0])
        # Texts are joined, which nothing else can be.
        if kind is not str and len(set(map(type, values))) > 1:
            raise Lossy("the values are of more than one type")
        return WHOLE[own or self.packers[kind]](kind, values)

    def nullable(self, own, values):
        """Returns the bytes of a column whose values are NULL or of one type. Raises if they are not."""
        (kind,) = set(map(type, values)) - {type(None)}
        there = bytes(map(operator.is_not, values, itertools.repeat(None)))
        filler = FILLERS[kind]
        packed = self.alike(own, [filler if value is None else value for value in values])
        return struct.pack("B", packed[0] | NULLABLE) + there + packed[1:]


class ColumnPacker(Packer):
    """Packs values by functions of their columns; None stands for the Python type, as the packer `types` knows it."""

    def __init__(self, columns, types=Packer()):
        self.packers = types.packers
        self.columns = columns

    def functions(self):
        return self.columns
