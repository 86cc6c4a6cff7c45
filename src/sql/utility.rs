//! Statements that take no parameters: definitions and utility statements, which servers do not plan.

use super::control::Verb;
use super::lexer::{Lexer, TokenKind};
use super::{Dialect, Template};

/// The first words of the statements that take parameters on some server.
#[rustfmt::skip]
const PLANNED: &[&str] = &[
    "BEGIN", "CALL", "DECLARE", "DELETE", "DO", "EXEC", "EXECUTE", "EXPLAIN", "FOR", "HANDLER", "IF", "INSERT", "LOOP",
    "MERGE", "REPEAT", "REPLACE", "SELECT", "TABLE", "UPDATE", "VALUES", "WHILE", "WITH",
];

impl Template {
    /// Returns the way out for a statement that has parameters and is of a kind that takes none; `None` for other kinds.
    pub(crate) fn without_parameters(&self) -> Option<String> {
        let text = self.statement().text();
        let mut words = Lexer::new(self.dialect, text)
            .in_mode(self.mode)
            .filter(|token| !matches!(token.kind, TokenKind::Space | TokenKind::Comment))
            .map(|token| token.text.to_ascii_uppercase());
        let first = words
            .next()
            .filter(|word| word.bytes().all(|byte| byte.is_ascii_alphabetic()))?;
        let second = words.next().unwrap_or_default();
        let is_block = first == "DO" && self.dialect == Dialect::Postgres;
        if PLANNED.contains(&first.as_str()) && !is_block {
            return None;
        }
        let way = own_way(self.dialect, &first, &second);
        Some(format!(
            "`{first}` is a definition or utility statement, which takes no parameters: {way}"
        ))
    }

    /// Returns whether the text calls a procedure, which may return several result sets.
    pub(crate) fn calls(&self) -> bool {
        self.facts.verb == Verb::Call
    }
}

fn own_way(dialect: Dialect, first: &str, second: &str) -> &'static str {
    match (dialect, first) {
        (Dialect::Postgres, "SET") if ["ROLE", "SESSION"].contains(&second) => {
            "use `SELECT set_config('role', :value, false)`, or write the value into the text, as `quote_ident` returns it"
        }
        (Dialect::Postgres, "SET") => {
            "use `SELECT set_config('name', :value, false)`, with `true` to set it until the end of the transaction"
        }
        (Dialect::Postgres, "NOTIFY") => "use `SELECT pg_notify(:channel, :payload)`",
        (Dialect::Postgres, "DO") => {
            "set a value with `SELECT set_config('my.name', :value, true)`, and read it with `current_setting('my.name')`"
        }
        (Dialect::Postgres, _) => {
            "write the value into the text, as `SELECT quote_literal(:value)` returns it, or a name as `quote_ident` does"
        }
        (Dialect::MySql, _) => "write the value into the text, as `SELECT QUOTE(:value)` returns it",
        (Dialect::Sqlite, "PRAGMA") => {
            "read it with `SELECT * FROM pragma_name(:value)`, or write the value into the text"
        }
        (Dialect::Generic | Dialect::SqlServer, _) => "write the value into the text, with each quote in it doubled",
        (Dialect::Sqlite, _) => "write the value into the text, as `SELECT quote(:value)` returns it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q2_statements_without_parameters_name_the_way_out_found_f15() {
        for (dialect, sql, words) in [
            (Dialect::Postgres, "SET x.y = :v", "set_config('name', :value, false)"),
            (Dialect::Postgres, "set role :v", "set_config('role', :value, false)"),
            (
                Dialect::Postgres,
                "/* a */ NOTIFY c, :v",
                "pg_notify(:channel, :payload)",
            ),
            (Dialect::Postgres, "CREATE TABLE t (a int DEFAULT :v)", "quote_literal"),
            (Dialect::Postgres, "DO :v", "current_setting"),
            (
                Dialect::MySql,
                "ALTER TABLE t ALTER a SET DEFAULT :v",
                "SELECT QUOTE(:value)",
            ),
            (Dialect::Sqlite, "PRAGMA cache_size = :v", "pragma_name"),
            (Dialect::Sqlite, "CREATE VIEW v AS SELECT :v", "SELECT quote(:value)"),
        ] {
            let way = Template::parse(dialect, sql).unwrap().without_parameters();
            assert!(way.as_ref().is_some_and(|way| way.contains(words)), "{sql}: {way:?}");
        }
        for sql in [
            "SELECT :v",
            "(SELECT :v)",
            "WITH a AS (SELECT 1) SELECT :v",
            "INSERT INTO t VALUES (:v)",
            "CALL p(:v)",
        ] {
            for dialect in Dialect::ALL {
                assert_eq!(
                    Template::parse(dialect, sql).unwrap().without_parameters(),
                    None,
                    "{sql}"
                );
            }
        }
    }
}
