"""A client of the frame protocol (docs/SIDECARS.md) for the tests that are run by hand."""

import queue
import struct
import subprocess
import threading

HELLO, OPEN, RUN, BEGIN, COMMIT, ROLLBACK, PING, MORE, CANCEL, CLOSE = range(1, 11)
WELCOME, OPENED, COLUMNS, ROWS, DONE, FAILED = range(129, 135)
SKIP, WANTED, PLAIN, KEY, FEW = 1, 2, 4, 8, 16


def text(value):
    data = value.encode()
    return struct.pack(">I", len(data)) + data


def pairs(items):
    return struct.pack(">H", len(items)) + b"".join(text(name) + text(value) for name, value in items)


class Tagged:
    """A value with the tag that it travels under."""

    def __init__(self, tag, value=None):
        self.tag, self.value = tag, value

    def __eq__(self, other):
        return isinstance(other, Tagged) and (self.tag, self.value) == (other.tag, other.value)

    def __repr__(self):
        return "Tagged(%r, %r)" % (self.tag, self.value)


def encode(value):
    if not isinstance(value, Tagged):
        if value is None:
            value = Tagged(0, 0)
        elif isinstance(value, bool):
            value = Tagged(1, value)
        elif isinstance(value, int):
            value = Tagged(2, value)
        elif isinstance(value, float):
            value = Tagged(5, value)
        elif isinstance(value, bytes):
            value = Tagged(8, value)
        elif isinstance(value, list):
            value = Tagged(18, value)
        else:
            value = Tagged(7, value)
    tag, it = value.tag, value.value
    head = bytes([tag])
    if tag in (0, 1):
        return head + bytes([it])
    if tag in (2, 3, 4, 5, 20, 21):
        return head + struct.pack({2: ">q", 3: ">Q", 4: ">f", 5: ">d", 20: ">h", 21: ">i"}[tag], it)
    if tag == 8:
        return head + struct.pack(">I", len(it)) + it
    if tag == 16:
        return head + struct.pack(">iiq", *it)
    if tag == 18:
        return head + struct.pack(">I", len(it)) + b"".join(encode(one) for one in it)
    return head + text(it)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values if len(values) > 1 else values[0]

    def bytes(self):
        count = self.take(">I")
        self.at += count
        assert self.at <= len(self.data), "a frame ends before its fields do"
        return self.data[self.at - count : self.at]

    def str(self):
        return self.bytes().decode()

    def pairs(self):
        return [(self.str(), self.str()) for _ in range(self.take(">H"))]

    def value(self):
        tag = self.take(">B")
        if tag == 0:
            return None
        if tag == 1:
            return bool(self.take(">B"))
        forms = {2: ">q", 3: ">Q", 4: ">f", 5: ">d", 16: ">iiq"}
        if tag in forms:
            value = self.take(forms[tag])
            return value if tag in (2, 5) else Tagged(tag, value)
        if tag == 18:
            return [self.value() for _ in range(self.take(">I"))]
        value = self.bytes() if tag == 8 else self.str()
        return value if tag in (7, 8) else Tagged(tag, value)

    def end(self):
        assert self.at == len(self.data), "%d bytes too many" % (len(self.data) - self.at)


class Failed(Exception):
    def __init__(self, reader):
        self.origin, self.flags = reader.take(">BB")
        self.kind, self.state = reader.str(), reader.str()
        self.code = reader.take(">q")
        self.message = reader.str()
        self.causes = [reader.str() for _ in range(reader.take(">H"))]
        self.details = dict(reader.pairs())
        reader.end()
        super().__init__("%d/%d %s [%s] %d %s %s %s" % (self.origin, self.flags, self.kind, self.state, self.code,
                                                       self.message, self.causes, self.details))


class Result:
    def __init__(self):
        self.columns, self.types, self.flags, self.rows, self.sets, self.batches = [], [], [], [], 0, 0
        self.affected = self.key = None

    def __repr__(self):
        return "%s %s affected=%s key=%s" % (list(zip(self.columns, self.types, self.flags)), self.rows, self.affected,
                                             self.key)


class Sidecar:
    """A sidecar process."""

    def __init__(self, command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lock, self.mailboxes, self.numbers = threading.Lock(), {0: queue.Queue()}, 0
        threading.Thread(target=self._read, daemon=True).start()
        self.send(0, 1, HELLO, struct.pack(">H", 1))
        request, kind, reader = self.mailboxes[0].get(timeout=20)
        assert kind == WELCOME and reader.take(">H") == 1
        self.welcome = dict(reader.pairs())

    def _read(self):
        stream = self.child.stdout
        while True:
            head = stream.read(4)
            if len(head) < 4:
                break
            data = stream.read(struct.unpack(">I", head)[0])
            reader = Reader(data)
            channel, request, kind = reader.take(">IIB")
            self.mailboxes[channel].put((request, kind, reader))
        for mailbox in list(self.mailboxes.values()):
            mailbox.put((0, None, None))

    def frame(self, channel, request, kind, payload=b""):
        return struct.pack(">IIIB", len(payload) + 9, channel, request, kind) + payload

    def send(self, channel, request, kind, payload=b""):
        self.write(self.frame(channel, request, kind, payload))

    def write(self, data):
        with self.lock:
            self.child.stdin.write(data)
            self.child.stdin.flush()

    def open(self, items):
        self.numbers += 1
        return Connection(self, self.numbers, items)

    def end(self):
        self.child.stdin.close()
        status = self.child.wait(timeout=5)
        self.child.stdout.close()
        return status


class Connection:
    def __init__(self, sidecar, number, items):
        self.sidecar, self.number, self.requests = sidecar, number, 0
        self.mailbox = sidecar.mailboxes[number] = queue.Queue()
        self.opened = self.answer(self.ask(OPEN, pairs(items)))

    def ask(self, kind, payload=b""):
        self.requests += 1
        self.sidecar.send(self.number, self.requests, kind, payload)
        return self.requests

    def next(self, timeout=60):
        request, kind, reader = self.mailbox.get(timeout=timeout)
        if kind is None:
            raise EOFError("the sidecar ended")
        return request, kind, reader

    def answer(self, request, credits=True, timeout=60):
        result = Result()
        while True:
            number, kind, reader = self.next(timeout)
            assert number == request, (number, request)
            if kind == OPENED:
                return dict(reader.pairs())
            if kind == COLUMNS:
                result.sets += 1
                width = reader.take(">H")
                for _ in range(width):
                    result.columns.append(reader.str())
                    result.types.append(reader.str())
                    result.flags.append(reader.take(">B"))
            elif kind == ROWS:
                result.batches += 1
                for _ in range(reader.take(">I")):
                    result.rows.append([reader.value() for _ in range(width)])
                if credits:
                    self.sidecar.send(self.number, request, MORE, struct.pack(">I", 1))
            elif kind == DONE:
                result.affected = reader.take(">q")
                if reader.take(">B"):
                    result.key = reader.take(">q")
                reader.end()
                return result
            else:
                assert kind == FAILED, kind
                error = Failed(reader)
                error.result = result
                raise error
            reader.end()

    def run_payload(self, sql, values=(), flags=WANTED, credits=2):
        return struct.pack(">BI", flags, credits) + text(sql) + struct.pack(">H", len(values)) + b"".join(
            encode(value) for value in values)

    def start(self, sql, *values, flags=WANTED, credits=2):
        return self.ask(RUN, self.run_payload(sql, values, flags, credits))

    def run(self, sql, *values, flags=WANTED, credits=2):
        return self.answer(self.start(sql, *values, flags=flags, credits=credits))

    def rows(self, sql, *values, **rest):
        return self.run(sql, *values, **rest).rows

    def begin(self, isolation=0, read_only=0, begin="", first=""):
        return self.answer(self.ask(BEGIN, bytes([isolation, read_only]) + text(begin) + text(first)))

    def commit(self, flags=0):
        return self.answer(self.ask(COMMIT, bytes([flags])))

    def rollback(self, flags=0):
        return self.answer(self.ask(ROLLBACK, bytes([flags])))

    def ping(self):
        return self.answer(self.ask(PING))

    def cancel(self, request):
        self.sidecar.send(self.number, request, CANCEL)

    def close(self):
        return self.answer(self.ask(CLOSE))
