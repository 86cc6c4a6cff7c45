//! The errors of the driver, as errors of this library.

use tiberius::error::{Error as Driver, IoErrorKind, TokenError};

use super::error_kinds;
use crate::error::{Error, ErrorKind, REPLACED, advice};

/// The severity from which on the server closes the connection.
const FATAL: u8 = 20;

/// Converts an error on an open connection.
pub(super) fn on_connection(error: Driver) -> Error {
    match error {
        Driver::Server(answer) => of_server(&answer),
        Driver::Io { kind, message } => lost(&match kind {
            IoErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
            _ => format!("the connection broke: {message}"),
        }),
        // Nothing was sent.
        Driver::BulkInput(what) => Error::new(ErrorKind::Parameter, what.into_owned()),
        other => lost(&format!("the driver reported an error in mid-answer: {other}")),
    }
}

fn lost(message: &str) -> Error {
    Error::new(ErrorKind::ConnectionLost, message.to_owned())
        .help(REPLACED)
        .fatal()
}

/// Converts an error that the server reports.
pub(super) fn of_server(answer: &TokenError) -> Error {
    let number = i64::from(answer.code());
    let kind = error_kinds::kind(number, answer.message());
    let mut error = Error::new(kind, answer.message().to_owned())
        .with_code(number.to_string())
        .with_number(number);
    if let Some(constraint) = error_kinds::constraint(number, answer.message()) {
        error = error.with_constraint(constraint);
    }
    if let Some(advice) = error_kinds::advice(number).or_else(|| advice(kind)) {
        error = error.help(advice);
    }
    if error_kinds::ends_transaction(number, answer.message()) {
        error = error.ending_transaction();
    }
    if kind == ErrorKind::LockTimeout {
        error = error.retryable();
    }
    if answer.class() >= FATAL || kind == ErrorKind::ConnectionLost {
        error = error.fatal();
    }
    error.with_source(Driver::Server(answer.clone()))
}

/// Converts an error while connecting to a place.
pub(super) fn while_connecting(place: &str, error: Driver) -> Error {
    const TLS: &str = "`trust_server_certificate=true` accepts any certificate, `ssl_root_cert` names the authority, and \
                       `ssl_mode` chooses the use of TLS";
    match error {
        Driver::Io { kind, message } => {
            let cause = std::io::Error::new(kind, message);
            Error::unreachable_server("SQL Server", place, sqlx::Error::Io(cause))
        }
        Driver::Tls(what) => {
            // The driver's own advice is about its functions.
            let what = what.split(" To connect anyway").next().unwrap_or(&what).to_owned();
            let message = format!("cannot connect to SQL Server at {place} with TLS: {what}");
            Error::new(ErrorKind::Connect, message).help(TLS)
        }
        Driver::Server(answer) => {
            let error = of_server(&answer);
            match error.kind() {
                ErrorKind::Authentication => {
                    error.help("are the user and the password right, and may the user log in?")
                }
                ErrorKind::DatabaseNotFound => {
                    error.help("is the name of the database right, and may the user open it?")
                }
                _ => error,
            }
        }
        other => {
            let message = format!("the server at {place} is not SQL Server, or refuses the connection: {other}");
            Error::new(ErrorKind::Connect, message).help(TLS)
        }
    }
}

/// Returns whether a server refused to encrypt.
pub(super) fn is_without_tls(error: &Driver) -> bool {
    matches!(error, Driver::Protocol(what) if what.contains("requested encryption level"))
}
