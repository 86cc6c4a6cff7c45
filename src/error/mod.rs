//! The error type of this crate: a kind to match on, a message to read, and a source for the rest.

mod driver;
mod nearest;
mod outcome;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

pub(crate) use driver::{CLOSED_EARLIER, LOST, NO_COLUMN, REPLACED, SYNTAX, advice};
pub(crate) use nearest::nearest;

/// The result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an error, for `match`.
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
    /// A time limit expired; the message names the step.
    Timeout,
    /// The `Database` was used before `connect` or after the last `disconnect`.
    NotConnected,
    /// The connection broke, or was dropped because a call on it was cancelled half-way. Nothing of the work remains;
    /// [`Error::is_retryable`] says whether it can run again.
    ConnectionLost,
    /// The answer to a commit, or to a statement outside of a transaction that may write, was lost. The server may have
    /// executed it. See [`Error::outcome_unknown`].
    OutcomeUnknown,
    /// The server could not parse the statement.
    Syntax,
    /// A table, column, function or other object named in the statement is missing.
    UndefinedObject,
    /// An object to be created already exists.
    DuplicateObject,
    /// A constraint was violated; [`Error::constraint`] says which.
    Constraint,
    /// Another transaction interfered; running the transaction again may succeed.
    Serialization,
    /// The server chose this transaction as the victim of a deadlock.
    Deadlock,
    /// A lock was not granted in time (SQLite: the database is locked).
    LockTimeout,
    /// The user lacks a privilege.
    Permission,
    /// A write in a read-only transaction or database.
    ReadOnly,
    /// A parameter is missing, unused, given twice, or of a type that the backend does not support.
    Parameter,
    /// A column is missing or cannot be read as the requested type.
    Decode,
    /// `fetch_one` or `fetch_value` found no row.
    RowNotFound,
    /// The transaction was already committed or rolled back.
    TransactionEnded,
    /// The server has aborted the transaction; only a rollback is possible.
    TransactionAborted,
    /// Two operations that exclude each other ran on one connection at the same time.
    ConcurrentUse,
    /// The statement was not sent, because it would start or end a transaction unnoticed by the current transaction, or
    /// by the connection's next user.
    Refused,
    /// Something ended the outer transaction of the sandbox, or of force rollback.
    SandboxBroken,
    /// The backend does not support the feature.
    Unsupported,
    /// A hook of the user returned an error.
    Hook,
    /// The program was asked to stop, by Ctrl-C or by the system.
    Interrupted,
    /// Any other error the server reported.
    Database,
    /// The driver reported an error that fits no other kind.
    Driver,
}

/// The kind of a violated constraint.
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

/// A violated constraint: its kind, and its name and table if the server reports them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Constraint {
    /// The kind of the constraint.
    pub kind: ConstraintKind,
    /// The name of the constraint; SQLite reports the columns (`note.id`) instead of a name.
    pub name: Option<String>,
    /// The table of the constraint, if the server reports it.
    pub table: Option<String>,
}

impl Constraint {
    /// Creates a constraint of which the server reported only the kind.
    pub(crate) fn new(kind: ConstraintKind) -> Self {
        Self {
            kind,
            name: None,
            table: None,
        }
    }
}

/// An error of this crate or of the database.
///
/// [`kind`](Self::kind) is for programs, `Display` for people. `Display` shows this error only, and
/// [`source`](StdError::source) leads to the driver's own error. No message ever contains a password.
pub struct Error(Box<Inner>);

#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    help: Option<Cow<'static, str>>,
    code: Option<String>,
    /// The server's number for the error, in addition to its SQLSTATE (MySQL), or the driver's (JDBC).
    number: Option<i64>,
    constraint: Option<Constraint>,
    /// Set if the server ended the whole transaction with this error.
    ends_transaction: bool,
    /// Set if only the statement failed: the transaction continues as if it had not been sent.
    of_statement: bool,
    /// Set if the connection that reported the error must not be used again.
    fatal: bool,
    /// Set if nothing was done although the error is fatal: the server said so, or nothing was sent.
    refusing: bool,
    retryable: bool,
    /// Set if a replica reported the error, and the primary may succeed.
    of_replica: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Creates an error of `kind` with `message`. Cold, so that the compiler favours the paths that succeed.
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

    /// Sets the advice on what to do next, which has its own line.
    pub(crate) fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Sets the server's own code: an SQLSTATE, or SQLite's extended result code.
    pub(crate) fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Sets the server's number for the error, which is finer than its SQLSTATE.
    pub(crate) fn with_number(mut self, number: impl Into<i64>) -> Self {
        self.0.number = Some(number.into());
        self
    }

    pub(crate) fn with_constraint(mut self, constraint: Constraint) -> Self {
        self.0.constraint = Some(constraint);
        self
    }

    /// Sets the error that caused this one.
    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts the failed operation in front of the message; everything else stays unchanged.
    pub(crate) fn context(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message).into();
        self
    }

    /// Adds the place in the source to the message.
    pub(crate) fn at(mut self, place: &Location<'_>) -> Self {
        self.0.message = format!("{} (at {place})", self.0.message).into();
        self
    }

    /// Marks that the connection that reported this must be discarded.
    pub(crate) fn fatal(mut self) -> Self {
        self.0.fatal = true;
        self
    }

    /// Marks that the server ended the whole transaction with this error (a MySQL deadlock victim).
    pub(crate) fn ending_transaction(mut self) -> Self {
        self.0.ends_transaction = true;
        self
    }

    /// Marks that certainly only the statement failed, so that the state of the transaction needs no check.
    pub(crate) fn of_statement(mut self) -> Self {
        self.0.of_statement = true;
        self
    }

    /// Marks that running the transaction again may succeed.
    pub(crate) fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    /// Marks that a replica reported this, and that the primary may succeed.
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

    /// Returns the kind of the error, for `match`.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the message alone, without the advice that `Display` adds.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the advice that `Display` adds to the message.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Returns the SQLSTATE that the server gave (SQLite: its extended result code, in decimal; SQL Server: its number).
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns the finest code that the server gave: MySQL's number, else the SQLSTATE or SQLite's extended result
    /// code.
    pub(crate) fn finest_code(&self) -> Option<Cow<'_, str>> {
        let number = self.0.number.map(|number| number.to_string().into());
        number.or_else(|| self.sqlstate().map(Cow::Borrowed))
    }

    /// Returns the violated constraint, if [`kind`](Self::kind) is [`ErrorKind::Constraint`].
    pub fn constraint(&self) -> Option<&Constraint> {
        self.0.constraint.as_ref()
    }

    /// Returns whether running the whole transaction again may succeed. It may after serialization failures, deadlocks
    /// and lock timeouts of the server, and after a lost connection if certainly nothing of the work remains.
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

/// Formats the error for people, because `fn main() -> ebbtide::Result<()>` and `unwrap` print it.
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
