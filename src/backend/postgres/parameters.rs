//! The parameters of a session.

use crate::config::{Config, Settings};
use crate::error::{Error, ErrorKind, Result};
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
use crate::sql::Dialect;

/// Returns the parameters that the configuration gives a session.
pub(super) fn parameters(config: &Config) -> Result<Vec<(&str, &str)>> {
    let settings = config.settings();
    for (name, value) in &settings.server_settings {
        check_setting(name, value)?;
    }
    let given = settings.server_settings.iter();
    let given = given.map(|(name, value)| (name.as_str(), value.as_str()));
    // A read that writes after all, in a view or a function, is refused there and runs on the primary. A pooler in
    // between refuses the parameter.
    let reads_only = (config.is_replica() && settings.statement_cache_capacity > 0)
        .then_some(("default_transaction_read_only", "on"));
    Ok(reads_only.into_iter().chain(given).chain(isolation(settings)).collect())
}

/// Returns the texts that set up a session of a driver outside of the program: what the library itself needs, and what the
/// configuration asks for.
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
pub(in crate::backend) fn session(config: &Config) -> Result<Vec<String>> {
    let needed = [
        ("TimeZone", "UTC"),
        ("DateStyle", "ISO, MDY"),
        ("IntervalStyle", "postgres"),
        ("bytea_output", "hex"),
    ];
    let mut asked = parameters(config)?;
    let name = config.settings().application_name.as_deref();
    asked.extend(name.map(|name| ("application_name", name)));
    let mut texts = vec![set(&needed)];
    if !asked.is_empty() {
        texts.push(set(&asked));
    }
    Ok(texts)
}

/// Returns the text that sets parameters.
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
fn set(parameters: &[(&str, &str)]) -> String {
    let quoted = |text: &str| Dialect::Postgres.quote_text(text);
    let rows = parameters
        .iter()
        .map(|(name, value)| format!("({}, {})", quoted(name), quoted(value)));
    let rows: Vec<String> = rows.collect();
    format!(
        "SELECT pg_catalog.set_config(name, value, false) FROM (VALUES {}) AS settings (name, value)",
        rows.join(", ")
    )
}

/// The parameter with the isolation level of statements outside of transactions.
const ISOLATION: &str = "default_transaction_isolation";

/// Returns the parameter that gives statements outside of transactions the isolation level of the settings. A parameter
/// that was given by its own name counts more. A pooler, which would refuse the parameter, is expected where nothing is
/// kept prepared; transactions carry their level themselves.
fn isolation(settings: &Settings) -> Option<(&'static str, &'static str)> {
    let given = settings
        .server_settings
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(ISOLATION));
    let level = settings.isolation_level?.as_str();
    (!given && settings.statement_cache_capacity > 0).then_some((ISOLATION, level))
}

/// Refuses a setting that would be read as several: the server splits their list at white space, and the driver marks
/// only blanks in a value.
fn check_setting(name: &str, value: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-$".contains(&byte) || !byte.is_ascii();
    let why = if name.is_empty() || !name.bytes().all(plain) {
        "its name may contain only letters, digits, `_`, `-` and `.`"
    } else if value.bytes().any(|byte| matches!(byte, 0 | b'\t'..=b'\r')) {
        "its value must not contain tabs and line breaks"
    } else {
        return Ok(());
    };
    let message = format!("server_settings: {name:?} cannot be sent when a connection begins: {why}");
    Err(Error::new(ErrorKind::Config, message).help("write blanks, or set it with SQL in an `after_connect` hook"))
}
