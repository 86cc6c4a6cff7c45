//! The SQL dialects, and the simple differences between them.

use std::fmt;

/// The SQL dialect of a database.
///
/// ```
/// use ebbtide::Dialect;
///
/// assert_eq!(Dialect::MySql.to_string(), "MySQL");
/// assert_eq!(Dialect::Sqlite.max_parameters(), 32_766);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
    /// SQL Server: T-SQL. The feature `mssql` has the driver, which is experimental.
    SqlServer,
    /// Standard SQL: every database without a dialect of its own here.
    Generic,
}

impl Dialect {
    /// All dialects.
    pub(crate) const ALL: [Self; 5] = [
        Self::Postgres,
        Self::MySql,
        Self::Sqlite,
        Self::SqlServer,
        Self::Generic,
    ];

    /// Returns whether its databases are on a server; otherwise a database is a file, or in memory.
    pub(crate) fn is_served(self) -> bool {
        match self {
            Self::Postgres | Self::MySql | Self::SqlServer | Self::Generic => true,
            Self::Sqlite => false,
        }
    }

    /// Returns the setting of a session that lists the schemas in which names without one are looked for; `None`
    /// without such a setting.
    pub(crate) fn schema_setting(self) -> Option<&'static str> {
        match self {
            Self::Postgres => Some("search_path"),
            Self::MySql | Self::Sqlite | Self::SqlServer | Self::Generic => None,
        }
    }

    /// Returns the maximum number of parameters that one statement can bind.
    pub fn max_parameters(self) -> usize {
        match self {
            Self::Postgres | Self::MySql => 65_535,
            // Of 2,100 parameters of a procedure, the one that runs a statement takes the text and the types.
            Self::SqlServer => 2_098,
            // No database is known that takes fewer. The server reports what is too many for it.
            Self::Sqlite | Self::Generic => 32_766,
        }
    }

    /// Returns the most rows of an `INSERT` in one statement. More gain nothing where none is far away, or where each text
    /// is compiled.
    pub(super) fn max_rows(self) -> usize {
        match self {
            Self::MySql => 2_048,
            Self::Postgres | Self::Sqlite | Self::SqlServer | Self::Generic => 512,
        }
    }

    /// Quotes the name of a table or column, so that any text is exactly one name. The server then keeps upper and
    /// lower case as written. NUL characters are removed, because no name can contain them.
    ///
    /// A dot is part of the name: quote the schema and the table separately.
    ///
    /// ```
    /// use ebbtide::Dialect;
    ///
    /// assert_eq!(Dialect::Postgres.quote_identifier("order"), r#""order""#);
    /// assert_eq!(Dialect::Sqlite.quote_identifier(r#"a"b"#), r#""a""b""#);
    /// assert_eq!(Dialect::MySql.quote_identifier("a`b"), "`a``b`");
    /// assert_eq!(Dialect::SqlServer.quote_identifier("a]b"), "[a]]b]");
    /// ```
    pub fn quote_identifier(self, name: &str) -> String {
        let (opening, closing) = match self {
            Self::Postgres | Self::Sqlite | Self::Generic => ('"', '"'),
            Self::MySql => ('`', '`'),
            Self::SqlServer => ('[', ']'),
        };
        let mut quoted = String::with_capacity(name.len() + 2);
        quoted.push(opening);
        for character in name.chars().filter(|&character| character != '\0') {
            if character == closing {
                quoted.push(closing);
            }
            quoted.push(character);
        }
        quoted.push(closing);
        quoted
    }

    /// Returns whether every placeholder has a number, which may occur several times.
    pub(super) fn numbers_placeholders(self) -> bool {
        match self {
            Self::Postgres | Self::SqlServer => true,
            Self::MySql | Self::Sqlite | Self::Generic => false,
        }
    }

    /// Returns what stands before the number of a placeholder.
    pub(super) fn placeholder(self) -> &'static str {
        match self {
            Self::SqlServer => "@P",
            Self::Postgres | Self::MySql | Self::Sqlite | Self::Generic => "$",
        }
    }

    /// Writes the placeholder with a number, counted from 1.
    pub(super) fn write_placeholder(self, out: &mut String, number: usize) {
        out.push_str(self.placeholder());
        out.push_str(&number.to_string());
    }

    /// Quotes a string, for statements in which it cannot be bound. It is one literal, regardless of the server's
    /// settings.
    pub(crate) fn quote_text(self, text: &str) -> String {
        let doubled = text.replace('\'', "''");
        match self {
            Self::MySql => format!("'{}'", doubled.replace('\\', "\\\\")),
            Self::Postgres if text.contains('\\') => format!("E'{}'", doubled.replace('\\', "\\\\")),
            Self::SqlServer => format!("N'{doubled}'"),
            Self::Postgres | Self::Sqlite | Self::Generic => format!("'{doubled}'"),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::Sqlite => "SQLite",
            Self::SqlServer => "SQL Server",
            Self::Generic => "SQL",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::lexer::{Lexer, TokenKind};
    use super::*;

    proptest! {
        #[test]
        fn a_quoted_identifier_is_one_token(name in any::<String>()) {
            for dialect in Dialect::ALL {
                let quoted = dialect.quote_identifier(&name);
                let tokens: Vec<_> = Lexer::new(dialect, &quoted).collect();
                prop_assert_eq!(tokens.len(), 1);
                prop_assert_eq!(tokens[0].kind, TokenKind::Quoted);
            }
        }

        #[test]
        fn a_quoted_text_is_one_token(text in "[^\0]*") {
            for dialect in Dialect::ALL {
                let quoted = dialect.quote_text(&text);
                let tokens: Vec<_> = Lexer::new(dialect, &quoted).collect();
                prop_assert_eq!(tokens.len(), 1);
                prop_assert_eq!(tokens[0].kind, TokenKind::Literal);
            }
        }
    }
}
