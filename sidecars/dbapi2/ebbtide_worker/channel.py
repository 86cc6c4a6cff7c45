"""Channels: a connection, and the thread that answers its requests in order."""

import functools
import json
import struct
import threading

from .cancellation import Cancellation, started
from .failures import Failure, failure
from .frames import (
    BEGIN, CLOSE, COLUMNS, COMMIT, DONE, FAILED, FLAG_KEY, LONGEST_FRAME, FLAG_PLAIN, FLAG_ROWS, FLAG_SKIP, OPEN, OPENED, PING,
    ROLLBACK, RUN, Refused, SIDECARS_OWN, SKIPPED, UNKNOWN, frame, packed_pairs, packed_str,
)  # fmt: skip
from .modules import load
from .parameters import read_parameter
from .requests import Requests
from .rows import FIRST_ROWS, HeldRows, MOST_ROWS, rows_of

BATCH = 64 * 1024


class Channel:
    """A connection: a thread that answers its requests in order."""

    def __init__(self, number, output):
        self.number = number
        self.output = output
        self.requests = Requests()
        # The requests that wait for their turn, and whether they were cancelled.
        self.waiting = {}
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.driver = None
        # The requests under way: several, if they are sent in one go.
        self.current = ()
        self.is_open = True
        self.is_opening = False
        self.is_given_up = False
        self.credits = 0
        self.cancelled = False
        self.failed = False
        # Whether the answer under way tells that the connection is closed.
        self.is_told_closed = False
        self.cancellation = None
        started(self.work)

    # Called by the reader

    def put(self, request, kind, payload):
        """Adds a request to those that wait."""
        with self.lock:
            if self.is_open:
                self.waiting[request] = False
                self.requests.put((request, kind, payload))
                return
        self.output.write(nobody(self.number, request, kind))

    def more(self, request, payload):
        """Adds credits to the request under way."""
        with self.lock:
            if request in self.current:
                self.credits += payload.number("I")
                self.changed.notify_all()

    def cancel(self, request):
        """Cancels the request under way."""
        with self.lock:
            if request in self.waiting:
                self.waiting[request] = True
                return
            if request not in self.current or self.cancelled:
                return
            self.cancelled = True
            if self.is_opening:
                self.give_up(request)
                return
            self.changed.notify_all()
            try:
                if self.driver is not None and self.driver.connection is not None:
                    self.cancellation = Cancellation(self.driver)
            except Exception:
                # No thread can be started, or the connection is gone: the statement ends by itself.
                pass

    def give_up(self, request):
        """Answers an OPEN that may hang for ever, in an import or in the module. Its thread is left to itself."""
        self.is_given_up = True
        error = cancelled()
        error.closed = True
        self.output.write(frame(self.number, request, FAILED, error.payload()))
        self.end()

    def end(self):
        """Answers the requests that still wait, and ends the channel. What comes later finds none, and is answered then."""
        while True:
            with self.lock:
                if not self.requests.is_waiting():
                    self.is_open = False
                    self.output.forget(self.number)
                    return
            request, kind, _ = self.requests.next()
            self.output.write(nobody(self.number, request, kind))

    # The channel's own thread

    def work(self):
        """Answers requests until the channel is closed, or until one cannot be answered."""
        stays = True
        try:
            while stays:
                taken, joined = self.requests.take(None if self.failed else getattr(self.driver, "joins", None))
                answer, stays = self.final_answer(taken, joined)
                if self.is_given_up:
                    self.close()
                    return
                self.output.write(answer)
                self.requests.taken = []
        except BaseException as error:
            # Memory does not even suffice for the answer. What the error holds may be large.
            self.pending, answer, joined = [], b"", []
            error.with_traceback(None)
            if not self.is_given_up:
                self.output.write(b"".join([lost(self.number, request, error) for request, _, _ in self.requests.taken]))
        # Only now: what is refused comes behind the last answer.
        self.close()
        self.end()

    def final_answer(self, taken, joined):
        """Returns the bytes that answer requests, and whether the channel stays open, once nothing cancels them any more."""
        with self.lock:
            self.current = [request for request, _, _ in taken]
            self.cancelled = any([self.waiting.pop(request) for request in self.current])
            self.is_opening = taken[0][1] == OPEN and not self.cancelled
            self.credits = 0
        try:
            answer, stays = self.answered(taken, joined)
        finally:
            with self.lock:
                self.current = ()
                self.is_opening = False
                cancellation, self.cancellation = self.cancellation, None
            has_ended = cancellation is None or cancellation.end()
        if not has_ended:
            if not self.is_told_closed:
                answer += frame(self.number, 0, FAILED, late_cancellation().payload())
            stays = False
        return answer, stays

    def answered(self, taken, joined):
        """Returns the bytes that answer requests, and whether the channel stays open."""
        self.pending = []
        self.is_told_closed = False
        done = 0
        try:
            request, kind, payload = taken[0]
            if kind == CLOSE:
                self.close()
                return frame(self.number, request, DONE, DONE_WITHOUT_COUNT), False
            if self.cancelled:
                raise cancelled()
            if len(taken) == 1:
                # It may write what is pending, and begin a new list.
                final = self.act(request, kind, payload)
                self.pending.append(final)
            else:
                for count in self.driver.together(joined, kind == BEGIN):
                    self.pending.append(frame(self.number, taken[done][0], DONE, struct.pack(">qB", count, 0)))
                    done += 1
            self.failed = False
            return b"".join(self.pending), True
        except BaseException as error:
            self.failed = True
            if isinstance(error, MemoryError):
                # What is not written yet is not written any more.
                self.pending, done = [], 0
            found = self.failure(error)
            stays = kind != OPEN and found.origin != UNKNOWN
            found.closed = self.is_told_closed = found.closed or not stays
            self.pending.append(frame(self.number, taken[done][0], FAILED, found.payload()))
            skipped = skipped_failure().payload()
            self.pending.extend(frame(self.number, request, FAILED, skipped) for request, _, _ in taken[done + 1 :])
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
        driver, self.driver = self.driver, None
        try:
            if driver is not None and driver.connection is not None:
                driver.close()
        except BaseException:
            pass

    def act(self, request, kind, payload):
        """Does what a request says, and returns its final answer."""
        if payload is None:
            raise no_memory()
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
            raise skipped_failure()

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
        try:
            sql = payload.str()
            parameters = [read_parameter(payload) for _ in range(payload.number("H"))]
        except MemoryError:
            raise no_memory()
        self.heed_skip(flags)
        if "\0" in sql:
            # Some modules raise what is no error of theirs, and libpq sends what stands before it.
            raise Refused("bad-arguments", "the text of the statement has a NUL at {}".format(sql.index("\0")))
        with self.lock:
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
                    self.pending.append(frame(self.number, request, COLUMNS, packed_columns(tuple(result.columns))))
                self.send_rows(request, result, wanted)
            if not result.next():
                return

    def send_rows(self, request, result, wanted):
        """Sends the rows of a result set in frames of about BATCH bytes, as far as there are credits."""
        fetch, packer, width = result.fetch, result.packer, len(result.columns)
        # How many rows make a frame is not known before some have come, and those that follow may be larger.
        held, most, step, asked = HeldRows(), 0, FIRST_ROWS, FIRST_ROWS
        while True:
            try:
                fetched = fetch(asked)
            except Exception:
                # What came before the error is sent before it.
                if held.count and not self.cancelled:
                    self.send_batch(request, packer, held)
                raise
            if not fetched:
                break
            if self.cancelled:
                raise cancelled()
            if set(map(len, fetched)) != {width}:
                # All that follows in the frame would be read as something else.
                raise Failure(UNKNOWN, "ebbtide.WrongColumns", "the module described other columns than it gave")
            if not wanted:
                asked = MOST_ROWS
                continue
            held.add(fetched)
            if not most and held.count >= FIRST_ROWS and held.length < BATCH:
                most = rows_of(BATCH, held.count, len(packer.packed(held)[1]))
            if held.length >= BATCH or most and held.count >= most:
                size = self.send_batch(request, packer, held)
                held, most = HeldRows(), rows_of(BATCH, held.count, size)
            step = max(1, min(2 * step, MOST_ROWS, most or FIRST_ROWS))
            asked = max(1, min(step, most - held.count)) if most else FIRST_ROWS
        if held.count:
            self.send_batch(request, packer, held)

    def send_batch(self, request, packer, held):
        """Sends rows when there is a credit for them. Returns the number of bytes."""
        kind, payload = packer.packed(held)
        if len(payload) > 2 * BATCH and held.count > 1:
            # They are larger than those before. What was packed is not kept while its parts wait for credits.
            del payload
            return sum(self.send_batch(request, packer, half) for half in held.halves())
        if self.credits <= 0:
            self.flush()
            with self.lock:
                while self.credits <= 0 and not self.cancelled:
                    self.changed.wait()
        with self.lock:
            if self.cancelled:
                raise cancelled()
            self.credits -= 1
        if len(payload) + 9 > LONGEST_FRAME:
            raise Refused("unsupported", "a row is larger than 1 GiB, which is the most that a frame can hold")
        self.pending.append(frame(self.number, request, kind, payload))
        if sum(map(len, self.pending)) >= BATCH // 2:
            self.flush()
        return len(payload)

    def flush(self):
        """Writes what has been answered so far."""
        if self.pending:
            self.output.write(b"".join(self.pending))
            self.pending = []


def late_cancellation():
    """Returns the failure of a connection that ends because a cancelled statement, or the cancellation, took too long."""
    reason = "a cancelled statement, or the module's cancellation of it, did not end in time, which could reach the next one"
    return Failure(SIDECARS_OWN, "cancelled", reason, closed=True)


def lost(number, request, error):
    """Returns the answer to a request that was perhaps carried out, but cannot be answered."""
    reason = "the request could not be answered; its connection is given up"
    return frame(number, request, FAILED, Failure(UNKNOWN, type(error).__name__, reason, closed=True).payload())


def nobody(number, request, kind):
    """Returns the answer to a request of a channel that is not open."""
    if kind == CLOSE:
        return frame(number, request, DONE, DONE_WITHOUT_COUNT)
    error = Failure(SIDECARS_OWN, "protocol", "the channel {} is not open".format(number), closed=True)
    return frame(number, request, FAILED, error.payload())


def skipped_failure():
    """Returns the failure of a request that is skipped."""
    return Failure(SKIPPED, "", "skipped, because the request before it failed")


def no_memory():
    """Returns the error of a request that is larger than the memory of the process. Nothing of it has been run."""
    return Refused("no-memory", "there is no memory for the text and the values of the request")


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


@functools.lru_cache(256)
def packed_columns(columns):
    """Returns the payload of COLUMNS."""
    described = [packed_str(name) + packed_str(kind) + struct.pack("B", flags) for name, kind, flags in columns]
    return struct.pack(">H", len(columns)) + b"".join(described)
