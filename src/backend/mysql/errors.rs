//! Mapping of the driver's errors.

use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError};

use super::answer::of_number;
use crate::error::{Error, ErrorKind};

/// Converts an error of sqlx.
pub(super) fn error(error: sqlx::Error) -> Error {
    let database = match &error {
        sqlx::Error::Database(database) => database,
        // The driver reads the definitions of the columns before it runs the statement, and does not find their end.
        sqlx::Error::Protocol(what) if what.contains("unknown column type") => {
            let message = format!(
                "the statement has a column or parameter of a type that the driver cannot read, so the connection was closed: {what}"
            );
            return Error::new(ErrorKind::Unsupported, message)
                .help(
                    "select a VECTOR (type 0xf2) as `VECTOR_TO_STRING(column)` or `CAST(column AS BINARY)`, and write \
                     `STRING_TO_VECTOR(:text)` or `CAST(:bytes AS BINARY)` for a parameter",
                )
                .fatal()
                .refusing()
                .with_source(error);
        }
        _ => return Error::from_sqlx(error),
    };
    let Some(answer) = database.try_downcast_ref::<MySqlDatabaseError>() else {
        return Error::from_sqlx(error);
    };
    let number = answer.number();
    let state = answer.code().unwrap_or("HY000").to_owned();
    let mut mapped = of_number(number, &state, answer.message())
        .with_code(state)
        .with_number(number);
    mapped = mapped.with_source(error);
    mapped
}

/// Returns the library's error for a connection that could not be opened.
pub(super) fn connect_error(options: &MySqlConnectOptions, error: sqlx::Error) -> Error {
    let place = super::options::place(options);
    let user = options.get_username();
    let database = options.get_database().unwrap_or_default();
    let number = match &error {
        sqlx::Error::Protocol(what) => {
            return match authentication(what, &place, user) {
                Some(refused) => refused.with_source(error),
                None => Error::unreachable_server("MySQL", &place, error),
            };
        }
        // The driver sends such a password only if it is built with another feature.
        sqlx::Error::Configuration(what) if what.to_string().starts_with("RSA auth backend disabled") => {
            return unencrypted(&place, user).with_source(error);
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => return Error::unreachable_server("MySQL", &place, error),
        sqlx::Error::Database(answer) => answer
            .try_downcast_ref::<MySqlDatabaseError>()
            .map(MySqlDatabaseError::number),
        _ => None,
    };
    let help = match number {
        Some(1045 | 1698) => format!("the server at {place} refused the user {user:?} or the password"),
        Some(1130) => format!("the server at {place} does not allow the user {user:?} to connect from this host"),
        Some(1049) => format!(
            "the server at {place} has no database {database:?}; create it with `CREATE DATABASE`, or correct the URL"
        ),
        Some(1044) => format!("the user {user:?} may not use the database {database:?}, or it does not exist"),
        Some(1524) => {
            format!("the server at {place} lacks the plugin with which the user {user:?} logs in; {OTHER_METHOD}")
        }
        Some(1251) => return self::error(error).help(OTHER_METHOD),
        _ => {
            let mapped = self::error(error);
            let of_user = mapped.kind() == ErrorKind::Authentication;
            return match mapped.advice().map(str::to_owned).filter(|_| of_user) {
                Some(advice) => mapped.help(format!("the server at {place} refused the user {user:?}: {advice}")),
                None => mapped,
            };
        }
    };
    self::error(error).help(help)
}

/// The way out where the driver does not know a method of authentication.
const OTHER_METHOD: &str = "give the user another method: on MariaDB `ALTER USER … IDENTIFIED VIA mysql_native_password \
    USING PASSWORD('…')`, on MySQL `ALTER USER … IDENTIFIED WITH caching_sha2_password BY '…'`";

/// Returns the error for a server that asks for an authentication that the driver does not know.
fn authentication(what: &str, place: &str, user: &str) -> Option<Error> {
    let method = match what.strip_prefix("unknown authentication plugin: ") {
        Some(method) => method,
        None if what.contains("mysql_cleartext_plugin disabled") => {
            let message = format!(
                "the server at {place} wants the password of the user {user:?} in clear text (`mysql_clear_password`), \
                 which is never sent"
            );
            return Some(Error::new(ErrorKind::Authentication, message).help(OTHER_METHOD));
        }
        // The data of a method that the driver takes for another one has another length.
        None if what.starts_with("expected 21 bytes but found") || what.contains("during authentication") => "unknown",
        None => return None,
    };
    let message = format!(
        "the user {user:?} logs in to the server at {place} with the method `{method}`, which is not supported; whether \
         the password is right is unknown"
    );
    Some(Error::new(ErrorKind::Authentication, message).help(OTHER_METHOD))
}

/// Returns the error for a server that can check the password only on an encrypted connection.
fn unencrypted(place: &str, user: &str) -> Error {
    let message = format!(
        "the server at {place} did not recognise the password of the user {user:?}, and can check it only on an encrypted \
         connection (caching_sha2_password, sha256_password): either it is wrong, or it was not used since the server \
         started"
    );
    Error::new(ErrorKind::Authentication, message).help(
        "encrypt the connection with `ssl-mode=REQUIRED` (Cargo feature `tls`); then a wrong password is refused as such",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_methods_of_authentication_are_no_wrong_server_found_v5() {
        for (what, named) in [
            ("unknown authentication plugin: client_ed25519", "client_ed25519"),
            ("unknown authentication plugin: parsec", "parsec"),
            ("mysql_cleartext_plugin disabled", "mysql_clear_password"),
        ] {
            let error = connect_error(
                &MySqlConnectOptions::new().username("ada"),
                sqlx::Error::Protocol(what.into()),
            );
            assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
            let text = error.to_string();
            assert!(
                text.contains(named) && text.contains("ada") && text.contains("ALTER USER"),
                "{text}"
            );
        }
        let other = connect_error(
            &MySqlConnectOptions::new(),
            sqlx::Error::Protocol("Packet empty".into()),
        );
        assert_eq!(other.kind(), ErrorKind::Connect);
    }
}
