//! The one error type: a kind to match on, a message to read, a source for the rest.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

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
    /// The connection broke, or was given up because a call on it was cancelled half-way.
    ConnectionLost,
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
    /// The connection that reported it must not be used again.
    fatal: bool,
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
            fatal: false,
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

    /// Says of what it was said.
    pub(crate) fn said_of(mut self, whom: &str) -> Self {
        self.0.message = format!("{whom}: {}", self.0.message).into();
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

    /// The driver's own error, if this one was made from it.
    pub(crate) fn into_native(mut self) -> Result<sqlx::Error, Self> {
        match self.0.source.take().map(<dyn StdError + Send + Sync>::downcast) {
            Some(Ok(native)) => Ok(*native),
            Some(Err(source)) => {
                self.0.source = Some(source);
                Err(self)
            }
            None => Err(self),
        }
    }

    pub(crate) fn is_fatal(&self) -> bool {
        self.0.fatal
    }

    pub(crate) fn ends_transaction(&self) -> bool {
        self.0.ends_transaction
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

    /// Whether running the whole transaction again may succeed: serialization failures, deadlocks,
    /// lock time-outs of the server.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }
}

/// What to do when a connection is lost.
pub(crate) const LOST: &str =
    "the pool opens another; what was not committed is undone, so run the work again from its beginning";

/// What a syntax error means.
pub(crate) const SYNTAX: &str = "the server stopped at the text it names; the mistake is there or just before it";

/// What a column that is missing means.
pub(crate) const NO_COLUMN: &str = "is the name right, and did the migrations run on this database?";

/// What the drivers report in common; their databases' own errors are told apart by each backend.
impl Error {
    /// The error for one of sqlx that did not come from the database itself.
    pub(crate) fn from_sqlx(error: sqlx::Error) -> Self {
        use sqlx::Error as Sqlx;
        let new = |kind, message: String| Self::new(kind, message);
        let mapped = match &error {
            Sqlx::Io(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
                new(ErrorKind::ConnectionLost, "the server closed the connection".to_owned()).fatal()
            }
            Sqlx::Io(cause) => new(ErrorKind::ConnectionLost, format!("the connection broke: {cause}")).fatal(),
            Sqlx::Tls(cause) => new(ErrorKind::ConnectionLost, format!("the TLS session broke: {cause}")).fatal(),
            // SQLite's driver tells so before anything is sent.
            Sqlx::Protocol(what) if what.starts_with("unsupported SQL parameter format") => {
                new(ErrorKind::Parameter, what.clone())
                    .help("in a statement of sqlx write `?` or `$1`; `:name` is for the verbs of this library")
            }
            Sqlx::Protocol(what) => new(
                ErrorKind::ConnectionLost,
                format!("the driver lost track of the connection: {what}"),
            )
            .fatal(),
            Sqlx::WorkerCrashed => new(
                ErrorKind::ConnectionLost,
                "the thread of the connection has ended".to_owned(),
            )
            .fatal(),
            Sqlx::Configuration(cause) => new(ErrorKind::Config, cause.to_string()),
            Sqlx::Encode(cause) => new(ErrorKind::Parameter, cause.to_string()),
            Sqlx::InvalidArgument(what) => new(ErrorKind::Parameter, what.clone()),
            Sqlx::Decode(cause) | Sqlx::ColumnDecode { source: cause, .. } => new(ErrorKind::Decode, cause.to_string()),
            Sqlx::ColumnIndexOutOfBounds { .. } | Sqlx::ColumnNotFound(_) => new(ErrorKind::Decode, error.to_string()),
            Sqlx::RowNotFound => new(ErrorKind::RowNotFound, "the statement returned no row".to_owned()),
            Sqlx::TypeNotFound { type_name } => new(
                ErrorKind::UndefinedObject,
                format!("the database has no type {type_name:?}"),
            ),
            Sqlx::Database(answer) => new(ErrorKind::Database, answer.message().to_owned()),
            _ => new(ErrorKind::Driver, error.to_string()),
        };
        let mapped = if mapped.is_fatal() { mapped.help(LOST) } else { mapped };
        mapped.with_source(error)
    }

    /// The error for a `server` that could not be reached at `place`.
    pub(crate) fn unreachable_server(server: &str, place: &str, error: sqlx::Error) -> Self {
        use std::io::ErrorKind as Io;
        const TLS: &str = "choose with `sslmode` how much TLS is asked for, name the root certificate with `sslrootcert`, \
                           and build with the Cargo feature `tls`";
        let (message, help) = match &error {
            sqlx::Error::Io(cause) => {
                let help = match cause.kind() {
                    Io::ConnectionRefused | Io::NotFound => {
                        format!("is {server} running there, and is the port right?")
                    }
                    Io::PermissionDenied => "this program may not open the socket".to_owned(),
                    Io::UnexpectedEof | Io::ConnectionReset => {
                        format!("the server closed the connection at once; is it {server}, and not full?")
                    }
                    Io::InvalidData => TLS.to_owned(),
                    _ => "is the host name right, and the network up?".to_owned(),
                };
                (format!("cannot connect to {server} at {place}: {cause}"), help)
            }
            sqlx::Error::Tls(cause) => (
                format!("cannot connect to {server} at {place} with TLS: {cause}"),
                TLS.to_owned(),
            ),
            sqlx::Error::Protocol(what) => (
                format!("what answers at {place} is not {server}: {what}"),
                "is the port right?".to_owned(),
            ),
            other => (
                format!("cannot connect to {server} at {place}: {other}"),
                "is the address right?".to_owned(),
            ),
        };
        Self::new(ErrorKind::Connect, message).help(help).with_source(error)
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

/// For code written for sqlx. What the database said is sqlx's own error again; what this crate itself has to say is in
/// [`sqlx::Error::Configuration`], whose `source()` is this error.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// use std::error::Error;
/// let error = database.fetch_all("SELECT * FROM missing", ()).await.unwrap_err();
/// assert!(matches!(sqlx::Error::from(error), sqlx::Error::Database(_)));
///
/// database.disconnect().await?;
/// let error = sqlx::Error::from(database.fetch_all("SELECT 1", ()).await.unwrap_err());
/// let own: &ebbtide::Error = error.source().and_then(|source| source.downcast_ref()).expect("it is inside");
/// assert_eq!(own.kind(), ebbtide::ErrorKind::NotConnected);
/// # Ok(()) }
/// ```
impl From<Error> for sqlx::Error {
    fn from(error: Error) -> Self {
        let while_connecting = matches!(
            error.kind(),
            ErrorKind::Connect | ErrorKind::Authentication | ErrorKind::NotConnected
        );
        if while_connecting {
            return Self::Configuration(error.into());
        }
        error
            .into_native()
            .unwrap_or_else(|error| Self::Configuration(error.into()))
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// The candidate nearest to `wanted`, if it is near enough to be what was meant: at most two slips of the pen
/// (a letter too many, too few, wrong, or swapped with its neighbour), or one in three letters of a long word.
pub(crate) fn nearest<'c>(wanted: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted: Vec<char> = wanted.chars().flat_map(char::to_lowercase).collect();
    // In a short word two slips leave little of it.
    let limit = if wanted.len() <= 5 {
        1
    } else {
        (wanted.len() / 3).max(2)
    };
    candidates
        .into_iter()
        .map(|candidate| {
            let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
            (slips(&wanted, &letters), candidate)
        })
        .filter(|(slips, _)| *slips <= limit)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// How many slips lead from one word to the other.
fn slips(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = Vec::with_capacity(to.len() + 1);
        row.push(i + 1);
        for (j, b) in to.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn nearest_allows_two_slips_and_no_more() {
        let known = ["host", "port", "pool_size", "statement_cache_capacity"];
        for (word, expected) in [
            ("hots", Some("host")),
            ("poolsize", Some("pool_size")),
            ("POOL_SIZE", Some("pool_size")),
            ("statment_cash_capacity", Some("statement_cache_capacity")),
            ("p", None),
            ("", None),
            ("banana", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
