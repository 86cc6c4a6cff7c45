"""psycopg2."""

import decimal
import importlib
import socket
import struct

from .cancellation import PATIENCE
from .frames import ARRAY, BYTES, DECIMAL, DOUBLE, FLOAT, INTERVAL
from .postgres import Postgres, postgres_text
from .shutdown import shutdown, socket_by_number


def psycopg2_parameter(module):
    """Returns the function that changes a parameter for psycopg2, which writes it into the text as a literal."""

    def change(tag, value):
        if tag in (FLOAT, DOUBLE):
            return module.extensions.AsIs("'{!r}'::float8".format(value))
        if tag == BYTES:
            return module.Binary(value)
        if tag == DECIMAL:
            return decimal.Decimal(value)
        if tag in (INTERVAL, ARRAY) or isinstance(value, str):
            return postgres_text(tag, value)
        return value

    return change


def answers(peer):
    """Returns true if the server at an address answers: it is asked whether it has TLS."""
    family = socket.AF_UNIX if isinstance(peer, (str, bytes)) else socket.AF_INET6 if len(peer) == 4 else socket.AF_INET
    with socket.socket(family) as link:
        link.settimeout(PATIENCE)
        try:
            link.connect(peer)
            link.sendall(struct.pack(">II", 8, 80877103))
            return len(link.recv(1)) == 1
        except OSError:
            return False


class Psycopg2(Postgres):
    """psycopg2. Its cursors buffer all rows."""

    def connect(self, arguments, keywords, duplicate):
        extensions = importlib.import_module("psycopg2.extensions")
        self.extensions = extensions
        self.parameter = psycopg2_parameter(self.module)
        self.connection = self.module.connect(*arguments, **keywords)
        self.connection.autocommit = True
        self.connection.set_client_encoding("UTF8")
        raw = extensions.new_type(tuple(extensions.string_types), "EBBTIDE_RAW", lambda value, _: value)
        extensions.register_type(raw, self.connection)
        self.prepare_session()

    def open_transaction(self):
        return self.connection.info.transaction_status in (1, 2, 3)

    def is_aborted(self):
        return self.connection.info.transaction_status == 3

    def is_closed(self, error):
        return self.connection.closed != 0

    def canceller(self):
        peer = socket_by_number(self.connection.fileno()).getpeername()

        def cancel():
            # The module lets no other thread run until the server has answered.
            if answers(peer):
                self.connection.cancel()

        return cancel

    def breaker(self):
        return shutdown(socket_by_number(self.connection.fileno()))
