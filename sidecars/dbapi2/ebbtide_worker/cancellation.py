"""The cancellation of a statement, by threads of its own."""

import threading

# Seconds in which a cancelled statement has to end, and then the driver's function that cancels.
PATIENCE = 2


class Cancellation:
    """Cancels a statement until it has ended: the first time may come before the driver has begun.

    One that does not end loses its connection, if the driver knows how: its server may be out of reach.
    """

    def __init__(self, driver):
        self.has_ended = threading.Event()
        self.lock = threading.Lock()
        self.has_broken = False
        # Now, while the connection is certainly open.
        breaker = driver.breaker()
        self.tries = started(self.try_until_it_has_ended, driver)
        if breaker is not None:
            try:
                started(self.break_late, breaker)
            except RuntimeError:
                # There is no thread for it: the driver cancels all the same, which `end` waits for.
                pass

    def try_until_it_has_ended(self, driver):
        """Cancels again and again."""
        try:
            cancel = driver.canceller()
        except Exception:
            return
        while cancel is not None and not self.has_ended.is_set():
            try:
                cancel()
            except Exception:
                pass
            self.has_ended.wait(0.05)

    def break_late(self, breaker):
        """Ends the connection of a statement that has not ended."""
        if self.has_ended.wait(PATIENCE):
            return
        # The statement may be ending at this moment; then its connection is left alone.
        with self.lock:
            if self.has_ended.is_set():
                return
            self.has_broken = True
            try:
                breaker()
            except OSError:
                # It is closed already.
                pass

    def end(self):
        """Notes that the statement has ended. Returns false if the connection is of no use: it was ended, or the driver still
        cancels, which could reach the next statement."""
        with self.lock:
            self.has_ended.set()
        self.tries.join(PATIENCE + 1)
        return not self.has_broken and not self.tries.is_alive()


def started(function, *arguments):
    """Returns a thread that runs a function and does not keep the process."""
    thread = threading.Thread(target=function, args=arguments)
    thread.daemon = True
    thread.start()
    return thread
