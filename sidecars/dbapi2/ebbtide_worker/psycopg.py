"""psycopg 3, by its layer of libpq."""

import collections
import functools
import importlib
import re
import select
import threading

from .cancellation import PATIENCE
from .failures import Failure
from .frames import BYTES, SIDECARS_OWN
from .postgres import POSTGRES_NAMES, POSTGRES_TYPES, Postgres, postgres_packer, postgres_text
from .rows import FEW_ROWS, MOST_ROWS
from .shutdown import shutdown, socket_by_number

PREPARED = 100

# Begins of statements that change no table, so that what sessions have prepared stays true: those that give rows, and others.
GIVING = "SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN|EXECUTE|FETCH"
OTHERS = (
    "INSERT|UPDATE|DELETE|MERGE|SET|SAVEPOINT|RELEASE|BEGIN|START|COMMIT|PREPARE|DEALLOCATE|DECLARE|CLOSE|LISTEN|NOTIFY"
)
UNCHANGING = re.compile(r"\s*(?:{}|{})\b".format(GIVING, OTHERS), re.IGNORECASE)
# Statements that neither change a table nor give rows, or but those of settings.
SILENT = re.compile(
    r"\s*(?:(?:{})\b(?!.*\bRETURNING\b)|SELECT pg_catalog\.set_config\()".format(OTHERS), re.IGNORECASE | re.DOTALL
)


class Changes:
    """Counts the changes of tables by all sessions of this process."""

    lock = threading.Lock()
    count = 0

    @classmethod
    def add(cls):
        """Counts a change."""
        with cls.lock:
            cls.count += 1


class Prepared:
    """A text that has come before: the name under which it is prepared, and what it gives, once they are known."""

    def __init__(self):
        self.name = b""
        self.columns = None
        self.packer = None


class PsycopgResult:
    """Rows of libpq, in the order in which it gives results."""

    def __init__(self, driver, prepared=None):
        self.driver = driver
        self.prepared = prepared
        self.held = collections.deque()
        self.ended = False
        self.columns = None
        self.count = -1
        self.position = 0
        self.current = None
        self.receive()

    def receive(self):
        """Reads results up to the next with columns, or to the end."""
        driver = self.driver
        while self.current is None:
            result = self.held.popleft() if self.held else driver.next_result()
            if result is None:
                self.ended = True
                return
            status = result.status
            # libpq tells the count with the last rows, or with a result of its own.
            self.is_last = status not in driver.partial
            if result.command_tuples is not None:
                self.count = max(self.count, result.command_tuples)
            if status in driver.with_rows:
                self.current = result
                self.position = 0
                if self.columns is None:
                    self.describe(result)

    def describe(self, result):
        """Reads the columns of a result. To ask for names of types, what is under way is read to its end first."""
        known = self.prepared
        if known is not None and known.columns is not None:
            self.columns, self.packer = known.columns, known.packer
            return
        oids = [result.ftype(index) for index in range(result.nfields)]
        if any(oid not in POSTGRES_NAMES and oid not in self.driver.names for oid in oids) and not self.held:
            self.held.extend(iter(self.driver.next_result, None))
            self.held.append(None)
        names = self.driver.type_names(oids)
        self.columns = [(result.fname(index).decode(), name, 0) for index, name in enumerate(names)]
        self.packer = postgres_packer(names)
        if known is not None:
            known.columns, known.packer = self.columns, self.packer

    def fetch(self, count):
        """Returns at most as many rows, none at the end of the result set."""
        while self.current is not None:
            result = self.current
            start = self.position
            end = min(start + count, result.ntuples)
            if start < end:
                self.position = end
                return self.rows(result, start, end)
            self.current = None
            if self.is_last:
                return []
            self.receive()
        return []

    def rows(self, result, start, end):
        """Returns rows of a result."""
        if end - start >= FEW_ROWS:
            loader = self.driver.transformer(self.driver.texts_as_they_are)
            loader.set_pgresult(result)
            try:
                return loader.load_rows(start, end, tuple)
            except UnicodeDecodeError:
                # Where the server does not check what it keeps (SQL_ASCII); such a value fails alone.
                pass
        value = result.get_value
        columns = range(len(self.columns))
        return [[value(row, column) for column in columns] for row in range(start, end)]

    def next(self):
        """Goes to the next result set, if there is one."""
        if self.ended:
            return False
        self.columns = None
        self.receive()
        return self.columns is not None

    def done(self):
        """Returns the number of affected rows."""
        return self.count, None

    def close(self):
        """Reads what is left."""
        while not self.ended and (self.held or self.driver.next_result() is not None):
            if self.held and self.held.popleft() is None:
                break
        self.ended = True


class Psycopg(Postgres):
    """psycopg 3, whose layer of libpq reads rows as they come and gives the server's own text."""

    stream = "1"
    PLACEHOLDER = re.compile(r"%(?:\(p(\d+)\)s|%)")

    def known_keywords(self):
        options = {option.keyword.decode() for option in self.module.pq.Conninfo.get_defaults()}
        return options | {"autocommit", "conninfo", "context", "cursor_factory", "prepare_threshold", "row_factory"}

    def connect(self, arguments, keywords, duplicate):
        keywords = dict(keywords, autocommit=True, client_encoding="utf8")
        self.prepares = keywords.get("prepare_threshold", 5) is not None
        self.connection = self.module.connect(*arguments, **keywords)
        self.pq = self.module.pq
        self.link = self.connection.pgconn
        self.link.nonblocking = 0
        self.poll = select.poll()
        self.poll.register(self.link.socket, select.POLLIN)
        # What reads many rows at once, and has every value as text.
        self.transformer = self.module.adapt.Transformer
        self.texts_as_they_are = self.module.adapt.AdaptersMap()
        self.texts_as_they_are.register_loader(0, importlib.import_module("psycopg.types.string").TextLoader)
        if getattr(self.module, "Pipeline", None) and self.module.Pipeline.is_supported():
            self.joins = self.joinable
        self.texts = collections.OrderedDict()
        self.numbered = 0
        self.changes = Changes.count
        self.defined = False
        status = self.pq.ExecStatus
        # Tuples, because an enumeration is slow to hash.
        self.partial = (getattr(status, "TUPLES_CHUNK", status.SINGLE_TUPLE), status.SINGLE_TUPLE)
        self.with_rows = (status.TUPLES_OK,) + self.partial
        self.good = self.with_rows + (status.COMMAND_OK, status.EMPTY_QUERY)
        self.prepare_session()

    def question(self, text):
        self.link.send_query(text.encode())
        row = ()
        for part in iter(self.next_result, None):
            if part.ntuples:
                row = tuple((part.get_value(0, column) or b"").decode() for column in range(part.nfields))
        return row

    def run(self, sql, parameters, plain, wants_key):
        try:
            return self.run_text(sql, parameters, plain)
        finally:
            if not UNCHANGING.match(sql):
                self.note_change(sql)

    def note_change(self, sql):
        """Counts what may have changed tables. A rollback takes changes back, if there are any."""
        if not sql.lstrip()[:8].upper() == "ROLLBACK":
            self.defined = True
        if self.defined:
            Changes.add()

    def rollback(self):
        try:
            super().rollback()
        finally:
            if self.defined:
                self.defined = False
                Changes.add()

    def run_text(self, sql, parameters, plain):
        """Runs a statement as it is, or prepared."""
        if not parameters and plain:
            self.link.send_query(sql.encode())
            self.set_streaming()
            return PsycopgResult(self)
        text, values, types, formats = self.wire(sql, parameters)
        return self.run_prepared(text, types, values, formats)

    def wire(self, sql, parameters):
        """Returns the text, the parameters, their types and their formats as libpq takes them."""
        if parameters:
            sql = self.PLACEHOLDER.sub(lambda found: "$" + found.group(1) if found.group(1) else "%", sql)
        values = [
            value if value is None or tag == BYTES else postgres_text(tag, value).encode() for tag, value in parameters
        ]
        types = [POSTGRES_TYPES.get(tag, 0) for tag, _ in parameters]
        return sql.encode(), values, types, [1 if tag == BYTES else 0 for tag, _ in parameters]

    def run_prepared(self, text, types, values, formats):
        """Runs a statement, which is prepared when it comes for the second time."""
        self.forget_outdated()
        kind = (text, tuple(types))
        prepared = self.texts.get(kind)
        if prepared is None:
            self.remember(kind)
            return self.run_once(text, types, values, formats)
        self.texts.move_to_end(kind)
        try:
            if not prepared.name:
                self.numbered += 1
                name = b"ebbtide_%d" % self.numbered
                self.link.send_prepare(name, text, types)
                while self.next_result() is not None:
                    pass
                prepared.name = name
            self.link.send_query_prepared(prepared.name, values, formats)
            self.set_streaming()
            return PsycopgResult(self, prepared)
        except self.module.Error as error:
            # A table has changed, or the statement is prepared no longer, as behind a pooler: nothing has run.
            if error.sqlstate not in ("0A000", "26000"):
                raise
            self.drop(kind)
            if self.status() != "IDLE":
                raise
            return self.run_once(text, types, values, formats)

    def run_once(self, text, types, values, formats):
        """Runs a statement that is not prepared."""
        self.link.send_query_params(text, values, types, formats)
        self.set_streaming()
        return PsycopgResult(self)

    def remember(self, kind):
        """Notes that a text has come, and forgets the one that has not come for longest."""
        if not self.prepares:
            return
        if len(self.texts) >= PREPARED:
            oldest = next(iter(self.texts))
            self.drop(oldest)
        self.texts[kind] = Prepared()

    def forget_outdated(self):
        """Forgets what was prepared before tables changed: inside of a transaction an error would be its end."""
        changes = Changes.count
        if changes == self.changes:
            return
        self.changes = changes
        names = [prepared.name for prepared in self.texts.values() if prepared.name]
        self.texts.clear()
        if names and self.status() in ("IDLE", "INTRANS"):
            self.link.send_query(b"; ".join(b"DEALLOCATE " + name for name in names))
            self.discard()

    def drop(self, kind):
        """Forgets a prepared statement, here and at the server."""
        prepared = self.texts.pop(kind)
        if prepared.name and self.status() in ("IDLE", "INTRANS"):
            self.link.send_query(b"DEALLOCATE " + prepared.name)
            self.discard()

    def discard(self):
        """Reads what is under way to its end, whatever it says."""
        while self.waited() is not None:
            pass

    def joinable(self, text, parameters, first):
        """Returns a statement as libpq takes it, None if it may not be sent in one go with others.

        It may inside of a transaction, where a failure ends all.
        One that gives more rows than those of settings may not: libpq would hold them all.
        """
        if ";" in text or "\0" in text or not SILENT.match(text):
            return None
        if first and self.status() != "INTRANS" and text[:5].upper() != "BEGIN":
            return None
        try:
            return self.wire(text, parameters)
        except Exception:
            # It is told in its turn.
            return None

    def together(self, statements, begins):
        """Sends statements in one go, and gives the number of affected rows of each. Nothing is run behind one that fails."""
        try:
            counts, failed = self.pipelined(statements)
        except BaseException:
            # Answers may be under way, which the next statement would take for its own.
            self.connection.close()
            raise
        if begins and counts:
            self.inside, self.failed_inside = True, False
        self.settled(failed is None)
        for count in counts:
            yield count
        if failed is not None:
            raise self.module.errors.error_from_result(failed, encoding="utf-8")

    def pipelined(self, statements):
        """Returns the numbers of affected rows up to a statement that fails, and the result that says so, or None."""
        link = self.link
        link.enter_pipeline_mode()
        for statement in statements:
            link.send_query_params(*statement)
        link.pipeline_sync()
        counts, failed = [], None
        for _ in statements:
            for result in iter(self.waited, None):
                if failed is None and result.status not in self.good:
                    failed = result
                count = result.command_tuples
            if failed is None:
                counts.append(-1 if count is None else count)
        # What says that the server has read all.
        self.waited()
        link.exit_pipeline_mode()
        return counts, failed

    def set_streaming(self):
        """Has libpq give rows as they come, many at a time where it can."""
        try:
            self.link.set_chunked_rows_mode(MOST_ROWS)
        except (AttributeError, self.module.NotSupportedError):
            self.link.set_single_row_mode()

    def waited(self):
        """Returns the next result. Waiting lets other threads run, which libpq's own waiting would not."""
        link = self.link
        while link.is_busy():
            self.poll.poll()
            link.consume_input()
        return link.get_result()

    def next_result(self):
        """Returns the next result of the statement under way, None at its end. Raises its error."""
        result = self.waited()
        if result is None or result.status in self.good:
            return result
        status = self.pq.ExecStatus
        if result.status in (status.COPY_IN, status.COPY_OUT, status.COPY_BOTH):
            self.connection.close()
            raise Failure(SIDECARS_OWN, "unsupported", "COPY FROM STDIN and TO STDOUT are not supported", closed=True)
        error = self.module.errors.error_from_result(result, encoding="utf-8")
        self.discard()
        raise error

    def status(self):
        """Returns the name of the transaction's status."""
        return self.pq.TransactionStatus(self.link.transaction_status).name

    def open_transaction(self):
        return self.status() in ("INTRANS", "INERROR", "ACTIVE")

    def is_aborted(self):
        return self.status() == "INERROR"

    def canceller(self):
        # The former takes no longer than it is told to, with libpq 17.
        safe = getattr(self.connection, "cancel_safe", None)
        return functools.partial(safe, timeout=PATIENCE) if safe else self.link.get_cancel().cancel

    def breaker(self):
        return shutdown(socket_by_number(self.link.socket))

    def is_closed(self, error):
        # Without a link it could not connect.
        link = getattr(self, "link", None)
        return link is None or link.status != self.pq.ConnStatus.OK
