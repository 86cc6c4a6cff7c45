"""A client of the frame protocol of docs/SIDECARS.md, for the tests of the worker and for measurements."""

import collections
import datetime
import os
import queue
import struct
import subprocess
import threading

from ebbtide_worker.frames import (
    ARRAY, BEGIN, BLOCK, BOOL, BYTES, CALENDAR, CANCEL, CLOSE, COLUMNS, COMMIT, DATETIME, DONE, DOUBLE, FAILED, FLAG_ROWS,
    FLOAT, HELLO, INTEGER, INTERVAL, MIXED, MORE, NULL, NULLABLE, OPEN, OPENED, PING, ROLLBACK, ROWS, RUN, UNREADABLE,
    UNSIGNED_INTEGER, Payload, packed_pairs, packed_str,
)  # fmt: skip
from ebbtide_worker.parameters import NUMBER_FORMS

HERE = os.path.dirname(os.path.abspath(__file__))
START = "import sys; sys.path.insert(0, sys.argv[1]); from ebbtide_worker.process import main; main()"
LIMIT = 30
WIDTHS = {BOOL: 1, INTEGER: 8, UNSIGNED_INTEGER: 8, FLOAT: 4, DOUBLE: 8, CALENDAR: 10, INTERVAL: 16}

Column = collections.namedtuple("Column", "name type flags")
Unreadable = collections.namedtuple("Unreadable", "reason")
# A value whose tag matters: `Tagged(UUID, "…")` as a parameter; rows hold pairs of tag and value.
Tagged = collections.namedtuple("Tagged", "tag value")


class Failed(Exception):
    """A FAILED answer."""

    def __init__(self, payload):
        self.origin = payload.number("B")
        self.closed = bool(payload.number("B") & 1)
        self.kind = payload.str()
        self.sqlstate = payload.str()
        self.code = payload.number("q")
        self.message = payload.str()
        self.causes = [payload.str() for _ in range(payload.number("H"))]
        self.details = dict(payload.pairs())
        super().__init__("{} {}: {} {}".format(self.origin, self.kind, self.message, self.causes))


class Done:
    """What a statement gave."""

    def __init__(self):
        self.columns = None
        self.sets = []
        self.batches = 0
        self.count = None
        self.key = None

    @property
    def rows(self):
        """Returns the values of the last result set, without their tags."""
        return [[value for _, value in row] for row in self.tagged]

    @property
    def tagged(self):
        """Returns the pairs of tag and value of the last result set."""
        return self.sets[-1] if self.sets else []


def pack(value):
    """Returns the bytes of a parameter."""
    if not isinstance(value, Tagged):
        for kind, tag in ((type(None), NULL), (bool, BOOL), (int, INTEGER), (float, DOUBLE), (str, 7), (bytes, BYTES)):
            if isinstance(value, kind):
                value = Tagged(tag, value)
                break
    tag, value = value
    head = struct.pack("B", tag)
    if tag == NULL:
        return head + b"\0"
    if tag == BOOL:
        return head + struct.pack("B", value)
    if tag in NUMBER_FORMS:
        return head + struct.pack(">" + NUMBER_FORMS[tag], value)
    if tag == BYTES:
        return head + struct.pack(">I", len(value)) + value
    if tag == INTERVAL:
        return head + struct.pack(">iiq", *value)
    if tag == ARRAY:
        return head + struct.pack(">I", len(value)) + b"".join(map(pack, value))
    return head + packed_str(value)


def unpack(payload):
    """Returns the tag and the value that come next in a row."""
    tag = payload.number("B")
    if tag == NULL:
        return tag, None
    if tag == ARRAY:
        return tag, [unpack(payload) for _ in range(payload.number("I"))]
    return value(tag, payload.take(WIDTHS[tag]) if tag in WIDTHS else payload.bytes())


def value(tag, data):
    """Returns the tag and the value that bytes are. A date and time is a text, however it was sent."""
    if tag == BOOL:
        return tag, data == b"\1"
    if tag in NUMBER_FORMS:
        return tag, struct.unpack(">" + NUMBER_FORMS[tag], data)[0]
    if tag == INTERVAL:
        return tag, struct.unpack(">iiq", data)
    if tag == CALENDAR:
        high, *parts, low = struct.unpack(">HBBBBBBH", data)
        return DATETIME, datetime.datetime(high, *parts[:5], microsecond=parts[5] << 16 | low).isoformat(" ")
    if tag == BYTES:
        return tag, data
    return tag, Unreadable(data.decode()) if tag == UNREADABLE else data.decode()


def column(payload, count):
    """Returns the pairs of tag and value of a column of a BLOCK."""
    form = payload.number("B")
    there = payload.take(count) if form & NULLABLE else b"\1" * count
    tag = form & ~NULLABLE
    if tag == MIXED:
        found = [unpack(payload) for _ in range(count)]
    elif tag in WIDTHS:
        found = [value(tag, payload.take(WIDTHS[tag])) for _ in range(count)]
    else:
        ends = [payload.number("I") for _ in range(count)]
        found = [value(tag, payload.take(end - start)) for start, end in zip([0] + ends, ends)]
    return [pair if present else (NULL, None) for pair, present in zip(found, there)]


class Worker:
    """A worker process, and a thread that sorts its frames by channel."""

    def __init__(self, python, environment=None, folder=HERE):
        self.process = subprocess.Popen(
            [python, "-B", "-c", START, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, **(environment or {})),
        )
        self.lock = threading.Lock()
        self.mailboxes = collections.defaultdict(queue.Queue)
        self.errors = []
        self.threads = [threading.Thread(target=self.read, daemon=True), threading.Thread(target=self.listen, daemon=True)]
        for thread in self.threads:
            thread.start()
        self.channels = 0

    def read(self):
        """Sorts frames into mailboxes."""
        source = self.process.stdout
        while True:
            head = source.read(13)
            if len(head) < 13:
                break
            length, channel, request, kind = struct.unpack(">IIIB", head)
            self.mailboxes[channel].put((request, kind, Payload(source.read(length - 9))))
        for mailbox in list(self.mailboxes.values()):
            mailbox.put(None)

    def listen(self):
        """Keeps what is written to standard error."""
        for line in self.process.stderr:
            self.errors.append(line.decode("utf-8", "replace"))

    def send(self, channel, request, kind, payload=b""):
        """Sends a frame."""
        with self.lock:
            self.process.stdin.write(struct.pack(">IIIB", len(payload) + 9, channel, request, kind) + payload)
            self.process.stdin.flush()

    def receive(self, channel):
        """Returns the next frame of a channel."""
        found = self.mailboxes[channel].get(timeout=LIMIT)
        if found is None:
            raise EOFError("the worker has ended: " + "".join(self.errors))
        return found

    def hello(self, version=1):
        """Greets the worker and returns what it says of itself."""
        self.send(0, 1, HELLO, struct.pack(">H", version))
        _, kind, payload = self.receive(0)
        if kind == FAILED:
            raise Failed(payload)
        return payload.number("H"), dict(payload.pairs())

    def open(self, module, arguments=(), keywords=None, duplicate=False):
        """Opens a connection. Arguments and keywords are texts of JSON."""
        self.channels += 1
        connection = Connection(self, self.channels)
        connection.open(module, arguments, keywords or {}, duplicate)
        return connection

    def end(self):
        """Closes the input and returns the worker's exit code."""
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            return self.process.wait(LIMIT)
        finally:
            self.process.kill()
            self.process.wait()
            for thread in self.threads:
                thread.join()
            self.process.stdout.close()
            self.process.stderr.close()


class Connection:
    """A channel of a worker."""

    def __init__(self, worker, number):
        self.worker = worker
        self.number = number
        self.request = 0

    def send(self, kind, payload=b""):
        """Sends a request and returns its number."""
        self.request += 1
        self.worker.send(self.number, self.request, kind, payload)
        return self.request

    def open(self, module, arguments, keywords, duplicate):
        """Opens the connection."""
        pairs = [("module", module)] + [("argument", text) for text in arguments]
        pairs += [("keyword", "{}={}".format(name, text)) for name, text in keywords.items()]
        pairs += [("duplicate", "1")] if duplicate else []
        self.send(OPEN, packed_pairs(pairs))
        _, kind, payload = self.worker.receive(self.number)
        if kind == FAILED:
            raise Failed(payload)
        assert kind == OPENED, kind
        self.about = dict(payload.pairs())

    def placeholders(self, count):
        """Returns the names of parameters in the module's style."""
        forms = {"qmark": "?", "numeric": ":{0}", "named": ":p{0}", "format": "%s", "pyformat": "%(p{0})s"}
        form = forms[self.about["paramstyle"]]
        return [form.format(number) for number in range(1, count + 1)]

    def send_run(self, sql, *parameters, flags=FLAG_ROWS, credits=1 << 30):
        """Sends a statement. Each `{}` of the text stands for a parameter."""
        if parameters:
            sql = sql.format(*self.placeholders(len(parameters)))
        packed = b"".join(map(pack, parameters))
        head = struct.pack(">BI", flags, credits) + packed_str(sql)
        return self.send(RUN, head + struct.pack(">H", len(parameters)) + packed)

    def run(self, sql, *parameters, **options):
        """Runs a statement."""
        return self.answer(self.send_run(sql, *parameters, **options))

    def answer(self, request):
        """Returns the answer to a request."""
        done = Done()
        while True:
            number, kind, payload = self.worker.receive(self.number)
            assert number == request, (number, request)
            if kind == COLUMNS:
                count = payload.number("H")
                done.columns = [Column(payload.str(), payload.str(), payload.number("B")) for _ in range(count)]
                done.sets.append([])
            elif kind == ROWS:
                done.batches += 1
                count = payload.number("I")
                done.sets[-1].extend([unpack(payload) for _ in done.columns] for _ in range(count))
            elif kind == BLOCK:
                done.batches += 1
                count = payload.number("I")
                done.sets[-1].extend(map(list, zip(*[column(payload, count) for _ in done.columns])))
            elif kind == FAILED:
                raise Failed(payload)
            else:
                assert kind == DONE, kind
                done.count = payload.number("q")
                done.key = payload.number("q") if payload.number("B") else None
            if kind in (ROWS, BLOCK, COLUMNS, DONE):
                assert payload.at == len(payload.data)
            if kind == DONE:
                return done

    def send_begin(self, text="BEGIN", isolation=0, read_only=0, first=""):
        """Sends the beginning of a transaction."""
        return self.send(BEGIN, struct.pack("BB", isolation, read_only) + packed_str(text) + packed_str(first))

    def begin(self, *arguments, **options):
        """Begins a transaction."""
        return self.answer(self.send_begin(*arguments, **options))

    def commit(self, flags=0):
        """Commits."""
        return self.answer(self.send(COMMIT, struct.pack("B", flags)))

    def rollback(self, flags=0):
        """Rolls back."""
        return self.answer(self.send(ROLLBACK, struct.pack("B", flags)))

    def ping(self):
        """Pings."""
        return self.answer(self.send(PING))

    def more(self, request, credits):
        """Gives credits to a request."""
        self.worker.send(self.number, request, MORE, struct.pack(">I", credits))

    def cancel(self, request):
        """Cancels a request."""
        self.worker.send(self.number, request, CANCEL)

    def close(self):
        """Closes the connection."""
        return self.answer(self.send(CLOSE))
