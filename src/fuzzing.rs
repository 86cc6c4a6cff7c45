//! The properties that the fuzz targets in `fuzz/` try, compiled for them and for their short runs as tests only.
//!
//! Each panics if its property does not hold. None needs a server.

pub use crate::backend::fuzzing::*;
use crate::config::Config;
use crate::sql::{DIALECTS, Definition, ObjectName, SqlMode, Summary, Template, sanitized};
use crate::url::DatabaseUrl;
use crate::value::{Params, Value};

/// A password that no message may contain.
const SECRET: &str = "s3cr3t-0xF00D";

/// A URL that is read is written as a text that is read as the same URL, and neither its `Display` nor an error shows
/// the password.
pub fn url(text: &str) {
    if let Ok(url) = DatabaseUrl::parse(text) {
        let written = url.expose();
        let again = DatabaseUrl::parse(&written);
        assert_eq!(again.as_ref().ok(), Some(&url), "{text:?} was written as {written:?}");
        let secret = url.with_password(SECRET);
        assert!(
            !format!("{secret} {secret:?}").contains(SECRET),
            "{text:?} shows its password"
        );
    }
    let text = text.replacen('@', &format!(":{SECRET}@"), 1);
    if let Err(error) = DatabaseUrl::parse(&text) {
        // Only what is a password for the parser of URLs; `scheme://a:b@` has one, `a:b@` need not.
        assert!(!text.contains("://") || !error.to_string().contains(SECRET), "{error}");
    }
}

/// A dictionary that is read is written as one that is read as the same configuration, and an error never shows a
/// password.
pub fn dictionary(text: &str) {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
        return;
    };
    match Config::from_value(&value) {
        Ok(config) => {
            if let Ok(written) = serde_json::to_value(&config) {
                let again = Config::from_value(&written);
                let again = again.map(|config| serde_json::to_value(&config).ok()).ok().flatten();
                assert_eq!(again, Some(written), "{text}");
            }
        }
        Err(error) => {
            let password = value
                .pointer("/connection/credentials")
                .unwrap_or(&value)
                .get("password");
            if let Some(password) = password
                .and_then(serde_json::Value::as_str)
                .filter(|text| text.len() > 12)
            {
                assert!(!error.to_string().contains(password), "{error}");
            }
        }
    }
}

/// The tokens of a text are the text, on each dialect, and everything that reads tokens returns.
pub fn lexer(text: &str) {
    for dialect in DIALECTS {
        assert_eq!(crate::sql::tokens(dialect, text).concat(), text, "{dialect:?}");
        drop(sanitized(dialect, SqlMode::default(), text));
        drop(Definition::read(dialect, text));
        drop(ObjectName::read(dialect, text));
        drop(Summary::of(dialect, SqlMode::default(), text));
    }
}

/// A text whose parameters can be bound is sent as one that has as many values as placeholders.
pub fn template(text: &str) {
    for dialect in DIALECTS {
        let Ok(template) = Template::parse(dialect, text) else {
            continue;
        };
        let _ = (
            template.control(),
            template.effect(),
            template.leaves_open(),
            template.fits_replica(true),
        );
        for value in [
            Value::Null,
            Value::List(vec![Value::I64(1), Value::I64(2)]),
            Value::List(Vec::new()),
        ] {
            let params: Params = crate::sql::names_of(&template)
                .map(|name| (name, value.clone()))
                .collect();
            let Ok(bound) = template.bind(params) else { continue };
            // What is sent is a text of the same dialect.
            if !text.contains('\\') {
                let sent = Template::parse(dialect, bound.statement.text());
                assert!(
                    sent.is_ok(),
                    "{dialect:?}: {text:?} was sent as {:?}",
                    bound.statement.text()
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Generates text of the pieces that a grammar is made of.
    fn of(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            vec(prop::sample::select(pieces), 0..24).prop_map(|pieces| pieces.concat())
        ]
    }

    const OF_URLS: &[&str] = &[
        "postgres", "mysql", "sqlite", "mariadb", "+asyncpg", "://", ":", "/", "//", "@", "?", "#", "&", "=", "%",
        "%2F", "%00", "%ff", "[", "]", "::1", "host", "user", "5432", "é", " ", ".", "..", "memory", "mode=ro",
        "sslmode", "dbname", ",",
    ];
    const OF_DICTIONARIES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"scheme\"",
        "\"connection\"",
        "\"pool_size\"",
        "\"10s\"",
        "\"credentials\"",
        "\"host\"",
        "\"port\"",
        "\"password\"",
        "\"user\"",
        "\"database\"",
        "\"postgres\"",
        "\"sqlite\"",
        "\"options\"",
        "\"a-long-password\"",
        "1",
        "-1",
        "1e400",
        "null",
        "true",
        "\"\"",
        "\"5432\"",
        "\"\\u0000\"",
    ];
    const OF_SQL: &[&str] = &[
        "'",
        "\"",
        "`",
        "[",
        "]",
        "(",
        ")",
        "--",
        "-- ",
        "\n",
        "\r",
        "/*",
        "*/",
        "/*!",
        "/*M!",
        "#",
        "$$",
        "$x$",
        "$1",
        "?",
        "??",
        "?1",
        ":",
        "::",
        ":=",
        ":a",
        ":b",
        "\\",
        "E'",
        "U&'",
        "N'",
        "x'",
        "IN (",
        "NOT",
        "VALUES",
        "INSERT INTO t",
        ";",
        ",",
        "é",
        "x",
        "1",
        "1e",
        " ",
        "@",
        "BEGIN",
        "COMMIT",
        "SET ",
        "CREATE TABLE",
        "REFERENCES",
        "\u{feff}",
        "\u{a0}",
        "\u{b}",
    ];

    proptest! {
        #[test]
        fn u4_a_url_is_written_as_it_was_read(text in of(OF_URLS)) {
            url(&text);
        }

        #[test]
        fn c1_a_dictionary_is_written_as_it_was_read(text in of(OF_DICTIONARIES)) {
            dictionary(&text);
        }

        #[test]
        fn q2_every_text_is_its_tokens(text in of(OF_SQL)) {
            lexer(&text);
        }

        #[test]
        fn q2_what_is_sent_can_be_read_again(text in of(OF_SQL)) {
            template(&text);
        }
    }
}
