//! Other readings of a text: what a token is may depend on the session and on the version of the server, which are not
//! known here.

use super::control::{Control, Facts};
use super::lexer::{Lexer, Token, TokenKind};
use super::word::words;
use super::{Dialect, SqlMode};

/// Returns whether the server may read more into a text than `control`: an unknown server skips a comment that contains
/// code for other versions, or the session has another rule for backslashes in strings (MySQL: `NO_BACKSLASH_ESCAPES`; PostgreSQL:
/// `standard_conforming_strings`).
pub(super) fn is_doubtful(dialect: Dialect, mode: SqlMode, sql: &str, tokens: &[Token<'_>], control: Control) -> bool {
    let has_code = |token: &Token<'_>| {
        token.kind == TokenKind::Comment && (token.text.starts_with("/*!") || token.text.starts_with("/*M!"))
    };
    match dialect {
        Dialect::MySql if mode.server.is_none() && tokens.iter().any(has_code) => true,
        Dialect::MySql | Dialect::Postgres if sql.contains('\\') => {
            let other = words(Lexer::new(dialect, sql).in_mode(mode).with_other_backslashes());
            Facts::of(dialect, mode.server, &other).control > control
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Template;

    #[test]
    fn x4_a_text_that_another_session_reads_otherwise_is_checked_found_w1() {
        let (pg, my, lite) = (Dialect::Postgres, Dialect::MySql, Dialect::Sqlite);
        for (dialect, sql, doubtful) in [
            (my, r"SELECT 'a\'; COMMIT; -- '", true),
            (my, r"SELECT 'a\'; SELECT 1; -- '", false),
            (my, "SELECT /*!99999 ' */ 1; COMMIT; -- '", true),
            (my, "SELECT /*M!100000 1 */", true),
            (my, "SELECT /* ! */ 1", false),
            (pg, r"SELECT 'a\'', '; COMMIT; --'", false),
            (pg, r"SELECT 'a\', '; COMMIT; --'", true),
            (pg, r"SELECT E'a\'; COMMIT; --'", false),
            (lite, r"SELECT 'a\'', '; COMMIT; --'", false),
        ] {
            let template = Template::parse(dialect, sql).unwrap();
            assert_eq!(template.effect().opaque, doubtful, "{dialect}: {sql}");
        }
    }
}
