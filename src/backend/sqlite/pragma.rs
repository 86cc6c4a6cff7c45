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

    #[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
    #[test]
    fn b2_b3_a_session_of_another_driver_has_the_settings() {
        let config = Config::from_url("jdbc+sqlite://a.db?foreign_keys=off&busy_timeout=1234ms").unwrap();
        let texts = session(&config.server_setting("cache_size", "-7")).unwrap();
        let expected = ["foreign_keys = OFF", "busy_timeout = 1234", "cache_size = -7"];
        assert_eq!(texts, expected.map(|text| format!("PRAGMA {text}")));
    }
}
