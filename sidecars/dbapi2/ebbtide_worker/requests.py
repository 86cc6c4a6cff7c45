"""The requests of a channel that wait for their turn."""

import queue

from .frames import BEGIN, FLAG_KEY, FLAG_SKIP, Payload, RUN, Refused

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
        """Waits for the next one. Returns it, or several and their texts, if `joins` says that those may be sent in one go."""
        taken, texts = [self.next()], []
        self.taken = taken
        if joins is None:
            return taken, texts
        while self.is_waiting() or texts:
            text = text_of(*taken[-1][1:], first=not texts)
            if text is None or not joins(text, not texts):
                if texts:
                    self.left = taken.pop()
                break
            texts.append(text)
            if not self.is_waiting():
                break
            taken.append(self.next())
        return taken, texts


def text_of(kind, payload, first):
    """Returns the text of a request without values, None for other requests and for one that wants a key."""
    if payload is None or len(payload.data) > LONGEST_JOINED:
        return None
    fields = Payload(payload.data)
    try:
        if kind == BEGIN and first:
            fields.take(2)
            text, first_text = fields.str(), fields.str()
            return None if first_text else text
        flags = fields.number("B") if kind == RUN else FLAG_KEY
        if flags & FLAG_KEY or not (first or flags & FLAG_SKIP):
            return None
        fields.number("I")
        text = fields.str()
        return None if fields.number("H") else text
    except (Refused, MemoryError):
        # It is told in its turn.
        return None


SimpleQueue = getattr(queue, "SimpleQueue", queue.Queue)
