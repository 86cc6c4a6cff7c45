//! Errors of the drivers that are known, in the words and with the numbers of their servers.

use crate::failure::Failure;
use crate::product::Product;

impl Product {
    /// Returns a failure without what its driver writes around the message of the server.
    pub(crate) fn explained(self, failure: Failure) -> Failure {
        if failure.origin != 0 {
            return failure;
        }
        match self {
            Self::Postgres => of_postgres(failure),
            Self::MySql => of_mysql(failure),
            Self::Sqlite => of_sqlite(failure),
            Self::Other => failure,
        }
    }
}

/// The parts of an error of PostgreSQL after its message.
const PARTS: [(&str, &str); 2] = [("\nDETAIL: ", "detail"), ("\nHINT: ", "hint")];

fn of_postgres(mut failure: Failure) -> Failure {
    let text = std::mem::take(&mut failure.message);
    let text = text.replace(";\nError while executing the query", "");
    let text = text.replace(";\nError while preparing parameters", "");
    let fatal = text.contains("FATAL:");
    let own = text
        .strip_prefix("ERROR: ")
        .or_else(|| text.strip_prefix("FATAL: "))
        .unwrap_or(&text);
    let end = |from: usize| {
        let found = ["\nDETAIL: ", "\nHINT: ", "\nCONTEXT: ", "\nLINE "]
            .iter()
            .filter_map(|part| own[from..].find(part));
        found.min().map_or(own.len(), |at| from + at)
    };
    for (part, name) in PARTS {
        if let Some(at) = own.find(part) {
            let from = at + part.len();
            failure.details.push((name, own[from..end(from)].trim().to_owned()));
        }
    }
    let message = own[..end(0)].trim().to_owned();
    for (word, name) in [
        ("constraint \"", "constraint"),
        ("column \"", "column"),
        ("relation \"", "table"),
        ("on table \"", "table"),
    ] {
        let named = message.split_once(word).and_then(|(_, rest)| rest.split_once('"'));
        if failure.sqlstate.starts_with("23")
            && let Some((value, _)) = named
        {
            failure.details.push((name, value.to_owned()));
        }
    }
    // The driver has one state for everything that keeps it from connecting.
    if failure.sqlstate == "08001" {
        let says = |words: &str| message.contains(words);
        let state = if says("FATAL:  database \"") && says("does not exist") {
            Some("3D000")
        } else if says("password authentication failed") || says("no password supplied") {
            Some("28P01")
        } else if says("FATAL:  role \"") || says("no pg_hba.conf entry") {
            Some("28000")
        } else {
            None
        };
        if let Some(state) = state {
            state.clone_into(&mut failure.sqlstate);
        }
    }
    if failure.sqlstate == "07002" {
        failure = failure.detail(
            "hint",
            "psqlODBC takes every `?` for a parameter; write the operators of JSON as functions: `jsonb_exists(column, 'key')`",
        );
    }
    failure.closed |= fatal || failure.sqlstate.starts_with("08");
    failure.message = message;
    failure
}

/// The numbers of errors of the client with which the connection is lost.
const LOST: [i64; 4] = [2006, 2013, 2055, 4031];

fn of_mysql(mut failure: Failure) -> Failure {
    let mut message = failure.message.as_str();
    while let Some((_, rest)) = message.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        message = rest;
    }
    failure.message = message.trim_start().to_owned();
    if LOST.contains(&failure.code) {
        failure.closed = true;
        "08S01".clone_into(&mut failure.sqlstate);
    }
    failure
}

fn of_sqlite(mut failure: Failure) -> Failure {
    let message = failure.message.strip_prefix("[SQLite]").unwrap_or(&failure.message);
    let bare = message.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
    let message = match bare {
        Some((bare, number)) if number.parse() == Ok(failure.code) => bare,
        _ => message,
    };
    // The extended code, where the message tells it.
    let finer = [
        ("UNIQUE constraint failed", 2067),
        ("FOREIGN KEY constraint failed", 787),
        ("NOT NULL constraint failed", 1299),
        ("CHECK constraint failed", 275),
    ];
    if failure.code == 19
        && let Some((_, code)) = finer.iter().find(|(words, _)| message.starts_with(words))
    {
        failure.code = *code;
    }
    failure.message = message.to_owned();
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(sqlstate: &str, code: i64, message: &str) -> Failure {
        Failure {
            sqlstate: sqlstate.to_owned(),
            code,
            message: message.to_owned(),
            ..Failure::default()
        }
    }

    #[test]
    fn b4_messages_are_those_of_the_server() {
        let unique = Product::Postgres.explained(failure(
            "23505",
            1,
            "ERROR: duplicate key value violates unique constraint \"q_pkey\"\nDETAIL: Key (id)=(3) already exists.;\nError while executing the query",
        ));
        assert_eq!(
            unique.message,
            "duplicate key value violates unique constraint \"q_pkey\""
        );
        assert_eq!(
            unique.details,
            [
                ("detail", "Key (id)=(3) already exists.".to_owned()),
                ("constraint", "q_pkey".to_owned())
            ]
        );
        let lost = Product::Postgres.explained(failure(
            "57P01",
            35,
            "FATAL: terminating connection due to administrator command;\nThe connection has been lost",
        ));
        assert!(lost.closed);
        let missing = Product::MySql.explained(failure(
            "42S02",
            1146,
            "[ma-3.1.15][10.11.19-MariaDB-0+deb12u1]Table 'd.nowhere' doesn't exist",
        ));
        assert_eq!(missing.message, "Table 'd.nowhere' doesn't exist");
        assert!(
            Product::MySql
                .explained(failure("HY000", 2013, "[ma-3.1.15]Lost connection"))
                .closed
        );
        let unique = Product::Sqlite.explained(failure("HY000", 19, "[SQLite]UNIQUE constraint failed: q.a (19)"));
        assert_eq!(
            (unique.code, unique.message.as_str()),
            (2067, "UNIQUE constraint failed: q.a")
        );
    }
}
