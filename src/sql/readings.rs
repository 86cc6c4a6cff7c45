//! Other readings of a text: what a token is may depend on the session and on the version of the server, which are not
//! known here.

use super::control::Facts;
use super::lexer::{Lexer, Token, TokenKind};
use super::transaction_control::Control;
use super::word::words;
use super::{Dialect, SqlMode};

/// Returns whether the server may read more into a text than `control`: an unknown server skips a comment that contains
/// code for other versions, or the session has another rule for backslashes in strings (MySQL: `NO_BACKSLASH_ESCAPES`; PostgreSQL:
/// `standard_conforming_strings`), or the product reads quotes and comments in its own way (standard SQL).
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
        // What the text says between other quotes and comments than those that are read here.
        // It is not certain that a line ends at a carriage return alone.
        Dialect::SqlServer if control == Control::None && sql.replace("\r\n", "\n").contains('\r') => {
            names_control(sql)
        }
        Dialect::Generic if control == Control::None && has_other_readings(sql) => names_control(sql),
        _ => false,
    }
}

/// Returns whether products read a text of standard SQL differently: backslashes in strings, comments in comments and of
/// other kinds, other quotes, the ends of lines.
fn has_other_readings(sql: &str) -> bool {
    const SIGNS: [&str; 7] = ["\\", "//", "#", "$", "`", "[", "\r"];
    let comments = sql.matches("/*").count();
    let quotes = |word: &str| sql.contains(word);
    SIGNS.iter().any(|sign| sql.contains(sign)) || comments > 1 || quotes("q'") || quotes("Q'") || quotes("/*!")
}

/// Returns whether a text has, anywhere, a word that begins or ends transactions.
fn names_control(sql: &str) -> bool {
    const WORDS: [&str; 14] = [
        "ABORT",
        "AUTOCOMMIT",
        "BEGIN",
        "CHECKPOINT",
        "COMMIT",
        "END",
        "EXEC",
        "EXECUTE",
        "RELEASE",
        "ROLLBACK",
        "SAVE",
        "SAVEPOINT",
        "SHUTDOWN",
        "START",
    ];
    sql.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .any(|word| WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Template;

    #[test]
    fn x4_a_text_that_another_session_reads_otherwise_is_checked_found_w1() {
        let (pg, my, lite) = (Dialect::Postgres, Dialect::MySql, Dialect::Sqlite);
        let any = Dialect::Generic;
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
            (any, r"SELECT 'a\', '; COMMIT; --'", true),
            (any, "SELECT 1 /* a /* b */ ; COMMIT /* */ */", false),
            (any, "SELECT 1 /* a /* b */ + 1 /* ; COMMIT */ */", true),
            (any, "SELECT 1 // '\n; COMMIT -- '", true),
            (any, "SELECT $$; COMMIT; $$", true),
            (any, "SELECT 'COMMIT' AS word", false),
            (any, r"SELECT 'C:\dir'", false),
        ] {
            let template = Template::parse(dialect, sql).unwrap();
            assert_eq!(template.effect().opaque, doubtful, "{dialect}: {sql}");
        }
    }
}
