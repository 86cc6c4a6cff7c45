//! Texts of a generator, read by this library and by the server: whether one ends the transaction it is sent in.
//!
//! `EBBTIDE_LEXER_TEXTS` is the number of texts, and `EBBTIDE_LEXER_SEED` chooses others.

use std::env;

use ebbtide::{AssertSqlSafe, Database, ErrorKind};

use crate::backends::Backend;
use crate::support::{Dice, SideConnection, Test, cases};

/// What may stand between two tokens, valid or not.
#[rustfmt::skip]
const BLANKS: &[&str] = &[
    " ", " ", " ", "\t", "\n", "\r", "\r\n", "\u{b}", "\u{c}", " \u{b}", "\u{feff}", " \u{feff}", "\u{a0}", "\u{85}",
    "\u{2028}", "\u{3000}", "\u{1}", "\u{7f}", "-- x\n", "-- x\r", "-- x\r\n", "--\n", "--\r", "--x\n", "--\u{1}x\n",
    "--\u{7f}x\n", "--\u{a0}x\n", "-- ' \n", "-- ' \r", "-- /* \n", "-- :x ? $1 \n", "#x\n", "#'\n", "#x\r", "/* x */",
    "/**/", "/***/", "/*/ x */", "/* /* x */ */", "/* /* x */", "/* ' */", "/* -- */", "/* :x ? $1 */", "/*\n;\n*/",
    "/* ; COMMIT; */", "/*! */", "/*!99999 ' */", "/*!99999 x */", "/*!40000 */", "/*M! */", "/*M!999999 ' */",
    "/*+ x */", "/*! /* x */ */",
];

/// Values and names, valid or not.
#[rustfmt::skip]
const VALUES: &[&str] = &[
    "1", "1.5", "1.", ".5", "1e5", "1.e5", "1e+5", "0x1F", "0b01", "1_000", "1..2", "'a'", "''", "'a''b'", "''''",
    r"'a\'", r"'a\\'", r"'\''", r"'\\\'", r"'a\''", r"'a\', '; COMMIT; --'", r"'a\'; COMMIT; -- '", "'--'", "'/*'", "'*/'", "'#'",
    "':x ? $1'", "'; COMMIT; --'", "'a'\n'b'", "'a'\r'b'", "'a' 'b'", "'a' -- x\n'b'", "'é'", "'\u{feff}'", "'$$'",
    "\"a\"", "\"a\"\"b\"", r#""a\""#, r#""a\"; COMMIT; -- ""#, "\"'\"", "\"; COMMIT\"", "`a`", "`a'b`", "`a``b`", "[a]", "[a'b]",
    "$$a$$", "$$'$$", "$$;$$", "$t$ ' $t$", "$t$ $$ $t$", "$é$'$é$", "$$ ; COMMIT; $$", "$1$", "E'a'", r"E'\''", r"e'a\\'",
    r"E'a\'; COMMIT; --'", "E'a'\n'b\\''", "E'a'\r'b\\''", "E'a' -- c\n'b\\''", "E'a' -- c\r 'b\\''", "E'a' 'b'",
    "E'a' /* */\n'b\\''", "U&'a'", r"U&'\0061'", r"U&'\'", "N'a'", r"N'\''", "n'a'", "B'1'", "b'1'", "X'1F'", "x''", "X'1''",
    "_utf8mb4'a'", r"_utf8mb4'\''", "_binary X'1F'", "@a", "@'a'", "@`a'b`", "@@version", "-1", "- -1", "1--1", "1-- 1",
    "1*/2", "1/ *2", "(1)", "1 AS a$b", "1 AS a$$", "1 AS é", "1 AS \u{feff}a", "1 a", "1a", "1e'a'", "1'a'", "1AS b",
    "CASE 1 WHEN 1 THEN 2 END", "1 AS begin", "NULL", r"\N", "!1", "~1", "1|1", "1->1", "@-- \n 1", "+-- \n 1", "*",
];

const ENDS: &[&str] = &["COMMIT", "commit", "COMMIT WORK", "END", "ROLLBACK", "Rollback WORK"];

/// Makes texts of a few statements.
struct Texts {
    dice: Dice,
}

impl Texts {
    fn one(&mut self, from: &[&'static str]) -> &'static str {
        from[self.dice.roll(from.len() as u64) as usize]
    }

    fn chance(&mut self, of: u64) -> bool {
        self.dice.roll(of) == 0
    }

    fn blank(&mut self, text: &mut String) {
        for _ in 0..=self.dice.roll(2) {
            *text += self.one(BLANKS);
        }
    }

    fn statement(&mut self, text: &mut String) {
        *text += "SELECT";
        self.blank(text);
        for number in 0..=self.dice.roll(3) {
            if number > 0 {
                *text += ",";
            }
            if self.chance(3) {
                self.blank(text);
            }
            *text += self.one(VALUES);
        }
    }

    /// Returns a text for a backend. The pieces that it does not know are left out of most texts, or few would run.
    fn text(&mut self, runs: impl Fn(&str) -> bool) -> String {
        let wild = self.chance(4);
        loop {
            let mut text = String::new();
            for number in 0..=self.dice.roll(3) {
                if number > 0 {
                    text += ";";
                }
                if self.chance(2) {
                    self.blank(&mut text);
                }
                if self.chance(3) {
                    text += self.one(ENDS);
                } else {
                    self.statement(&mut text);
                }
                if self.chance(3) {
                    self.blank(&mut text);
                }
            }
            if self.chance(8) {
                self.damage(&mut text);
            }
            if wild || runs(&text) {
                return text;
            }
        }
    }

    /// Removes a character, or adds one.
    fn damage(&mut self, text: &mut String) {
        let mut letters: Vec<char> = text.chars().collect();
        let at = self.dice.roll(letters.len() as u64) as usize;
        if self.chance(2) {
            letters.remove(at);
        } else {
            let sign = self.one(&["'", "\"", "`", "\\", ";", "-", "/", "*", "\n", "\r", "(", ")", "]"]);
            letters.splice(at..at, sign.chars());
        }
        *text = letters.into_iter().collect();
    }
}

/// Returns whether a text is likely to be valid.
fn is_usual(backend: Backend, text: &str) -> bool {
    let foreign: &[&str] = if backend.is_postgres() {
        &[
            "#", "`", "[", "!", "@", "_utf8", "_binary", "\\N", "1a", "*,", "\u{a0}", "\u{85}", "\u{2028}", "\u{3000}",
            "\u{1}", "\u{7f}", "1..2", "\u{b}",
        ]
    } else if backend.is_mysql() {
        &[
            "$", "E'", "e'", "U&", "[", "->", "1_000", "1..2", "\u{1}", "END", "1->", "||",
        ]
    } else {
        &[
            "$", "E'", "e'", "U&", "N'", "n'", "B'", "b'", "#", "@", "!", "_utf8", "_binary", "\\N", "1a", "0b", "1AS",
            "\u{a0}", "\u{85}", "\u{1}", "\u{7f}",
        ]
    };
    !foreign.iter().any(|foreign| text.contains(foreign))
}

/// What a server did with a text in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    ran: bool,
    ended: bool,
}

async fn on_server(side: &mut SideConnection, text: &str) -> Outcome {
    side.execute("BEGIN").await.unwrap();
    side.execute("SAVEPOINT ahead").await.unwrap();
    let ran = side.execute(text).await.is_ok();
    let stands = side.execute("RELEASE SAVEPOINT ahead").await.is_ok()
        || side.execute("ROLLBACK TO SAVEPOINT ahead").await.is_ok();
    // There may be none.
    let _ = side.execute("ROLLBACK").await;
    Outcome { ran, ended: !stands }
}

/// Returns what is wrong with the library's reading of a text; `None` if it is that of the server.
async fn misread(backend: Backend, database: &Database, text: &str, outcome: Outcome) -> Option<String> {
    let transaction = database.transaction().await.unwrap();
    transaction.execute("SAVEPOINT ahead", ()).await.unwrap();
    let result = transaction.execute(AssertSqlSafe(text.to_owned()), ()).await;
    let kind = result.as_ref().err().map(ebbtide::Error::kind);
    let stands = transaction.execute("RELEASE SAVEPOINT ahead", ()).await.is_ok()
        || transaction.execute("ROLLBACK TO SAVEPOINT ahead", ()).await.is_ok();
    let noticed = transaction
        .execute("SELECT 1", ())
        .await
        .err()
        .map(|error| error.kind())
        == Some(ErrorKind::TransactionEnded);
    let _ = transaction.rollback().await;
    // Which comments are code depends on the version; SQLite takes these for parameters.
    let cautious = match kind {
        Some(ErrorKind::Parameter) if backend.is_sqlite() => text.contains(['#', '@', '$']),
        _ => backend.is_mysql() && (text.contains("/*!") || text.contains("/*M!")),
    };
    let right = match kind {
        Some(ErrorKind::Refused) => stands && (outcome.ended || !outcome.ran || cautious),
        Some(ErrorKind::TransactionEnded) => noticed && outcome.ended,
        Some(_) => (stands || noticed) && (!outcome.ran || outcome.ended || cautious),
        None => stands && !outcome.ended,
    };
    (!right).then(|| format!("{text:?}: the server: {outcome:?}, the library: {result:?}, stands: {stands}"))
}

fn number(variable: &str, usual: u64) -> u64 {
    env::var(variable).map_or(usual, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} is no number"))
    })
}

async fn compare(t: &Test) {
    let database = t.database().await;
    let mut side = SideConnection::connect(&t.side_url()).await.unwrap();
    let mut texts = Texts {
        dice: Dice::new(number("EBBTIDE_LEXER_SEED", 1)),
    };
    let (mut wrong, mut ran, mut ended) = (Vec::new(), 0, 0);
    for _ in 0..number("EBBTIDE_LEXER_TEXTS", 400) {
        let text = texts.text(|text| is_usual(t.backend(), text));
        let outcome = on_server(&mut side, &text).await;
        ran += u32::from(outcome.ran);
        ended += u32::from(outcome.ended);
        wrong.extend(misread(t.backend(), &database, &text, outcome).await);
        if wrong.len() > 20 {
            break;
        }
    }
    assert!(wrong.is_empty(), "{} misread:\n{}", wrong.len(), wrong.join("\n"));
    assert!(
        ran > 20 && ended > 20,
        "the texts are not useful: {ran} ran, {ended} ended the transaction"
    );
    let _ = side.close().await;
    database.disconnect().await.unwrap();
}

cases! {
    /// A text is refused in a transaction if and only if it would end it.
    #[limit(7200)]
    #[native]
    #[except(rusqlite_memory)]
    async fn x4_a_generated_text_ends_no_transaction_unseen_found_w1(t: Test) {
        compare(&t).await;
    }

    /// The examples that were found by hand.
    #[native]
    async fn x4_a_commit_after_an_unusual_blank_is_refused_found_w1(t: Test) {
        let database = t.database().await;
        let texts: &[&str] = if t.backend().is_postgres() {
            &["SELECT 1 -- x\r; COMMIT", "SELECT E'a'\r'b\\''; COMMIT", "SELECT E'a' -- x\n'b\\''; COMMIT --'", "\u{c}COMMIT"]
        } else if t.backend().is_mysql() {
            &["SELECT 1 --\u{7f}'\n; COMMIT", "SELECT 1 /*! */; COMMIT", "#'\nCOMMIT", "SELECT 1--'\n'; COMMIT"]
        } else {
            &["\u{feff}COMMIT", "SELECT 1;\u{feff} COMMIT", "SELECT 1 -- x\r'\n; COMMIT", "SELECT [a'] FROM (SELECT 1 AS \"a'\"); COMMIT"]
        };
        let sandbox = database.sandbox().await.unwrap();
        for database in [&database, &sandbox] {
            for text in texts {
                let transaction = database.transaction().await.unwrap();
                let result = transaction.execute(AssertSqlSafe(*text), ()).await;
                assert_eq!(result.as_ref().err().map(ebbtide::Error::kind), Some(ErrorKind::Refused), "{text:?}: {result:?}");
                transaction.rollback().await.unwrap();
            }
        }
    }

    /// A text that the session or the version of the server reads in another way is checked after it ran.
    #[only(postgres, mysql)]
    async fn x4_a_text_that_ended_the_transaction_unrecognised_is_found_out_found_w1(t: Test) {
        let database = t.database().await;
        let (setting, text) = if t.backend().is_postgres() {
            ("SET LOCAL standard_conforming_strings = off", r"SELECT 1; SELECT 'a\', '; COMMIT; --'")
        } else {
            ("SET sql_mode = 'NO_BACKSLASH_ESCAPES'", r"SELECT 1; SELECT 'a\'; COMMIT; -- '")
        };
        let sandbox = database.sandbox().await.unwrap();
        for database in [&sandbox, &database] {
            let transaction = database.transaction().await.unwrap();
            transaction.execute(setting, ()).await.unwrap();
            for text in [text, "SELECT 2"] {
                let error = transaction.execute(text, ()).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TransactionEnded, "{text}: {error}");
            }
        }
        let broken = sandbox.execute("SELECT 2", ()).await.unwrap_err();
        assert_eq!(broken.kind(), ErrorKind::SandboxBroken, "{broken}");
        database.execute("SELECT 2", ()).await.unwrap();
    }

    /// The names of columns do not hide the statements after them.
    #[only(sqlite)]
    async fn x4_words_in_a_definition_hide_no_commit_found_w1(t: Test) {
        let database = t.database().await;
        for text in [
            "CREATE TEMP TABLE a (trigger int, begin int); COMMIT",
            "CREATE TEMP TABLE b (begin int); CREATE TEMP TRIGGER c AFTER INSERT ON b BEGIN SELECT begin FROM b; END; COMMIT",
        ] {
            let transaction = database.transaction().await.unwrap();
            let error = transaction.execute(text, ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{text}: {error}");
            transaction.rollback().await.unwrap();
        }
    }
}
