//! Mapping of the server's errors, by their SQLSTATE, and the errors about values that cannot be read.

use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgSeverity};

use super::rules::PostgresRules;
use crate::backend::rules::{ServerAnswer, ServerRules as _};
use crate::error::{Constraint, ConstraintKind, Error, ErrorKind, NO_COLUMN, REPLACED, SYNTAX};

/// Converts an error of sqlx.
pub(super) fn error(error: sqlx::Error) -> Error {
    let sqlx::Error::Database(database) = &error else {
        return Error::from_sqlx(error);
    };
    let Some(answer) = database.try_downcast_ref::<PgDatabaseError>() else {
        return Error::from_sqlx(error);
    };
    let mut mapped = Error::new(kind_of(answer), message(answer)).with_code(answer.code());
    if let Some(help) = help(answer) {
        mapped = mapped.help(help);
    }
    if let Some(constraint) = constraint(answer) {
        mapped = mapped.with_constraint(constraint);
    }
    if is_fatal(answer) {
        mapped = mapped.fatal();
        // The session was ended for being idle: the server checks that before it runs what came meanwhile.
        if matches!(answer.code(), "57P05" | "25P03") {
            mapped = mapped.refusing();
        }
    }
    if is_retryable(answer.code()) {
        mapped = mapped.retryable();
    }
    mapped.with_source(error)
}

fn kind_of(answer: &PgDatabaseError) -> ErrorKind {
    PostgresRules.error_kind(ServerAnswer {
        code: answer.code(),
        number: None,
        message: answer.message(),
    })
}

fn is_fatal(answer: &PgDatabaseError) -> bool {
    matches!(answer.severity(), PgSeverity::Fatal | PgSeverity::Panic) || kind_of(answer) == ErrorKind::ConnectionLost
}

/// Returns whether the transaction can be run again: after a serialization failure, a deadlock or a lock timeout.
fn is_retryable(code: &str) -> bool {
    matches!(code, "40001" | "40P01" | "55P03")
}

/// Returns the server's message, with its detail.
fn message(answer: &PgDatabaseError) -> String {
    // The whole row may hold data that must not appear in a log; the constraint is enough.
    match answer
        .detail()
        .filter(|detail| !detail.starts_with("Failing row contains"))
    {
        Some(detail) => format!("{}\n  detail: {detail}", answer.message()),
        None => answer.message().to_owned(),
    }
}

fn constraint(answer: &PgDatabaseError) -> Option<Constraint> {
    let kind = match answer.code() {
        "23505" => ConstraintKind::Unique,
        "23503" | "23001" => ConstraintKind::ForeignKey,
        "23502" => ConstraintKind::NotNull,
        "23514" | "44000" => ConstraintKind::Check,
        "23P01" => ConstraintKind::Exclusion,
        _ => return None,
    };
    let mut constraint = Constraint::new(kind);
    // Before PostgreSQL 18 a NOT NULL constraint has no name; its column takes that place.
    constraint.name = answer.constraint().or_else(|| answer.column()).map(str::to_owned);
    constraint.table = answer.table().map(str::to_owned);
    Some(constraint)
}

/// Returns the server's hint, and advice for newcomers.
fn help(answer: &PgDatabaseError) -> Option<String> {
    let ours = advice(answer.code(), answer.message());
    match (answer.hint(), ours) {
        (Some(hint), Some(ours)) => Some(format!("{hint}\n  help: {ours}")),
        (Some(hint), None) => Some(hint.to_owned()),
        (None, ours) => ours.map(str::to_owned),
    }
}

fn advice(code: &str, message: &str) -> Option<&'static str> {
    Some(match code {
        "08P01" if message.contains("statement pooling mode") => {
            "set `pool_mode` of PgBouncer to `transaction` or `session`: this library needs transactions"
        }
        "25P03" => {
            "the transaction was idle for longer than `idle_in_transaction_session_timeout` of the server; the pool opens \
             another connection for the next caller"
        }
        "25P04" => {
            "the transaction took longer than `transaction_timeout` of the server; make it shorter, or raise the limit with \
             `SET`; the pool opens another connection for the next caller"
        }
        "57P01" | "57P02" | "57P04" | "57P05" => REPLACED,
        code if code.starts_with("08") => REPLACED,
        "42601" => SYNTAX,
        "42703" => NO_COLUMN,
        "42P01" => "did the migrations run on this database? names are looked up in the schemas of `search_path`",
        "22P02" => {
            "text takes the type of its place: give a value of that type, or cast the parameter, as in `:value::text`"
        }
        "42804" => "give the parameter the type of the column with a cast, as in `:value::the_type`",
        "42883" if message.contains("operator does not exist") => {
            "the two sides are of different types; cast the parameter, as in `:value::the_type`"
        }
        "42P08" | "42P18" => "the server cannot determine the type of the parameter; cast it, as in `:value::text`",
        "25P02" => "an earlier statement of this transaction failed; only a rollback is possible now",
        "0A000" if message.starts_with("cached plan") => {
            "the table was altered after this connection had prepared the statement; run it on a new connection"
        }
        "53300" => "make the pools smaller (`pool_size`), or raise `max_connections` of the server",
        "26000" | "42P05" => {
            "a pooler in between that mixes up prepared statements needs `pgbouncer=true` in the URL; see the guide \
             PGBOUNCER.md"
        }
        _ => return None,
    })
}

/// Returns the library's error for a connection that could not be opened.
pub(super) fn connect_error(options: &PgConnectOptions, error: sqlx::Error) -> Error {
    let place = super::options::place(options);
    let user = options.get_username();
    // Without a name the server uses that of the user.
    let database = options.get_database().unwrap_or(user);
    if let sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) = &error {
        return Error::unreachable_server("PostgreSQL", &place, error);
    }
    let mapped = self::error(error);
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

/// Returns the error for a value that does not have the form it should have.
pub(super) fn broken(what: &str) -> Error {
    Error::new(
        ErrorKind::Decode,
        format!("the server sent a value that cannot be read: {what}"),
    )
}

/// Returns the error for a value that the Rust type cannot hold; it can be read as text.
pub(super) fn cast(name: &str, why: &str) -> Error {
    Error::new(ErrorKind::Decode, format!("a {name} cannot be read: it {why}"))
        .help("cast it to text in the SQL (`column::text`) and read a String")
}

pub(super) fn unreadable(name: &str) -> Error {
    Error::new(
        ErrorKind::Decode,
        format!("values of the type {name} cannot be read without a cast"),
    )
    .help("cast it to text in the SQL (`column::text`) and read a String")
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

    #[test]
    fn advice_is_given_where_newcomers_stumble() {
        assert!(advice("42P01", "").unwrap().contains("migrations"));
        assert!(
            advice("0A000", "cached plan must not change result type")
                .unwrap()
                .contains("altered")
        );
        assert_eq!(advice("22001", "value too long"), None);
    }
}
