"""pg8000."""

import importlib
import itertools
import re

from .driver import DIAGNOSTICS
from .frames import NULL
from .postgres import POSTGRES_TYPES, Postgres, postgres_packer, postgres_text
from .shutdown import shutdown


def encryption(verify, root=None, cert=None, key=None):
    """Returns an SSLContext that checks nothing (`none`), the authority (`ca`), or the name of the host, too (`full`)."""
    # A Python may be built without it.
    ssl = importlib.import_module("ssl")
    context = ssl.create_default_context(cafile=root)
    context.check_hostname = verify == "full"
    context.verify_mode = ssl.CERT_NONE if verify == "none" else ssl.CERT_REQUIRED
    if cert:
        context.load_cert_chain(cert, key)
    return context


class Pg8000Result:
    """What pg8000 gives for a statement, all of it."""

    def __init__(self, driver, context):
        self.count = context.row_count
        self.columns = None
        self.rows = context.rows or ()
        self.position = 0
        if context.columns is not None:
            names = driver.type_names([column["type_oid"] for column in context.columns])
            self.columns = [(column["name"], name, 0) for column, name in zip(context.columns, names)]
            self.packer = postgres_packer(names)

    def fetch(self, count):
        """Returns at most as many rows, none at the end."""
        start = self.position
        self.position += count
        return self.rows[start : self.position]

    def next(self):
        """Returns false: there is one result set."""
        return False

    def done(self):
        """Returns the number of affected rows."""
        return self.count, None

    def close(self):
        """There is nothing to close."""


class Pg8000(Postgres):
    """pg8000, which reads all rows at once."""

    PLACEHOLDER = re.compile("%s|%%")

    def connect(self, arguments, keywords, duplicate):
        converters = importlib.import_module("pg8000.converters")
        if isinstance(keywords.get("ssl_context"), dict):
            keywords = dict(keywords, ssl_context=encryption(**keywords["ssl_context"]))
        self.connection = self.module.connect(*arguments, **keywords)
        self.connection.autocommit = True
        for oid in converters.PG_TYPES:
            self.connection.register_in_adapter(oid, str)
        self.prepare_session()

    def run(self, sql, parameters, plain, wants_key):
        if not parameters:
            context = self.connection.execute_simple(sql)
        else:
            # Its cursors halve doubled percent signs outside of quotes only, so the text is written here.
            numbers = itertools.count(1)
            text = self.PLACEHOLDER.sub(lambda found: "${}".format(next(numbers)) if found.group() == "%s" else "%", sql)
            types = [POSTGRES_TYPES.get(tag, 0) for tag, _ in parameters]
            values = [None if tag == NULL else postgres_text(tag, value) for tag, value in parameters]
            context = self.connection.execute_unnamed(text, vals=values, oids=types)
        return Pg8000Result(self, context)

    def question(self, text):
        context = self.connection.execute_simple(text)
        return tuple(item or "" for item in context.rows[0])

    def state(self):
        """Returns the letter of the transaction's status."""
        return self.connection._transaction_status

    def open_transaction(self):
        return self.state() in (b"T", b"E")

    def is_aborted(self):
        return self.state() == b"E"

    def cancelling(self):
        return "abort"

    def canceller(self):
        return shutdown(self.connection._usock)

    @staticmethod
    def fields(error):
        """Returns the fields of the server's answer."""
        first = error.args[0] if error.args else None
        return first if isinstance(first, dict) else {}

    def message(self, error):
        return self.fields(error).get("M") or str(error)

    def sqlstate(self, error):
        return self.fields(error).get("C", "")

    def details(self, error):
        fields = self.fields(error)
        letters = zip("ntcsDHP", DIAGNOSTICS)
        return [(name, fields.get(letter)) for letter, (name, _) in letters]

    def is_closed(self, error):
        return not self.fields(error) and isinstance(error, self.module.InterfaceError)
