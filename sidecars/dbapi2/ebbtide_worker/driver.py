"""A connection of a module of which nothing is known but PEP 249, and the base of all others."""

import inspect
import os

from .failures import SQLSTATE
from .frames import NULL, Refused
from .parameters import object_parameter
from .rows import MOST_ROWS, Packer


class Result:
    """What a statement gave: rows in the order of a cursor, or a count."""

    def __init__(self, driver, cursor, wants_key):
        self.driver = driver
        self.cursor = cursor
        self.wants_key = wants_key
        self.count = -1
        self.describe()

    def describe(self):
        """Reads the columns of the result set that comes first or next."""
        description = self.driver.description(self.cursor)
        self.columns = None
        if description:
            self.columns, self.packer = self.driver.columns(self.cursor, description)

    def fetch(self, count):
        """Returns at most as many rows, none at the end."""
        return self.cursor.fetchmany(count)

    def next(self):
        """Goes to the next result set, if there is one."""
        self.count = max(self.count, self.driver.affected(self.cursor, self.columns))
        nextset = getattr(self.cursor, "nextset", None)
        if nextset is None:
            return False
        try:
            found = nextset()
        except getattr(self.driver.module, "NotSupportedError", ()):
            return False
        if found:
            self.describe()
        return bool(found)

    def done(self):
        """Returns the number of affected rows and the generated key."""
        # A row that was ignored has no key, and what the module tells is that of an earlier one.
        return self.count, self.driver.key(self.cursor) if self.wants_key and self.count else None

    def close(self):
        """Closes the cursor."""
        close = getattr(self.cursor, "close", None)
        if close is not None:
            close()


class Driver:
    """A connection of a module of which nothing is known but PEP 249, and the base of all others.

    Such a module is always in a transaction, so that it is committed after each statement outside of ours.
    """

    transactions = "api"
    savepoints = "1"
    stream = "0"
    quote = '"'
    ddl = ""
    isolation = ""
    levels = ""
    product = ""
    parameter = staticmethod(object_parameter)
    result = Result
    # Says whether a text may be sent in one go with those before it, by the method `together`. None: never.
    joins = None

    def __init__(self, module):
        self.module = module
        self.packer = Packer()
        self.connection = None
        self.inside = False
        self.failed_inside = False
        self.signs_of_life = SIGNS_OF_LIFE
        self.paramstyle = getattr(module, "paramstyle", None) or "qmark"

    # Opening

    def known_keywords(self):
        """Returns the names that `connect` takes as keywords, None if any may be one."""
        return named_parameters(self.module.connect)

    def check(self, keywords):
        """Refuses a keyword that `connect` does not take."""
        known = self.known_keywords() if keywords else None
        for name in keywords:
            if known is not None and name not in known:
                message = "{}.connect has no argument `{}`".format(self.name(), name)
                raise Refused("bad-arguments", message, details=[("option", name), ("known", ",".join(sorted(known)))])

    def connect(self, arguments, keywords, duplicate):
        """Opens the connection."""
        self.connection = self.module.connect(*arguments, **keywords)
        if hasattr(self.connection, "__await__"):
            raise Refused("not-dbapi", "{}.connect is asynchronous; PEP 249 modules are not".format(self.name()))
        self.product = self.product or PRODUCTS.get(self.name().split(".")[0], "") or self.name()
        self.savepoints = self.has_savepoints()

    def has_savepoints(self):
        """Returns `1` if the server takes savepoints, which is tried."""
        try:
            for text in ("SAVEPOINT ebbtide_probe", "ROLLBACK TO SAVEPOINT ebbtide_probe"):
                self.execute(text)
            return "1"
        except self.own_errors():
            return "0"
        finally:
            self.rollback_api()

    def name(self):
        """Returns the name of the module."""
        return getattr(self.module, "__name__", type(self.module).__name__)

    def version(self):
        """Returns the version of the server, if it is known."""
        return ""

    def driver_version(self):
        """Returns the version of the module, if it says one."""
        for name in ("VERSION_STRING", "__version__", "version"):
            found = getattr(self.module, name, None)
            if isinstance(found, str):
                return found
        return ""

    def about(self):
        """Returns the pairs of OPENED."""
        pairs = [
            ("product", self.product),
            ("version", self.version()),
            ("driver", self.name()),
            ("driver-version", self.driver_version()),
            ("transactions", self.transactions),
            ("savepoints", self.savepoints),
            ("paramstyle", self.paramstyle),
            ("quote", self.quote),
            ("ddl", self.ddl),
            ("isolation", self.isolation),
            ("levels", self.levels),
            ("stream", self.stream),
            ("cancel", self.cancelling()),
            ("folding", "none"),
            ("threads", str(self.threads())),
            ("process", str(os.getpid())),
        ]
        return [(name, value) for name, value in pairs if value]

    def threads(self):
        """Returns the thread safety of PEP 249."""
        safety = getattr(self.module, "threadsafety", 0)
        return safety if isinstance(safety, int) else 0

    # Statements

    def cursor(self):
        """Returns a new cursor."""
        return self.connection.cursor()

    def run(self, sql, parameters, plain, wants_key):
        """Runs a statement and returns its result."""
        cursor = self.cursor()
        try:
            if parameters:
                cursor.execute(sql, self.bound(parameters))
            else:
                cursor.execute(sql)
            return self.result(self, cursor, wants_key)
        except BaseException:
            self.forget(cursor)
            raise

    def bound(self, parameters):
        """Returns the parameters in the module's style."""
        values = [None if tag == NULL else self.parameter(tag, value) for tag, value in parameters]
        if self.paramstyle in ("named", "pyformat"):
            return {"p{}".format(number): value for number, value in enumerate(values, 1)}
        return tuple(values)

    @staticmethod
    def forget(cursor):
        """Closes a cursor after an error, which is the one to be told."""
        try:
            cursor.close()
        except Exception:
            pass

    def execute(self, text):
        """Runs a text of the library's own, without parameters, to its end."""
        result = self.run(text, [], True, False)
        try:
            if result.columns is not None:
                while result.fetch(MOST_ROWS):
                    pass
        finally:
            result.close()

    def question(self, text):
        """Returns the first row of a statement as text, or an empty tuple."""
        cursor = self.cursor()
        try:
            cursor.execute(text)
            row = cursor.fetchone() or ()
            while cursor.fetchone():
                pass
        finally:
            self.forget(cursor)
        plain = [item.decode() if isinstance(item, (bytes, bytearray)) else item for item in row]
        return tuple("" if item is None else str(item) for item in plain)

    @staticmethod
    def description(cursor):
        """Returns the description of the rows, None if there are none."""
        return cursor.description

    def columns(self, cursor, description):
        """Returns names, type names and flags of the columns, and what packs their rows."""
        return [(str(column[0]), "", 0) for column in description], self.packer

    def affected(self, cursor, columns):
        """Returns the number of affected rows, -1 if it is not known."""
        count = getattr(cursor, "rowcount", -1)
        return count if isinstance(count, int) and 0 <= count < 1 << 63 else -1

    def key(self, cursor):
        """Returns the generated key, if the module documents one."""
        return None

    # Transactions

    def begin(self, isolation, read_only, begin_text, first_text):
        """Begins a transaction."""
        if (isolation or read_only) and not first_text:
            raise Refused(
                "unsupported",
                "the interface of {} cannot set the isolation level or read-only of a transaction".format(self.name()),
            )
        self.inside = True
        try:
            if first_text:
                self.execute(first_text)
        except BaseException:
            self.rollback()
            raise

    def commit(self):
        """Commits the transaction."""
        self.connection.commit()
        self.inside = False

    def rollback(self):
        """Rolls the transaction back."""
        self.inside = False
        self.connection.rollback()

    def rollback_api(self):
        """Ends the transaction that the module has begun by itself."""
        self.connection.rollback()

    def settled(self, worked):
        """Ends the module's own transaction after a statement outside of ours."""
        if self.inside:
            return
        if not worked:
            self.connection.rollback()
            return
        try:
            self.connection.commit()
        except BaseException:
            # The next commit must not keep what this one has refused.
            self.connection.rollback()
            raise

    def ping(self):
        """Asks the server for a sign of life."""
        ping = getattr(self.connection, "ping", None)
        if callable(ping):
            ping()
            return
        for text in self.signs_of_life:
            try:
                self.execute(text)
                self.signs_of_life = (text,)
                return
            except self.own_errors() as error:
                # A database that does not know the text refuses it, too.
                last = error
                self.rollback_api()
        raise last

    def close(self):
        """Closes the connection."""
        self.connection.close()

    # Cancelling, by another thread

    def cancelling(self):
        """Returns what `cancel` of OPENED says."""
        return "1" if self.canceller() else "0"

    def canceller(self):
        """Returns the function that ends the statement under way, None if there is none."""
        for name in ("cancel", "interrupt"):
            function = getattr(self.connection, name, None)
            if callable(function):
                return function
        return None

    def breaker(self):
        """Returns the function that ends the connection, if `canceller` may be in vain, None otherwise."""
        return None

    # Errors

    def own_errors(self):
        """Returns the classes of the module's own errors. A Warning of PEP 249 is raised and is no Error."""
        found = [getattr(self.module, name, None) for name in ("Error", "Warning")]
        return tuple(kind for kind in found if isinstance(kind, type) and issubclass(kind, Exception))

    def message(self, error):
        """Returns the message of an error."""
        return str(error)

    def sqlstate(self, error):
        """Returns the SQLSTATE of an error, an empty text if it has none."""
        candidates = [getattr(error, name, None) for name in ("sqlstate", "pgcode")] + list(error.args[:1])
        for candidate in candidates:
            if isinstance(candidate, str) and SQLSTATE.match(candidate):
                return candidate
        return ""

    def code(self, error):
        """Returns the number of an error, 0 if it has none."""
        first = error.args[0] if error.args else None
        candidates = [
            getattr(error, name, None) for name in ("sqlite_errorcode", "extendedresult", "errno", "sqlcode", "number")
        ]
        for candidate in candidates + [first, getattr(first, "code", None)]:
            if isinstance(candidate, int) and not isinstance(candidate, bool):
                return candidate
        return 0

    def details(self, error):
        """Returns pairs of what an error says of constraint, table and so on."""
        diag = getattr(error, "diag", None)
        return [(name, getattr(diag, attribute, None)) for name, attribute in DIAGNOSTICS] if diag is not None else []

    def is_closed(self, error):
        """Returns true if the connection is surely closed."""
        return any(getattr(self.connection, name, None) in CLOSED for name in ("closed", "broken"))


def named_parameters(function):
    """Returns the names of a function's parameters, None if it takes any, or does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {parameter.name for parameter in parameters if parameter.kind != parameter.VAR_POSITIONAL}


SIGNS_OF_LIFE = (
    "SELECT 1",
    "SELECT 1 FROM DUAL",
    "SELECT 1 FROM RDB$DATABASE",
    "SELECT 1 FROM SYSIBM.SYSDUMMY1",
    "VALUES (1)",
)
PRODUCTS = {
    "chdb": "ClickHouse",
    "cx_Oracle": "Oracle",
    "firebird": "Firebird",
    "oracledb": "Oracle",
    "pymssql": "Microsoft SQL Server",
    "pytds": "Microsoft SQL Server",
}
DIAGNOSTICS = [
    ("constraint", "constraint_name"),
    ("table", "table_name"),
    ("column", "column_name"),
    ("schema", "schema_name"),
    ("detail", "message_detail"),
    ("hint", "message_hint"),
    ("position", "statement_position"),
]
# psycopg2 says 1 for a closed connection and 2 for a broken one.
CLOSED = (True, 1, 2)
