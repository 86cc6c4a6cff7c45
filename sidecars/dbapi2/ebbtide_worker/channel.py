"""Channels: a connection, and the thread that answers its requests in order."""

import json
import queue
import struct
import threading

from .failures import Failure, failure
from .frames import (
    BEGIN, CLOSE, COLUMNS, COMMIT, DONE, FAILED, FLAG_KEY, LONGEST_FRAME, FLAG_PLAIN, FLAG_ROWS, FLAG_SKIP, OPEN, OPENED, PING,
    ROLLBACK, ROWS, RUN, Refused, SIDECARS_OWN, SKIPPED, UNKNOWN, frame, packed_pairs, packed_str,
)  # fmt: skip
from .modules import load
from .parameters import read_parameter
from .rows import MOST_ROWS

BATCH = 64 * 1024


class Channel:
    """A connection: a thread that answers its requests in order."""

    def __init__(self, number, output):
        self.number = number
        self.output = output
        self.requests = SimpleQueue()
        # The requests that wait for their turn, and whether they were cancelled.
        self.waiting = {}
        self.changed = threading.Condition()
        self.driver = None
        self.current = 0
        self.is_open = True
        self.is_opening = False
        self.credits = 0
        self.cancelled = False
        self.failed = False
        self.canceller = None
        thread = threading.Thread(target=self.work, name="channel {}".format(number))
        thread.daemon = True
        thread.start()

    # Called by the reader

    def put(self, request, kind, payload):
        """Adds a request to those that wait."""
        with self.changed:
            if self.is_open:
                self.waiting[request] = False
                self.requests.put((request, kind, payload))
                return
        self.output.write(nobody(self.number, request, kind))

    def more(self, request, payload):
        """Adds credits to the request under way."""
        with self.changed:
            if request == self.current:
                self.credits += payload.number("I")
                self.changed.notify_all()

    def cancel(self, request):
        """Cancels the request under way."""
        with self.changed:
            if request in self.waiting:
                self.waiting[request] = True
                return
            if request != self.current or self.cancelled:
                return
            self.cancelled = True
            if self.is_opening:
                self.give_up(request)
                return
            self.changed.notify_all()
            self.canceller = threading.Thread(target=self.keep_cancelling, args=(request,))
            self.canceller.daemon = True
            self.canceller.start()

    def give_up(self, request):
        """Answers an OPEN that may hang for ever, in an import or in the module. Its thread is left to itself."""
        self.end()
        error = cancelled()
        error.closed = True
        self.output.write(frame(self.number, request, FAILED, error.payload()))
        self.refuse_rest()

    def end(self):
        """Notes that the channel is closed."""
        with self.changed:
            self.is_open = False
        self.output.forget(self.number)

    def refuse_rest(self):
        """Answers the requests that still wait, of a channel that is closed."""
        while True:
            try:
                request, kind, _ = self.requests.get_nowait()
            except queue.Empty:
                return
            self.output.write(nobody(self.number, request, kind))

    def keep_cancelling(self, request):
        """Cancels until the request has ended: the first time may come before the driver has begun."""
        driver = self.driver
        try:
            cancel = driver.canceller() if driver and driver.connection is not None else None
        except Exception:
            cancel = None
        while cancel is not None and self.current == request:
            try:
                cancel()
            except Exception:
                pass
            with self.changed:
                if self.current == request:
                    self.changed.wait(0.05)

    # The channel's own thread

    def work(self):
        """Answers requests until the channel is closed."""
        while self.is_open:
            request, kind, payload = self.requests.get()
            with self.changed:
                self.current = request
                self.cancelled = self.waiting.pop(request)
                self.is_opening = kind == OPEN and not self.cancelled
                self.credits = 0
            answer, stays = self.answered(request, kind, payload)
            with self.changed:
                self.current = 0
                self.is_opening = False
                if not self.is_open:
                    # It was given up meanwhile, and is answered.
                    self.close()
                    return
                self.changed.notify_all()
                canceller, self.canceller = self.canceller, None
            if canceller is not None:
                # It must not reach the next statement.
                canceller.join()
            if not stays:
                self.end()
            self.output.write(answer)
        self.refuse_rest()

    def answered(self, request, kind, payload):
        """Returns the bytes that answer a request, and whether the channel stays open."""
        self.pending = []
        try:
            if kind == CLOSE:
                self.close()
                return frame(self.number, request, DONE, DONE_WITHOUT_COUNT), False
            if self.cancelled:
                raise cancelled()
            done = self.act(request, kind, payload)
            self.failed = False
            self.pending.append(done)
            return b"".join(self.pending), True
        except BaseException as error:
            self.failed = True
            found = self.failure(error)
            stays = kind != OPEN and found.origin != UNKNOWN
            found.closed = found.closed or not stays
            self.pending.append(frame(self.number, request, FAILED, found.payload()))
            if not stays:
                self.close()
            return b"".join(self.pending), stays

    def failure(self, error):
        """Returns the failure that an exception is, also where the driver fails to tell."""
        try:
            found = failure(self.driver, error)
            if self.cancelled and self.driver is not None and self.driver.cancelling() == "abort":
                found.closed = True
            return found
        except BaseException as other:
            return Failure(UNKNOWN, type(other).__name__, "an error of type {} cannot be read".format(type(error).__name__))

    def close(self):
        """Closes the connection, whatever that gives."""
        try:
            if self.driver is not None and self.driver.connection is not None:
                self.driver.close()
        except BaseException:
            pass

    def act(self, request, kind, payload):
        """Does what a request says, and returns its final answer."""
        if kind == OPEN:
            return frame(self.number, request, OPENED, packed_pairs(self.open(payload)))
        if self.driver is None or self.driver.connection is None:
            raise Refused("protocol", "the channel {} has no connection".format(self.number))
        if kind == RUN:
            return self.run(request, payload)
        if kind in (COMMIT, ROLLBACK):
            self.heed_skip(payload.number("B"))
            if kind == COMMIT:
                self.driver.commit()
            else:
                self.driver.rollback()
        elif kind == BEGIN:
            isolation, read_only = payload.number("B"), payload.number("B")
            self.driver.begin(isolation, read_only != 0, payload.str(), payload.str())
        elif kind == PING:
            self.driver.ping()
            self.driver.settled(True)
        else:
            raise Refused("protocol", "the kind {} is unknown".format(kind))
        return frame(self.number, request, DONE, DONE_WITHOUT_COUNT)

    def heed_skip(self, flags):
        """Raises if the request is to be skipped."""
        if flags & FLAG_SKIP and self.failed:
            raise Failure(SKIPPED, "", "skipped, because the request before it failed")

    def open(self, payload):
        """Opens the connection and returns what the driver says of itself."""
        if self.driver is not None:
            raise Refused("protocol", "the channel {} is open already".format(self.number))
        module, arguments, keywords, duplicate = None, [], {}, False
        for name, value in payload.pairs():
            if name == "module":
                module = value
            elif name == "argument":
                arguments.append(read_json(name, value))
            elif name == "keyword":
                keyword, _, text = value.partition("=")
                keywords[keyword] = read_json(keyword, text)
            elif name == "duplicate":
                duplicate = value == "1"
            else:
                raise Refused("protocol", "OPEN has the unknown name {}".format(name))
        if module is None:
            raise Refused("protocol", "OPEN names no module")
        self.driver = load(module)
        self.driver.check(keywords)
        try:
            self.driver.connect(arguments, keywords, duplicate)
        except TypeError as error:
            # Arguments that `connect` does not take; what a driver does later is another matter.
            if depth(error.__traceback__) > 2:
                raise
            raise Refused("bad-arguments", "{}.connect does not take these arguments: {}".format(module, error))
        return self.driver.about()

    def run(self, request, payload):
        """Runs a statement, sends its rows, and returns the final answer."""
        flags = payload.number("B")
        credits = payload.number("I")
        sql = payload.str()
        parameters = [read_parameter(payload) for _ in range(payload.number("H"))]
        self.heed_skip(flags)
        if "\0" in sql:
            # Some modules raise what is no error of theirs, and libpq sends what stands before it.
            raise Refused("bad-arguments", "the text of the statement has a NUL at {}".format(sql.index("\0")))
        with self.changed:
            self.credits += credits
        worked = False
        try:
            result = self.driver.run(sql, parameters, bool(flags & FLAG_PLAIN), bool(flags & FLAG_KEY))
            try:
                self.send_results(request, result, bool(flags & FLAG_ROWS))
                count, key = result.done()
            finally:
                result.close()
            worked = True
        finally:
            self.settle(worked)
        mark = b"\0" if key is None or not isinstance(key, int) else struct.pack(">Bq", 1, key)
        return frame(self.number, request, DONE, struct.pack(">q", count) + mark)

    def settle(self, worked):
        """Ends what the module has begun by itself. After an error the first error is the one to be told."""
        try:
            self.driver.settled(worked)
        except BaseException:
            if worked:
                raise

    def send_results(self, request, result, wanted):
        """Sends the result sets of a statement."""
        while True:
            if result.columns is not None:
                if wanted:
                    self.pending.append(frame(self.number, request, COLUMNS, packed_columns(result.columns)))
                self.send_rows(request, result, wanted)
            if not result.next():
                return

    def send_rows(self, request, result, wanted):
        """Sends the rows of a result set in batches, as far as there are credits."""
        fetch = result.fetch
        pack = result.packer.row
        rows, size, asked = [], 0, 16
        while True:
            try:
                fetched = fetch(asked)
            except Exception:
                # What came before the error is sent before it.
                if rows and not self.cancelled:
                    self.send_batch(request, rows)
                raise
            if not fetched:
                break
            if self.cancelled:
                raise cancelled()
            if len(fetched[0]) != len(result.columns):
                # All that follows in the frame would be read as something else.
                raise Failure(UNKNOWN, "ebbtide.WrongColumns", "the module described other columns than it gave")
            if not wanted:
                asked = MOST_ROWS
                continue
            before, count = size, len(fetched)
            for row in fetched:
                data = pack(row)
                rows.append(data)
                size += len(data)
                if size >= BATCH:
                    self.send_batch(request, rows)
                    before -= size
                    rows, size = [], 0
            asked = max(1, min(MOST_ROWS, BATCH * count // max(1, size - before)))
        if rows:
            self.send_batch(request, rows)

    def send_batch(self, request, rows):
        """Sends a batch when there is a credit for it."""
        if self.credits <= 0:
            self.flush()
            with self.changed:
                while self.credits <= 0 and not self.cancelled:
                    self.changed.wait()
        with self.changed:
            if self.cancelled:
                raise cancelled()
            self.credits -= 1
        payload = struct.pack(">I", len(rows)) + b"".join(rows)
        if len(payload) + 9 > LONGEST_FRAME:
            raise Refused("unsupported", "a row is larger than 1 GiB, which is the most that a frame can hold")
        self.pending.append(frame(self.number, request, ROWS, payload))
        if len(rows) > 1 and len(self.pending[-1]) >= BATCH:
            self.flush()

    def flush(self):
        """Writes what has been answered so far."""
        if self.pending:
            self.output.write(b"".join(self.pending))
            self.pending = []


def nobody(number, request, kind):
    """Returns the answer to a request of a channel that is not open."""
    if kind == CLOSE:
        return frame(number, request, DONE, DONE_WITHOUT_COUNT)
    error = Failure(SIDECARS_OWN, "protocol", "the channel {} is not open".format(number), closed=True)
    return frame(number, request, FAILED, error.payload())


def cancelled():
    """Returns the failure of a request that was cancelled before it began, or between its rows."""
    return Failure(SIDECARS_OWN, "cancelled", "the statement was cancelled")


DONE_WITHOUT_COUNT = struct.pack(">qB", -1, 0)


def depth(trace):
    """Returns the number of frames of a traceback."""
    number = 0
    while trace is not None:
        number += 1
        trace = trace.tb_next
    return number


def read_json(name, text):
    """Returns the value of an argument."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused("bad-arguments", "the argument {} is not JSON: {}".format(name, error))


def packed_columns(columns):
    """Returns the payload of COLUMNS."""
    described = [packed_str(name) + packed_str(kind) + struct.pack("B", flags) for name, kind, flags in columns]
    return struct.pack(">H", len(columns)) + b"".join(described)


SimpleQueue = getattr(queue, "SimpleQueue", queue.Queue)
