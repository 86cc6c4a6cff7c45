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

    fn violated(number: u16, message: &str) -> (Option<String>, Option<String>) {
        let error = of_number(number, "23000", message);
        assert_eq!(error.kind(), ErrorKind::Constraint);
        let constraint = error.constraint().unwrap();
        (constraint.name.clone(), constraint.table.clone())
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with what may be missing")]
    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn constraints_are_found_in_the_messages_of_both_servers() {
        assert_eq!(
            violated(1062, "Duplicate entry 'a' for key 'note.title'"),
            (some("title"), some("note"))
        );
        assert_eq!(
            violated(1062, "Duplicate entry 'for key 'x'' for key 'PRIMARY'"),
            (some("PRIMARY"), None)
        );
        let child = "Cannot add or update a child row: a foreign key constraint fails (`test`.`no``te`, CONSTRAINT \
                     `note_fk` FOREIGN KEY (`user`) REFERENCES `user` (`id`))";
        assert_eq!(violated(1452, child), (some("note_fk"), some("no`te")));
        assert_eq!(violated(1048, "Column 'title' cannot be null"), (some("title"), None));
        assert_eq!(
            violated(1364, "Field 'title' doesn't have a default value"),
            (some("title"), None)
        );
        assert_eq!(
            violated(4025, "CONSTRAINT `positive` failed for `test`.`note`"),
            (some("positive"), some("note"))
        );
        assert_eq!(
            violated(3819, "Check constraint 'positive' is violated."),
            (some("positive"), None)
        );
        assert_eq!(of_number(4025, "HY000", "Autoextend size").kind(), ErrorKind::Database);
    }

    #[test]
    fn errors_that_users_meet_have_their_kind_found_v8() {
        let of = |number, message: &str| of_number(number, "HY000", message).kind();
        for (kind, numbers) in [
            (
                ErrorKind::Authentication,
                vec![1045, 1698, 1820, 1862, 1873, 3118, 3955],
            ),
            (
                ErrorKind::Connect,
                vec![1040, 1129, 1203, 1226, 3032, 3159, 4081, 4082, 6400],
            ),
            (ErrorKind::ConnectionLost, vec![1053, 1080, 1184, 1927, 3169, 4031]),
            (
                ErrorKind::UndefinedObject,
                vec![
                    1072, 1082, 1115, 1128, 1273, 1286, 1298, 1449, 1539, 1735, 1824, 1932, 3162, 3503, 3579, 3734,
                    3821, 3940,
                ],
            ),
            (
                ErrorKind::DuplicateObject,
                vec![1066, 1068, 1110, 1304, 1359, 1517, 1537, 1826, 1973, 3163, 3591, 3822],
            ),
            (
                ErrorKind::Constraint,
                vec![1048, 1062, 1263, 1369, 1452, 1526, 1557, 1748, 1761, 1762, 3673, 3819],
            ),
            (ErrorKind::Serialization, vec![1020, 1412, 3101]),
            (ErrorKind::Deadlock, vec![1213, 1614, 3058]),
            (ErrorKind::LockTimeout, vec![1205, 1689, 3133, 3572]),
            (
                ErrorKind::Permission,
                vec![1044, 1142, 1211, 1290, 1961, 3530, 3552, 3554, 3879, 6038, 6444],
            ),
            (ErrorKind::ReadOnly, vec![1036, 1223, 1792, 1836, 1874, 3989]),
            (ErrorKind::Timeout, vec![1969, 3024]),
            (ErrorKind::Unsupported, vec![1178, 1235, 1289, 1845, 1846, 3948, 3999]),
        ] {
            for number in numbers {
                assert_eq!(of(number, ""), kind, "{number}");
            }
        }
        // One number, two servers or two meanings.
        assert_eq!(
            of(4151, "Access denied, this account is locked"),
            ErrorKind::Authentication
        );
        assert_eq!(of(4151, "Incomplete escape sequence"), ErrorKind::Database);
        assert_eq!(of(4091, "Unknown SEQUENCE: 'a'"), ErrorKind::UndefinedObject);
        assert_eq!(of(4091, "XA: temporary tables"), ErrorKind::Database);
        assert_eq!(
            of(1396, "Operation CREATE USER failed for 'a'@'%'"),
            ErrorKind::DuplicateObject
        );
        assert_eq!(
            of(1396, "Operation DROP USER failed for 'a'@'%'"),
            ErrorKind::UndefinedObject
        );
        assert_eq!(of(1290, "running with the --read-only option"), ErrorKind::ReadOnly);
        // A deadlock of named locks ends no transaction.
        assert!(!of_number(3058, "HY000", "").ends_transaction());
    }

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

    #[test]
    fn x10_deadlocks_and_lock_timeouts_may_be_tried_again() {
        let deadlock = of_number(1213, "40001", "Deadlock found");
        assert!(deadlock.is_retryable() && deadlock.ends_transaction());
        let waited = of_number(1205, "HY000", "Lock wait timeout exceeded");
        assert!(waited.is_retryable() && !waited.ends_transaction());
        assert!(!of_number(1064, "42000", "You have an error").is_retryable());
    }

    #[test]
    fn x4_errors_of_the_statement_alone_leave_the_transaction_without_a_question_found_c2() {
        for (number, state) in [
            (1062, "23000"),
            (1064, "42000"),
            (1146, "42S02"),
            (1406, "22001"),
            (1264, "22003"),
        ] {
            assert!(of_number(number, state, "").is_of_statement(), "{number}");
        }
        for number in [1180, 1205, 1020, 1213, 1047, 1317, 3572, 1105, 9999] {
            assert!(!of_number(number, "HY000", "").is_of_statement(), "{number}");
        }
    }

    #[test]
    fn a_connection_the_server_gave_up_is_not_used_again() {
        for number in [1053, 1927, 3169, INACTIVE, PACKET_TOO_LARGE] {
            let error = of_number(number, "HY000", "");
            assert!(error.is_fatal(), "{number}");
            // The last two mean that nothing was done.
            assert_eq!(
                error.leaves_open(),
                !matches!(number, INACTIVE | PACKET_TOO_LARGE),
                "{number}"
            );
        }
    }
}
