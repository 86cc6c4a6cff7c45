//! Mapping of the server's errors, by their number. SQLSTATE is coarser here: most errors share `HY000`.

use super::error_kinds::{INACTIVE, constraint_kind};
use super::rules::MySqlRules;
use crate::backend::rules::{ServerAnswer, ServerRules as _};
use crate::error::{Constraint, ConstraintKind, Error, ErrorKind, NO_COLUMN, REPLACED, SYNTAX};

/// Returns the error with a number and an SQLSTATE.
pub(in crate::backend) fn of_number(number: u16, state: &str, message: &str) -> Error {
    let kind = MySqlRules.error_kind(ServerAnswer {
        code: state,
        number: Some(number.into()),
        message,
    });
    let mut mapped = Error::new(kind, format!("{message} (error {number})"));
    if let Some(help) = advice(number, message) {
        mapped = mapped.help(help);
    }
    if let Some(constraint) = constraint(number, state, message) {
        mapped = mapped.with_constraint(constraint);
    }
    if kind == ErrorKind::ConnectionLost || number == PACKET_TOO_LARGE {
        mapped = mapped.fatal();
        // The server did not read what was too big, nor what came after it had ended an idle session.
        if matches!(number, PACKET_TOO_LARGE | INACTIVE) {
            mapped = mapped.refusing();
        }
    }
    if kind == ErrorKind::LockTimeout || number == NEEDS_REPREPARE {
        mapped = mapped.retryable();
    }
    // 1020 under innodb_snapshot_isolation, a full lock table, and a conflict in a group roll back the whole transaction,
    // as a deadlock does, but not one of named locks.
    let of_rows = kind == ErrorKind::Deadlock && !matches!(number, 3058 | 3132);
    if of_rows || matches!(number, 1020 | 1206 | 3101) {
        mapped = mapped.ending_transaction();
    }
    if is_of_statement(kind, number) {
        mapped = mapped.of_statement();
    }
    mapped
}

/// Returns whether the error certainly concerns the statement alone. Any other may have ended the transaction, even an
/// unlisted one (1180 on Galera, 1205 with `innodb_rollback_on_timeout`). The server is asked then.
fn is_of_statement(kind: ErrorKind, number: u16) -> bool {
    let by_kind = matches!(
        kind,
        ErrorKind::Syntax
            | ErrorKind::UndefinedObject
            | ErrorKind::DuplicateObject
            | ErrorKind::Constraint
            | ErrorKind::Permission
            | ErrorKind::Parameter
    );
    by_kind
        || matches!(
            number,
            // Names, columns and parameters that do not fit the statement.
            1052 | 1055 | 1056 | 1058 | 1066 | 1093 | 1136 | 1140 | 1210 | 1222 | 1235 | 1241 | 1242 | 1247 | 1248 | 1295
                // Values that do not fit their columns or functions.
                | 1139 | 1264 | 1265 | 1267 | 1292 | 1365 | 1366 | 1367 | 1406 | 1411 | 1416 | 1425 | 1690 | 3140 | 3141 | 3143
                // Errors that a trigger or function raises with SIGNAL; neither can end a transaction.
                | 1644
        )
}

/// Number of the error after which the server closes the connection.
const PACKET_TOO_LARGE: u16 = 1153;
const NEEDS_REPREPARE: u16 = 1615;

/// Returns the constraint, as far as the message names it.
fn constraint(number: u16, state: &str, message: &str) -> Option<Constraint> {
    let kind = constraint_kind(number, state)?;
    let mut constraint = Constraint::new(kind);
    match kind {
        ConstraintKind::Unique => {
            // MySQL 8 writes `table.key`, MariaDB `key`.
            let key = after(message, "for key '").and_then(|rest| rest.strip_suffix('\''));
            match key.and_then(|key| key.split_once('.')) {
                Some((table, key)) => {
                    constraint.table = Some(table.to_owned());
                    constraint.name = Some(key.to_owned());
                }
                None => constraint.name = key.map(str::to_owned),
            }
        }
        ConstraintKind::ForeignKey => {
            constraint.name = after(message, "CONSTRAINT `").and_then(to_backtick);
            constraint.table = after(message, "fails (").and_then(table_of);
        }
        ConstraintKind::NotNull => {
            let column = after(message, "Column '").or_else(|| after(message, "Field '"));
            constraint.name = column
                .and_then(|rest| rest.split_once('\''))
                .map(|(column, _)| column.to_owned());
        }
        _ => {
            let quoted = after(message, "constraint '").and_then(|rest| rest.split_once('\''));
            let name = quoted.map(|(name, _)| name.to_owned());
            constraint.name = name.or_else(|| after(message, "CONSTRAINT `").and_then(to_backtick));
            constraint.table = after(message, "failed for ").and_then(table_of);
        }
    }
    Some(constraint)
}

fn after<'m>(message: &'m str, words: &str) -> Option<&'m str> {
    // The last one: the first may be part of a value that the message repeats.
    message.rfind(words).map(|at| &message[at + words.len()..])
}

/// Returns the name up to the backtick that ends it; a doubled one belongs to the name.
fn to_backtick(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '`' && letters.next_if_eq(&'`').is_none() {
            return Some(name);
        }
        name.push(letter);
    }
    None
}

/// Returns the table of `` `database`.`table` ``.
fn table_of(text: &str) -> Option<String> {
    let database = to_backtick(text.strip_prefix('`')?)?;
    let behind = text.get(database.replace('`', "``").len() + 2..)?;
    to_backtick(behind.strip_prefix(".`")?)
}

fn advice(number: u16, message: &str) -> Option<&'static str> {
    Some(match number {
        1053 | 1077 | 1079 | 1080 | 1152 | 1158..=1161 | 1184 | 1927 | 3169 | INACTIVE => REPLACED,
        1064 if message.contains("near 'RETURNING ") => {
            "MySQL has no RETURNING, and MariaDB only for INSERT, REPLACE and DELETE; `last_insert_id` of the result is the \
              key of the inserted row"
        }
        1064 | 1065 | 1149 => SYNTAX,
        1054 => NO_COLUMN,
        1146 => "did the migrations run on this database? the message names the database that was searched",
        1046 => "the URL names no database; add one after the host, as in `mysql://host/database`",
        1040 | 1203 | 1226 => {
            "make the pools smaller (`pool_size`), or raise `max_connections` (`max_user_connections`) of the server"
        }
        1129 => {
            "the server blocked this host after many failed connections; `TRUNCATE TABLE performance_schema.host_cache` \
             unblocks it on MySQL, `FLUSH HOSTS` on MariaDB"
        }
        PACKET_TOO_LARGE => "send less data in one statement, or raise `max_allowed_packet` of the server",
        1461 => {
            "raise `max_prepared_stmt_count` of the server, or make the pools or `statement_cache_capacity` smaller \
             (values below 32 count as 32)"
        }
        3159 => "the server accepts encrypted connections only; set `ssl-mode=REQUIRED` in the URL",
        1820 | 1862 => "the password has expired; change it with `ALTER USER … IDENTIFIED BY …`",
        3118 | 4151 => "the account is locked; unlock it with `ALTER USER … ACCOUNT UNLOCK`",
        3955 | 4150 => {
            "the account is blocked after wrong passwords; correct the password, and unblock it with `ALTER USER … ACCOUNT \
             UNLOCK`"
        }
        1213 => "the server rolled back the whole transaction; run it again",
        1205 => "another transaction holds the lock; run this transaction again, or make the other one shorter",
        1366 => "the value does not fit the type or the character set of the column",
        1406 => "the value is longer than the column",
        _ => return None,
    })
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
