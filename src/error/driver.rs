//! Errors that all drivers report. Each backend classifies the errors of its own database.

use super::{Error, ErrorKind};

/// The advice for a lost connection after which nothing of the work remains.
pub(crate) const LOST: &str =
    "the pool opens another connection; uncommitted work is rolled back, so run the work again from its beginning";

/// The message for a call that needs a connection which the library has closed before.
pub(crate) const CLOSED_EARLIER: &str =
    "the connection was closed earlier, after an error, a time-out or a cancelled call";

/// The advice for a lost connection if the outcome of the work is unknown.
pub(crate) const REPLACED: &str = "the pool opens another connection for the next caller";

/// The advice for a syntax error.
pub(crate) const SYNTAX: &str = "the mistake is at the text that the server quotes, or just before it";

/// The advice for a missing column.
pub(crate) const NO_COLUMN: &str = "is the name right, and did the migrations run on this database?";

/// Returns the advice for an error of a database of which no more than its kind is known.
pub(crate) fn advice(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Syntax => Some(SYNTAX),
        ErrorKind::UndefinedObject => Some(NO_COLUMN),
        _ => None,
    }
}

impl Error {
    /// Converts an error of sqlx that did not come from the database itself.
    pub(crate) fn from_sqlx(error: sqlx::Error) -> Self {
        use sqlx::Error as Sqlx;
        let new = |kind, message: String| Self::new(kind, message);
        let mapped = match &error {
            Sqlx::Io(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
                new(ErrorKind::ConnectionLost, "the server closed the connection".to_owned()).fatal()
            }
            Sqlx::Io(cause) => new(ErrorKind::ConnectionLost, format!("the connection broke: {cause}")).fatal(),
            Sqlx::Tls(cause) => new(ErrorKind::ConnectionLost, format!("the TLS session broke: {cause}")).fatal(),
            // SQLite's driver reports this before it sends anything.
            Sqlx::Protocol(what)
                if what.starts_with("unsupported SQL parameter format")
                    || what.starts_with("parameters with non-integer names") =>
            {
                new(ErrorKind::Parameter, what.clone())
                    .help("write `?` or `$1` in a statement of sqlx; only the methods of this library support `:name`")
            }
            // The drivers run these checks before they send the statement.
            Sqlx::Protocol(what) if what.contains("too many arguments for query") => {
                new(ErrorKind::Parameter, what.clone())
            }
            Sqlx::Protocol(what) if what.starts_with("prepared statement expected ") => {
                new(ErrorKind::Parameter, what.clone()).fatal().refusing()
            }
            Sqlx::Protocol(what) => new(
                ErrorKind::ConnectionLost,
                format!("the driver reported a protocol error: {what}"),
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
        let mapped = if mapped.leaves_open() {
            mapped.help(REPLACED)
        } else {
            mapped
        };
        mapped.with_source(error)
    }

    /// Returns the error of a connection that an earlier error has ended.
    #[allow(dead_code, reason = "for drivers that this library reads the answers of itself")]
    pub(crate) fn connection_gone() -> Self {
        Self::new(ErrorKind::ConnectionLost, CLOSED_EARLIER)
            .help(LOST)
            .fatal()
            .refusing()
            .retryable()
    }

    /// Returns the error for a `server` that could not be reached at `place`.
    pub(crate) fn unreachable_server(server: &str, place: &str, error: sqlx::Error) -> Self {
        use std::io::ErrorKind as Io;
        const TLS: &str = "choose the use of TLS with `sslmode`, name the root certificate with `sslrootcert`, and \
                           build with the Cargo feature `tls`";
        let (message, help) = match &error {
            sqlx::Error::Io(cause) => {
                let help = match cause.kind() {
                    Io::ConnectionRefused | Io::NotFound => {
                        format!("is {server} running there, and is the port right?")
                    }
                    Io::PermissionDenied => "this program is not allowed to open the socket".to_owned(),
                    Io::UnexpectedEof
                    | Io::ConnectionReset
                    | Io::ConnectionAborted
                    | Io::BrokenPipe
                    | Io::NotConnected
                    | Io::WriteZero => closed_at_once(server),
                    Io::InvalidData => TLS.to_owned(),
                    _ => "is the host name right, and is the network up?".to_owned(),
                };
                (format!("cannot connect to {server} at {place}: {cause}"), help)
            }
            sqlx::Error::Tls(cause) => (
                format!("cannot connect to {server} at {place} with TLS: {cause}"),
                TLS.to_owned(),
            ),
            // The driver of PostgreSQL takes the end of the connection for an answer.
            sqlx::Error::Protocol(what) if what.contains("response from SSLRequest: 0x00") => (
                format!("cannot connect to {server} at {place}: the connection was closed without an answer"),
                closed_at_once(server),
            ),
            sqlx::Error::Protocol(what) => (
                format!("the server at {place} is not {server}: {what}"),
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

fn closed_at_once(server: &str) -> String {
    format!(
        "something accepted the connection and closed it: does a proxy in between reach {server}, is that what listens \
         there, and does it accept more connections?"
    )
}

/// For code written for sqlx. An error of the database becomes sqlx's own error again. An error of this crate, such as an
/// [unknown outcome](Error::outcome_unknown), or one that is [retryable](Error::is_retryable) where the driver's error is not,
/// becomes [`sqlx::Error::Configuration`], whose `source()` is this error.
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
        let of_this_crate = matches!(
            error.kind(),
            ErrorKind::Connect | ErrorKind::Authentication | ErrorKind::NotConnected | ErrorKind::OutcomeUnknown
        );
        if of_this_crate {
            return Self::Configuration(error.into());
        }
        error.into_sqlx()
    }
}

impl Error {
    /// Returns the driver's own error, which is what code for sqlx expects.
    #[cfg(not(feature = "sqlx-interop"))]
    fn into_sqlx(self) -> sqlx::Error {
        match self.split() {
            (_, Some(native)) => native,
            (own, None) => sqlx::Error::Configuration(own.into()),
        }
    }

    /// Returns the driver's own error, if that says as much as this one.
    #[cfg(feature = "sqlx-interop")]
    fn into_sqlx(self) -> sqlx::Error {
        let retryable = self.is_retryable();
        let (own, native) = match self.split() {
            (own, Some(native)) => (own, Self::from(native)),
            (own, None) => return sqlx::Error::Configuration(own.into()),
        };
        let says_all = native.is_retryable() == retryable;
        match native.split() {
            (_, Some(native)) if says_all => native,
            (_, Some(native)) => sqlx::Error::Configuration(own.with_source(native).into()),
            (_, None) => sqlx::Error::Configuration(own.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn failure_what_breaks_while_connecting_is_no_wrong_host_found_a8() {
        let of = |error| Error::unreachable_server("MySQL", "db:3306", error).to_string();
        for kind in [
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::UnexpectedEof,
        ] {
            let text = of(sqlx::Error::Io(kind.into()));
            assert!(text.contains("proxy") && !text.contains("host name"), "{text}");
        }
        let unknown = of(sqlx::Error::Io(io::Error::other(
            "failed to lookup address information",
        )));
        assert!(unknown.contains("host name"), "{unknown}");
    }
}
