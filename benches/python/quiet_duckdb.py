"""DuckDB for databasez, whose pool rolls back at each return: DuckDB's own error for that is kept quiet."""

from duckdb import *
from duckdb import TransactionException, connect as connect_loudly

paramstyle = "qmark"
threadsafety = 1
apilevel = "2.0"


class Cursor:
    """The connection as a cursor: a cursor of DuckDB's is another connection, outside of the transaction of this one."""

    def __init__(self, connection):
        self.connection = connection
        self.fetchone = connection.fetchone
        self.fetchmany = connection.fetchmany
        self.fetchall = connection.fetchall

    description = property(lambda self: self.connection.description)
    rowcount = property(lambda self: self.connection.rowcount)

    def execute(self, *arguments):
        self.connection.execute(*arguments)
        return self

    def close(self):
        """Leaves the connection open."""


class Connection:
    """A connection whose rollback and commit outside of a transaction do nothing."""

    def __init__(self, connection):
        self.connection = connection
        self.close = connection.close

    def cursor(self):
        return Cursor(self.connection)

    def rollback(self):
        try:
            self.connection.rollback()
        except TransactionException:
            pass

    def commit(self):
        try:
            self.connection.commit()
        except TransactionException:
            pass


def connect(*arguments, **keywords):
    """Opens a connection."""
    return Connection(connect_loudly(*arguments, **keywords))
