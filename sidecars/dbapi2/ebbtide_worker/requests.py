"""The requests of a channel that wait for their turn."""

import queue

from .frames import BEGIN, FLAG_KEY, FLAG_SKIP, Payload, RUN, Refused
from .parameters import read_parameter

# The longest payload of a request that is sent in one go with others. Longer texts gain nothing, and memory may not suffice.
LONGEST_JOINED = 64 * 1024


class Requests:
    """Requests in order: their numbers, kinds and payloads. One thread takes them."""

    def __init__(self):
        self.queue = SimpleQueue()
        # One that was looked at and left for later.
        self.left = None
        # Those that were taken last.
        self.taken = []

    def put(self, request):
        """Adds a request."""
        self.queue.put(request)

    def is_waiting(self):
        """Returns true if there is one."""
        return self.left is not None or not self.queue.empty()

    def next(self):
        """Waits for the next one."""
        found, self.left = self.left or self.queue.get(), None
        return found

    def take(self, joins):
        """Waits for the next one. Returns it, or several and what `joins` made of those that may be sent in one go."""
        taken, joined = [self.next()], []
        self.taken = taken
        if joins is None:
            return taken, joined
        while self.is_waiting() or joined:
            statement = statement_of(*taken[-1][1:], first=not joined)
            form = joins(*statement, not joined) if statement else None
            if form is None:
                if joined:
                    self.left = taken.pop()
                break
            joined.append(form)
            if not self.is_waiting():
                break
            taken.append(self.next())
        return taken, joined


def statement_of(kind, payload, first):
    """Returns the text and the parameters of a request, None for other requests and for one that wants a key."""
    if payload is None or len(payload.data) > LONGEST_JOINED:
        return None
    fields = Payload(payload.data)
    try:
        if kind == BEGIN and first:
            fields.take(2)
            text, first_text = fields.str(), fields.str()
            return None if first_text else (text, [])
        flags = fields.number("B") if kind == RUN else FLAG_KEY
        if flags & FLAG_KEY or not (first or flags & FLAG_SKIP):
            return None
        fields.number("I")
        return fields.str(), [read_parameter(fields) for _ in range(fields.number("H"))]
    except (Refused, MemoryError):
        # It is told in its turn.
        return None


SimpleQueue = getattr(queue, "SimpleQueue", queue.Queue)
