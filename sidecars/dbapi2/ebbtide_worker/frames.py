"""Frames: their kinds, the tags of values, and how fields are read and written."""

import struct

VERSION = 1
LONGEST_FRAME = 1 << 30
HELLO, OPEN, RUN, BEGIN, COMMIT, ROLLBACK, PING, MORE, CANCEL, CLOSE = range(1, 11)
WELCOME, OPENED, COLUMNS, ROWS, DONE, FAILED, BLOCK = range(129, 136)
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
    CALENDAR,
) = range(23)
# Forms of columns of a BLOCK beside the tags of values: each value has a tag; or a byte for each row says if it is there.
MIXED, NULLABLE = 127, 128


class Refused(Exception):
    """An error of the sidecar itself: its word, its message, causes, and pairs of details."""

    def __init__(self, word, message, causes=(), details=()):
        super().__init__(message)
        self.word = word
        self.causes = list(causes)
        self.details = list(details)


NUMBERS = {form: (struct.Struct(">" + form).unpack_from, struct.calcsize(form)) for form in "BHIQbhiqfd"}


class Payload:
    """Reads the fields of a payload in order."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, length):
        """Returns the next bytes."""
        end = self.at + length
        if end > len(self.data):
            raise self.cut()
        taken = self.data[self.at : end]
        self.at = end
        return taken

    @staticmethod
    def cut():
        """Returns the error of a field that is not there."""
        return Refused("protocol", "a frame ended in the middle of a field")

    def number(self, form):
        """Returns the next number, whose form is one of the module struct."""
        unpack, size = NUMBERS[form]
        end = self.at + size
        if end > len(self.data):
            raise self.cut()
        (number,) = unpack(self.data, self.at)
        self.at = end
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


pack_length = struct.Struct(">I").pack
pack_head = struct.Struct(">IIIB").pack


def packed_str(text):
    """Returns the bytes of a text field. What UTF-8 cannot say is replaced by question marks."""
    data = text.encode("utf-8", "replace")
    return pack_length(len(data)) + data


def packed_pairs(pairs):
    """Returns the bytes of a field of pairs."""
    return struct.pack(">H", len(pairs)) + b"".join(packed_str(name) + packed_str(value) for name, value in pairs)


def frame(channel, request, kind, payload=b""):
    """Returns the bytes of a frame."""
    return pack_head(len(payload) + 9, channel, request, kind) + payload
