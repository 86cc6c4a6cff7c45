"""Modules: which driver serves which, and what can be wrong with them."""

import importlib
import os
import platform
import sys
import traceback

from .driver import Driver
from .duckdb import DuckDb
from .frames import Refused
from .mysql_modules import MariaDb, MySqlConnector, MySqlDb, PyMySql
from .pg8000 import Pg8000
from .psycopg import Psycopg
from .psycopg2 import Psycopg2
from .sqlite import Apsw, Sqlite3

DRIVERS = {
    "MySQLdb": MySqlDb,
    "apsw": Apsw,
    "duckdb": DuckDb,
    "mariadb": MariaDb,
    "mysql.connector": MySqlConnector,
    "pg8000": Pg8000,
    "pg8000.dbapi": Pg8000,
    "pg8000.legacy": Pg8000,
    "psycopg": Psycopg,
    "psycopg2": Psycopg2,
    "pymysql": PyMySql,
    "pysqlite3": Sqlite3,
    "pysqlite3.dbapi2": Sqlite3,
    "sqlite3": Sqlite3,
    "sqlite3.dbapi2": Sqlite3,
}
# The flag of the code of an asynchronous function.
COROUTINE = 0x80


def load(path):
    """Returns the driver for `package.module` or `package.module:attribute`, not yet connected."""
    name, _, attribute = path.partition(":")
    module = imported(name)
    if attribute:
        for part in attribute.split("."):
            if not hasattr(module, part):
                raise Refused("attribute-missing", "the module {} has no attribute {}".format(name, attribute), [where()])
            module = getattr(module, part)
    kind = DRIVERS.get(name if not attribute else getattr(module, "__name__", ""), Driver)
    connect = getattr(module, "connect", None)
    if kind is not Apsw and not callable(connect):
        missing = [word for word in ("connect", "paramstyle", "threadsafety", "apilevel", "Error") if not hasattr(module, word)]
        raise Refused("not-dbapi", "{} is no DB-API 2 module: it has no {}".format(path, ", ".join(missing)), [where()])
    if getattr(getattr(connect, "__code__", None), "co_flags", 0) & COROUTINE:
        raise Refused("not-dbapi", "{}.connect is asynchronous, and DB-API 2 is not; name the module's own driver".format(path))
    return kind(module)


def imported(name):
    """Returns a module, or raises what went wrong."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        # A module that is missing is one thing, one that misses another is another.
        missing = isinstance(error, ModuleNotFoundError) and error.name and (name + ".").startswith(error.name + ".")
        if missing:
            raise Refused("module-missing", "Python finds no module {}".format(error.name), [where()])
        raise import_failed(name)
    except BaseException:
        raise import_failed(name)


def import_failed(name):
    """Returns the error for a module that raised when it was imported."""
    lines = traceback.format_exc().strip().splitlines()
    return Refused("import-failed", "importing {} failed: {}".format(name, lines[-1]), [where()] + lines)


def where():
    """Returns in which Python and where modules were looked for."""
    folders = [folder or os.getcwd() for folder in sys.path[:6]]
    more = ", …" if len(sys.path) > 6 else ""
    version = platform.python_version()
    return "looked for by {} (Python {}) in {}{}".format(sys.executable, version, ", ".join(folders), more)
