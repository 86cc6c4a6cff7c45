"""The process: its two pipes, and the thread that reads requests."""

import os
import platform
import signal
import struct
import sys
import threading

from .channel import Channel, nobody
from .failures import Failure, failure
from .frames import (
    CANCEL, FAILED, HELLO, LONGEST_FRAME, MORE, OPEN, Payload, Refused, SIDECARS_OWN, VERSION, WELCOME,
    frame, packed_pairs,
)  # fmt: skip


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

    def part(self):
        """Returns what comes next, and holds it."""
        if not self.held:
            self.held = os.read(self.descriptor, 1 << 16)
            if not self.held:
                os._exit(0)
        return self.held

    def read(self, length):
        """Returns as many bytes. If there is no memory for them they are passed, and None is returned."""
        parts = []
        while length > 0:
            try:
                part = self.part()
                kept = part[:length]
                if parts is not None:
                    parts.append(kept)
            except MemoryError:
                if parts is None:
                    raise
                # Nothing was read, or it is still held.
                parts = None
                continue
            self.held = part[length:]
            length -= len(kept)
        try:
            return None if parts is None else b"".join(parts)
        except MemoryError:
            return None

    def frame(self):
        """Returns channel, request, kind and payload of the next frame; None for a payload that memory does not hold."""
        length, channel, request, kind = struct.unpack(">IIIB", self.read(13))
        if not 9 <= length <= LONGEST_FRAME:
            os._exit(2)
        data = self.read(length - 9)
        return channel, request, kind, None if data is None else Payload(data)


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
            except RuntimeError as error:
                output.write(frame(number, request, FAILED, without_thread(error).payload()))
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


def without_thread(error):
    """Returns the failure of a connection for which no thread can be started."""
    return Failure(SIDECARS_OWN, "no-thread", "no thread can be started for the connection: {}".format(error), closed=True)


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
