//! Mapping of the server's errors, by their SQLSTATE.

use super::rules::PostgresRules;
use crate::backend::rules::{ServerAnswer, ServerRules as _};
use crate::error::{Constraint, ConstraintKind, Error, ErrorKind, NO_COLUMN, REPLACED, SYNTAX};

/// What the server says about an error.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::backend) struct PostgresAnswer<'a> {
    /// The SQLSTATE.
    pub(in crate::backend) code: &'a str,
    pub(in crate::backend) message: &'a str,
    pub(in crate::backend) detail: Option<&'a str>,
    pub(in crate::backend) hint: Option<&'a str>,
    pub(in crate::backend) constraint: Option<&'a str>,
    pub(in crate::backend) column: Option<&'a str>,
    pub(in crate::backend) table: Option<&'a str>,
    /// Set if the server ends the session with it.
    pub(in crate::backend) ends_session: bool,
}

impl PostgresAnswer<'_> {
    /// Returns the library's error.
    pub(in crate::backend) fn error(&self) -> Error {
        let kind = PostgresRules.error_kind(ServerAnswer {
            code: self.code,
            number: None,
            message: self.message,
        });
        let mut mapped = Error::new(kind, self.text()).with_code(self.code);
        if let Some(help) = self.help() {
            mapped = mapped.help(help);
        }
        if let Some(constraint) = self.violated() {
            mapped = mapped.with_constraint(constraint);
        }
        if self.ends_session || kind == ErrorKind::ConnectionLost {
            mapped = mapped.fatal();
            // The session was ended for being idle: the server checks that before it runs what came meanwhile.
            if matches!(self.code, "57P05" | "25P03") {
                mapped = mapped.refusing();
            }
        }
        // After a serialization failure, a deadlock or a lock timeout the transaction can be run again.
        if matches!(self.code, "40001" | "40P01" | "55P03") {
            mapped = mapped.retryable();
        }
        mapped
    }

    /// Returns the server's message, with its detail.
    fn text(&self) -> String {
        // Of these the detail is the whole row, which may hold data that must not appear in a log; the constraint is enough.
        let of_row = matches!(self.code, "23502" | "23514" | "44000");
        match self.detail.filter(|_| !of_row) {
            Some(detail) => format!("{}\n  detail: {detail}", self.message),
            None => self.message.to_owned(),
        }
    }

    fn violated(&self) -> Option<Constraint> {
        let kind = match self.code {
            "23505" => ConstraintKind::Unique,
            "23503" | "23001" => ConstraintKind::ForeignKey,
            "23502" => ConstraintKind::NotNull,
            "23514" | "44000" => ConstraintKind::Check,
            "23P01" => ConstraintKind::Exclusion,
            _ => return None,
        };
        let mut constraint = Constraint::new(kind);
        // Before PostgreSQL 18 a NOT NULL constraint has no name; its column takes that place.
        constraint.name = self.constraint.or(self.column).map(str::to_owned);
        constraint.table = self.table.map(str::to_owned);
        Some(constraint)
    }

    /// Returns the server's hint, and advice for newcomers.
    fn help(&self) -> Option<String> {
        let ours = advice(self.code, self.message);
        match (self.hint, ours) {
            (Some(hint), Some(ours)) => Some(format!("{hint}\n  help: {ours}")),
            (Some(hint), None) => Some(hint.to_owned()),
            (None, ours) => ours.map(str::to_owned),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
