"""The process: its two pipes, and the thread that reads requests."""

import os
import platform
import signal
import struct
import sys
import threading
import time

from .channel import Channel, nobody, refused
from .failures import failure
from .frames import (
    CANCEL, FAILED, HELLO, LONGEST_FRAME, MORE, OPEN, Payload, Refused, VERSION, WELCOME,
    frame, packed_pairs,
)  # fmt: skip

# A pipe gives no more at once.
ROOM = 1 << 16
# The time that other threads have to give memory back.
PAUSE, TRIES = 0.02, 250


class Output:
    """The pipe to the library. It ends the process when nobody reads it any more."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.lock = threading.Lock()
        self.channels = {}

    def forget(self, number):
        """Forgets a channel that has ended."""
        self.channels.pop(number, None)

    def write(self, data):
        """Writes bytes as a whole."""
        with self.lock:
            try:
                written = os.write(self.descriptor, data)
                while written < len(data):
                    data = memoryview(data)[written:]
                    written = os.write(self.descriptor, data)
            except OSError:
                os._exit(0)


class Input:
    """The pipe from the library. Its end is the end of the process."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.held = b""

    def read(self, most):
        """Returns some bytes."""
        part = os.read(self.descriptor, most)
        if not part:
            os._exit(0)
        return part

    def take(self, length):
        """Returns a few bytes."""
        while len(self.held) < length:
            self.held += self.read(ROOM)
        taken, self.held = self.held[:length], self.held[length:]
        return taken

    def payload(self, length):
        """Returns a payload, None if there is no memory for it."""
        if length <= len(self.held):
            return self.take(length)
        parts, missing, failed = [self.held], length - len(self.held), 0
        self.held = b""
        while missing > 0:
            try:
                part = self.read(min(missing, ROOM))
                missing -= len(part)
                if parts is not None:
                    parts.append(part)
            except MemoryError:
                # Other threads that fail give back what they have, too.
                parts, failed = None, failed + 1
                if failed > TRIES:
                    raise
                time.sleep(PAUSE)
        try:
            return parts and b"".join(parts)
        except MemoryError:
            return None

    def frame(self):
        """Returns channel, request, kind and payload of the next frame."""
        length, channel, request, kind = struct.unpack(">IIIB", self.take(13))
        if not 9 <= length <= LONGEST_FRAME:
            os._exit(2)
        return channel, request, kind, Payload(self.payload(length - 9))


def serve(source, output):
    """Reads requests and hands them to their channels, until the input ends."""
    channels = output.channels
    while True:
        number, request, kind, payload = source.frame()
        if number == 0:
            output.write(answer_process(request, kind, payload))
            continue
        channel = channels.get(number)
        if channel is None and kind == OPEN:
            try:
                channel = channels[number] = Channel(number, output)
            except (RuntimeError, MemoryError) as error:
                output.write(refused(number, request, "no-thread", "no thread can be started for the connection: {}".format(error)))
                continue
        if channel is None:
            if kind not in (MORE, CANCEL):
                output.write(nobody(number, request, kind))
        elif kind == MORE:
            channel.more(request, payload)
        elif kind == CANCEL:
            channel.cancel(request)
        else:
            channel.put(request, kind, payload)


def answer_process(request, kind, payload):
    """Returns the answer to a request of the process itself."""
    try:
        if kind != HELLO:
            raise Refused("protocol", "the kind {} is unknown on channel 0".format(kind))
        version = payload.number("H")
        if version != VERSION:
            raise Refused("protocol", "the library speaks version {} of the protocol, the worker {}".format(version, VERSION))
    except Refused as error:
        return frame(0, request, FAILED, failure(None, error).payload())
    pairs = [
        ("runtime", platform.python_implementation()),
        ("version", platform.python_version()),
        ("executable", sys.executable or ""),
        ("process", str(os.getpid())),
    ]
    return frame(0, request, WELCOME, struct.pack(">H", VERSION) + packed_pairs(pairs))


def take_pipes():
    """Keeps the two pipes for the protocol, so that modules may print and read without harm."""
    source, output = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout = sys.stderr
    return Input(source), Output(output)


def main():
    """Serves the library that started this process."""
    # The folder of these files is no place for the modules of a user.
    sys.path.remove(sys.argv.pop(1))
    # An interrupt of the terminal is the program's to handle; its end is ours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Two threads take turns at each statement. The default of 5 ms would make one wait for the other's Python code.
    sys.setswitchinterval(0.0005)
    source, output = take_pipes()
    try:
        serve(source, output)
    finally:
        os._exit(1)
