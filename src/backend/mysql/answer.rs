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
