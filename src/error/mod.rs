//! The one error type: a kind to match on, a message to read, a source for the rest.

mod driver;
mod nearest;
mod outcome;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

pub(crate) use driver::{LOST, NO_COLUMN, REPLACED, SYNTAX};
pub(crate) use nearest::nearest;

/// The result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, for `match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The database URL cannot be read, or names an unknown scheme or option.
    Url,
    /// The configuration contradicts itself, or a key or value in it is unknown.
    Config,
    /// The server could not be reached: refused, unknown host, or the socket broke while connecting.
    Connect,
    /// The server refused the user name or the password.
    Authentication,
    /// The server has no database of that name, or the SQLite file cannot be opened.
    DatabaseNotFound,
    /// A time limit ran out; the message names the step that was waited for.
    Timeout,
    /// The `Database` is used before `connect` or after the last `disconnect`.
    NotConnected,
    /// The connection broke, or was given up because a call on it was cancelled half-way. Nothing of what was under way has
    /// stayed; where the work can be run again, [`Error::is_retryable`] says so.
    ConnectionLost,
    /// A commit, or a statement outside of transactions that may write, was sent, and its answer was lost: the server may
    /// have done it. See [`Error::outcome_unknown`].
    OutcomeUnknown,
    /// The server could not parse the statement.
    Syntax,
    /// A table, column, function or other object named in the statement is missing.
    UndefinedObject,
    /// An object to be created is there already.
    DuplicateObject,
    /// A constraint was violated; [`Error::constraint`] tells which.
    Constraint,
    /// Another transaction got in between; running the transaction again may succeed.
    Serialization,
    /// The server chose this transaction as the victim of a deadlock.
    Deadlock,
    /// A lock was not granted in time (SQLite: the database is locked).
    LockTimeout,
    /// The user lacks a privilege.
    Permission,
    /// A write in a read-only transaction or database.
    ReadOnly,
    /// A parameter is missing, unused, given twice, or of a type the backend cannot take.
    Parameter,
    /// A column is missing or cannot be read as the type that was asked for.
    Decode,
    /// `fetch_one` or `fetch_value` found no row.
    RowNotFound,
    /// The transaction was already committed or rolled back.
    TransactionEnded,
    /// The server has aborted the transaction; only a rollback is possible.
    TransactionAborted,
    /// Two operations that exclude each other met on one connection.
    ConcurrentUse,
    /// The statement was not sent, because it would begin or end a transaction behind the back of the one it is in, or of
    /// the connection's next user.
    Refused,
    /// The force-rollback transaction was ended by something inside it.
    SandboxBroken,
    /// The backend has no such feature.
    Unsupported,
    /// A hook of the user returned an error.
    Hook,
    /// The program was asked to stop, by Ctrl-C or by the system.
    Interrupted,
    /// Any other error the server reported.
    Database,
    /// The driver reported something this crate has no better word for.
    Driver,
}

/// The sort of a violated constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConstraintKind {
    /// `UNIQUE` or `PRIMARY KEY`.
    Unique,
    /// `REFERENCES`.
    ForeignKey,
    /// `NOT NULL`.
    NotNull,
    /// `CHECK`.
    Check,
    /// `EXCLUDE` (PostgreSQL).
    Exclusion,
}

/// A violated constraint: its sort, and its name and table where the server tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Constraint {
    /// The sort of constraint.
    pub kind: ConstraintKind,
    /// Its name; SQLite tells the columns (`note.id`) instead of a name.
    pub name: Option<String>,
    /// The table it belongs to, where the server says so.
    pub table: Option<String>,
}

impl Constraint {
    /// A constraint of which the server told nothing but the sort.
    pub(crate) fn new(kind: ConstraintKind) -> Self {
        Self {
            kind,
            name: None,
            table: None,
        }
    }
}

/// An error of this crate or of the database behind it.
///
/// [`kind`](Self::kind) is for programs, `Display` for people; `Display` shows this level only, and
/// [`source`](StdError::source) leads to the driver's own error. No message ever holds a password.
pub struct Error(Box<Inner>);

#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    help: Option<Cow<'static, str>>,
    code: Option<String>,
    /// The number the server has for the error beside its SQLSTATE (MySQL).
    number: Option<u16>,
    constraint: Option<Constraint>,
    /// The server ended the whole transaction with this error.
    ends_transaction: bool,
    /// The error is of the statement alone: the transaction goes on as if it had not been sent.
    of_statement: bool,
    /// The connection that reported it must not be used again.
    fatal: bool,
    /// Although it is fatal, nothing was done: the server said so, or nothing was sent.
    refusing: bool,
    retryable: bool,
    /// A replica reported it, and the primary may do better.
    of_replica: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` that says `message`. Cold, so that the ways to it lie beside those that succeed.
    #[cold]
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            help: None,
            code: None,
            number: None,
            constraint: None,
            ends_transaction: false,
            of_statement: false,
            fatal: false,
            refusing: false,
            retryable: matches!(kind, ErrorKind::Serialization | ErrorKind::Deadlock),
            of_replica: false,
            source: None,
        }))
    }

    /// Says what to do next, on a line of its own.
    pub(crate) fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The server's own code: an SQLSTATE, or SQLite's extended result code.
    pub(crate) fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// The server's number for it, which is finer than its SQLSTATE.
    pub(crate) fn with_number(mut self, number: u16) -> Self {
        self.0.number = Some(number);
        self
    }

    pub(crate) fn with_constraint(mut self, constraint: Constraint) -> Self {
        self.0.constraint = Some(constraint);
        self
    }

    /// Keeps the error this one came from.
    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts in front of the message what failed; everything else stays as it is.
    pub(crate) fn context(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message).into();
        self
    }

    /// Says where in the source it comes from.
    pub(crate) fn at(mut self, place: &Location<'_>) -> Self {
        self.0.message = format!("{} (at {place})", self.0.message).into();
        self
    }

    /// Marks that the connection which reported this must be thrown away.
    pub(crate) fn fatal(mut self) -> Self {
        self.0.fatal = true;
        self
    }

    /// Marks that the server ended the whole transaction with this error (a MySQL deadlock victim).
    pub(crate) fn ending_transaction(mut self) -> Self {
        self.0.ends_transaction = true;
        self
    }

    /// Marks that the error is certainly of the statement alone, so that nobody has to ask whether the transaction stands.
    pub(crate) fn of_statement(mut self) -> Self {
        self.0.of_statement = true;
        self
    }

    /// Marks that running the transaction again may succeed.
    pub(crate) fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    /// Marks that a replica reported this, and that the primary may do better.
    pub(crate) fn of_replica(mut self) -> Self {
        self.0.of_replica = true;
        self
    }

    pub(crate) fn is_of_replica(&self) -> bool {
        self.0.of_replica
    }

    /// Parts it from the driver's own error, if it was made from one.
    pub(crate) fn split(mut self) -> (Self, Option<sqlx::Error>) {
        match self.0.source.take().map(<dyn StdError + Send + Sync>::downcast) {
            Some(Ok(native)) => (self, Some(*native)),
            Some(Err(source)) => {
                self.0.source = Some(source);
                (self, None)
            }
            None => (self, None),
        }
    }

    /// The same, from another connection: to the one it is passed on to it says nothing.
    pub(crate) fn passed_on(mut self) -> Self {
        self.0.fatal = false;
        self.0.ends_transaction = false;
        self.0.of_statement = false;
        self.0.of_replica = false;
        self
    }

    pub(crate) fn is_fatal(&self) -> bool {
        self.0.fatal
    }

    pub(crate) fn ends_transaction(&self) -> bool {
        self.0.ends_transaction
    }

    pub(crate) fn is_of_statement(&self) -> bool {
        self.0.of_statement
    }

    /// The kind of error, for `match`.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without the advice that `Display` adds.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The advice that `Display` adds to the message.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The SQLSTATE the server gave (SQLite: its extended result code, in decimal).
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The finest code the server gave: MySQL's number, else the SQLSTATE or SQLite's extended result code.
    pub(crate) fn finest_code(&self) -> Option<Cow<'_, str>> {
        let number = self.0.number.map(|number| number.to_string().into());
        number.or_else(|| self.sqlstate().map(Cow::Borrowed))
    }

    /// The violated constraint, where [`kind`](Self::kind) is [`ErrorKind::Constraint`].
    pub fn constraint(&self) -> Option<&Constraint> {
        self.0.constraint.as_ref()
    }

    /// Whether running the whole transaction again may succeed: after serialization failures, deadlocks and lock time-outs of
    /// the server, and after a lost connection where surely nothing has stayed.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(help) = &self.0.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

/// For people too: `fn main() -> ebbtide::Result<()>` and `unwrap` print it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)?;
        if let Some(code) = &self.0.code {
            write!(f, " [{code}]")?;
        }
        if let Some(help) = &self.0.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
