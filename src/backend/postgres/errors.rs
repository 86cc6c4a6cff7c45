//! Mapping of the driver's errors.

use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgSeverity};

use super::answer::PostgresAnswer;
use crate::error::{Error, ErrorKind};

/// Converts an error of sqlx.
pub(super) fn error(error: sqlx::Error) -> Error {
    let sqlx::Error::Database(database) = &error else {
        return Error::from_sqlx(error);
    };
    let Some(answer) = database.try_downcast_ref::<PgDatabaseError>() else {
        return Error::from_sqlx(error);
    };
    let mapped = PostgresAnswer {
        code: answer.code(),
        message: answer.message(),
        detail: answer.detail(),
        hint: answer.hint(),
        constraint: answer.constraint(),
        column: answer.column(),
        table: answer.table(),
        ends_session: matches!(answer.severity(), PgSeverity::Fatal | PgSeverity::Panic),
    };
    mapped.error().with_source(error)
}

/// Returns the library's error for a connection that could not be opened.
pub(in crate::backend) fn connect_error(options: &PgConnectOptions, error: sqlx::Error) -> Error {
    if let sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) = &error {
        return Error::unreachable_server("PostgreSQL", &super::options::place(options), error);
    }
    refused_session(options, self::error(error))
}

/// Returns the library's error for a session that the server refused with `mapped`.
pub(in crate::backend) fn refused_session(options: &PgConnectOptions, mapped: Error) -> Error {
    let place = super::options::place(options);
    let user = options.get_username();
    // Without a name the server uses that of the user.
    let database = options.get_database().unwrap_or(user);
    let help = match mapped.kind() {
        ErrorKind::Authentication if mapped.sqlstate() == Some("28000") => format!("the server at {place} does not allow the user {user:?} to connect; does the role exist, and does `pg_hba.conf` allow it?"),
        ErrorKind::Authentication => format!("the server at {place} refused the password of the user {user:?}, or does not know the user"),
        ErrorKind::DatabaseNotFound => format!("the server at {place} has no database {database:?}; create it with `CREATE DATABASE`, or correct the URL"),
        ErrorKind::ConnectionLost => return refused(&place, mapped),
        _ => match mapped.sqlstate() {
            Some("57P03") => format!("the server at {place} is starting up or shutting down; try again in a moment"),
            Some("42704" | "22023") => "a session parameter is unknown to the server, or has a value that it does not accept; check the options of the URL".to_owned(),
            _ => return mapped,
        },
    };
    mapped.help(help)
}

/// Returns the error for a connection that was refused with a code that elsewhere means that one broke, as a pooler
/// does.
fn refused(place: &str, error: Error) -> Error {
    let message = format!("cannot connect to PostgreSQL at {place}: {}", error.message());
    let help = if error.message().contains("unsupported startup parameter") {
        "a pooler in between does not accept this setting of the session. With `pgbouncer=true` the library sends none of \
         its own, for replicas and `isolation_level`. Leave yours out of the URL and set it with `ALTER ROLE … SET`, or \
         make PgBouncer pass it on (from 1.20, `track_extra_parameters`)"
    } else {
        "the server, or a pooler in between, refused the connection; its own log may say more"
    };
    let refused = Error::new(ErrorKind::Connect, message).help(help);
    let refused = match error.sqlstate() {
        Some(code) => refused.with_code(code),
        None => refused,
    };
    refused.with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_driver_itself_are_distinguished() {
        let broken = error(sqlx::Error::Io(std::io::Error::from(
            std::io::ErrorKind::ConnectionReset,
        )));
        assert_eq!(broken.kind(), ErrorKind::ConnectionLost);
        assert!(broken.is_fatal());
        assert_eq!(error(sqlx::Error::RowNotFound).kind(), ErrorKind::RowNotFound);
        assert!(error(sqlx::Error::Protocol("nonsense".into())).is_fatal());
    }
}
