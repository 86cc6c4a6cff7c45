"""The base of the drivers whose modules take BEGIN, COMMIT and ROLLBACK as text."""

from .driver import Driver
from .failures import Failure
from .frames import DRIVERS_OWN, SIDECARS_OWN, UNKNOWN


class TextDriver(Driver):
    """A driver that commits each statement by itself, and takes BEGIN, COMMIT and ROLLBACK as text."""

    transactions = "text"
    # The SQLSTATE of a COMMIT that rolled back.
    rolled_back = "40000"

    def open_transaction(self):
        """Returns whether a transaction is open, None if the module does not say."""
        return None

    def is_aborted(self):
        """Returns true if a failed statement has ruined the transaction, so that COMMIT would roll it back."""
        return False

    def begin(self, isolation, read_only, begin_text, first_text):
        for text in begin_text.split(";"):
            if text.strip():
                self.execute(text.strip())
        if self.open_transaction() is False:
            raise Failure(SIDECARS_OWN, "unsupported", "{} began no transaction at {}".format(self.name(), begin_text))
        self.inside = True
        self.failed_inside = False

    def commit(self):
        if self.is_aborted():
            self.rollback()
            raise self.not_committed("a statement in it had failed, so the transaction was rolled back")
        self.execute("COMMIT")
        self.inside = False
        if self.open_transaction():
            raise self.not_committed("the transaction is still open after COMMIT")

    def not_committed(self, reason):
        """Returns the failure of a COMMIT that raised nothing and did not commit."""
        return Failure(DRIVERS_OWN, "ebbtide.NotCommitted", "nothing was committed: " + reason, sqlstate=self.rolled_back)

    def rollback(self):
        self.inside = False
        self.execute("ROLLBACK")
        if self.open_transaction():
            raise Failure(UNKNOWN, "ebbtide.NotRolledBack", "the transaction is still open after ROLLBACK")

    def settled(self, worked):
        if self.inside and not worked:
            self.failed_inside = True
