//! The settings of a session, as `PRAGMA` statements.

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// Returns the statements that give a session the settings of a configuration, for drivers outside of the program. How
/// the file is opened is theirs.
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
pub(in crate::backend) fn session(config: &Config) -> Result<Vec<String>> {
    let settings = config.settings();
    let foreign_keys = if settings.foreign_keys { "ON" } else { "OFF" };
    let mut texts = vec![
        format!("PRAGMA foreign_keys = {foreign_keys}"),
        format!("PRAGMA busy_timeout = {}", settings.busy_timeout.as_millis()),
    ];
    let words = [
        ("journal_mode", settings.journal_mode.as_deref()),
        ("synchronous", settings.synchronous.as_deref()),
    ];
    let words = words.into_iter().filter_map(|(name, word)| Some((name, word?)));
    let others = settings.server_settings.iter();
    let others = others.map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in words.chain(others) {
        texts.push(format!("PRAGMA {} = {}", named(name)?, literal(value)));
    }
    Ok(texts)
}

/// Returns the statements that give a session the settings of a configuration, for a driver that takes text alone.
/// A setting that must come before the journal mode does.
#[cfg(feature = "rusqlite")]
pub(in crate::backend) fn opening(config: &Config) -> Result<String> {
    let settings = config.settings();
    let foreign_keys = if settings.foreign_keys { "ON" } else { "OFF" };
    let journal_mode = config.effective_journal_mode();
    let synchronous = config.effective_synchronous();
    check_word("journal_mode", journal_mode, &JOURNAL_MODES)?;
    check_word("synchronous", synchronous, &SYNCHRONOUS)?;
    let words = [
        ("journal_mode", journal_mode),
        ("foreign_keys", Some(foreign_keys)),
        ("synchronous", synchronous),
    ];
    let words = words.into_iter().filter_map(|(name, word)| Some((name, word?)));
    let others = settings.server_settings.iter();
    let (first, last): (Vec<_>, Vec<_>) = others
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .partition(|(name, _)| FIRST.iter().any(|first| first.eq_ignore_ascii_case(name)));
    first
        .into_iter()
        .chain(words)
        .chain(last)
        .map(|(name, value)| Ok(format!("PRAGMA {} = {}; ", named(name)?, literal(value))))
        .collect()
}

/// The settings that have no effect once the journal mode is set.
#[cfg(feature = "rusqlite")]
const FIRST: [&str; 3] = ["page_size", "locking_mode", "auto_vacuum"];

#[cfg(feature = "rusqlite")]
const JOURNAL_MODES: [&str; 6] = ["delete", "truncate", "persist", "memory", "wal", "off"];

#[cfg(feature = "rusqlite")]
const SYNCHRONOUS: [&str; 4] = ["off", "normal", "full", "extra"];

#[cfg(feature = "rusqlite")]
fn check_word(name: &str, word: Option<&str>, known: &[&str]) -> Result<()> {
    match word {
        Some(word) if !known.iter().any(|known| known.eq_ignore_ascii_case(word)) => Err(unknown(name, word)),
        _ => Ok(()),
    }
}

/// Returns the error for a word that a setting does not have.
#[cfg(any(feature = "sqlite", feature = "rusqlite"))]
pub(super) fn unknown(name: &str, value: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{name}: SQLite does not support {value:?}"))
}

/// Returns the text that gives a copy the settings of the configuration. It leaves out how a file is shared and its
/// journal kept: a copy has one connection, and without its journal in memory it could not be rolled back.
#[cfg(any(feature = "sqlite", feature = "rusqlite"))]
pub(in crate::backend) fn copy_pragmas(config: &Config) -> Result<String> {
    let synchronous = config.effective_synchronous().map(|when| ("synchronous", when));
    let settings = &config.settings().server_settings;
    let given = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let of_a_file = ["journal_mode", "locking_mode"];
    synchronous
        .into_iter()
        .chain(given)
        .filter(|(name, _)| !of_a_file.iter().any(|left_out| name.eq_ignore_ascii_case(left_out)))
        .map(|(name, value)| Ok(format!("PRAGMA {} = {}; ", named(name)?, literal(value))))
        .collect()
}

/// Returns the name if it is a plain word: it is written into SQL as it is.
pub(super) fn named(name: &str) -> Result<&str> {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(name);
    }
    let message = format!("server_settings: {name:?} is not a name of letters, digits and underscores");
    Err(Error::new(ErrorKind::Config, message))
}

/// Returns the value of a setting as SQL.
pub(super) fn literal(value: &str) -> String {
    if value.parse::<f64>().is_ok_and(f64::is_finite) {
        return value.to_owned();
    }
    Dialect::Sqlite.quote_text(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u7_pragmas_are_quoted_and_names_are_plain_words() {
        assert_eq!(literal("-2000"), "-2000");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(named("a; b").unwrap_err().kind(), ErrorKind::Config);
    }

    #[cfg(any(feature = "sqlite", feature = "rusqlite"))]
    #[test]
    fn f10_a_copy_has_the_settings_but_for_those_of_a_file() {
        let settings = "sqlite:app.db?journal_mode=off&synchronous=off&cache_size=-7&locking_mode=exclusive";
        let pragmas = copy_pragmas(&Config::from_url(settings).unwrap()).unwrap();
        assert_eq!(
            pragmas.to_lowercase(),
            "pragma synchronous = 'off'; pragma cache_size = -7; "
        );
    }

    #[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
    #[test]
    fn b2_b3_a_session_of_another_driver_has_the_settings() {
        let config = Config::from_url("jdbc+sqlite://a.db?foreign_keys=off&busy_timeout=1234ms").unwrap();
        let texts = session(&config.server_setting("cache_size", "-7")).unwrap();
        let expected = ["foreign_keys = OFF", "busy_timeout = 1234", "cache_size = -7"];
        assert_eq!(texts, expected.map(|text| format!("PRAGMA {text}")));
    }
}
