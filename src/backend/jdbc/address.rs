//! The URL of a JDBC driver.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::url::{ForeignDriver, separators};

/// What no name of a database needs to have encoded.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of a database, in two parts.
pub(super) struct Address<'a> {
    pub(super) url: String,
    /// The options that a URL cannot hold, for the properties: drivers differ in what they decode, and most cannot
    /// write the signs that separate options.
    pub(super) others: Vec<(&'a str, &'a str)>,
}

/// Returns the address for the driver, with the options that are not this library's, in their order, except those in
/// `taken`. User and password are no part of it.
pub(super) fn of<'a>(config: &'a Config, subprotocol: &str, taken: &[&str]) -> Result<Address<'a>> {
    let url = config.url();
    // The name of its driver; others know it by the shorter one.
    let known = if subprotocol == "postgres" {
        "postgresql"
    } else {
        subprotocol
    };
    let mut out = format!("jdbc:{known}:");
    let (first, between) = separators(known);
    let text = url.database().unwrap_or_default();
    let mut options: Vec<(&str, &str)> = Vec::new();
    if url.is_opaque() {
        check_options_of(text, taken)?;
        out.push_str(text);
    } else {
        out.push_str("//");
        match url.host().filter(|host| !host.starts_with('/')) {
            Some(host) if host.contains(':') => out.extend(["[", host, "]"]),
            host => out.push_str(host.unwrap_or("localhost")),
        }
        if let Some(port) = url.port() {
            out.push(':');
            out.push_str(&port.to_string());
        }
        // SQL Server's driver takes the name of the database for an option.
        if known == "sqlserver" {
            options.extend(url.database().map(|name| ("databaseName", name)));
        } else {
            out.push('/');
            out.push_str(&name_in_path(config, text, first)?);
        }
    }
    let is_taken = |name: &str| taken.iter().any(|taken| taken.eq_ignore_ascii_case(name));
    options.extend(config.driver_options().filter(|(name, _)| !is_taken(name)));
    let (plain, others): (Vec<_>, Vec<_>) = options
        .into_iter()
        .partition(|(name, value)| is_plain(name) && is_plain(value));
    let has_options = text.starts_with("file:") && text.contains('?');
    if url.is_opaque() && first == '?' && text.contains('?') && !has_options && !plain.is_empty() {
        return Err(
            not_writable("`?`").help("rename the file, or set what its options say with SQL in `after_connect`")
        );
    }
    for (index, (name, value)) in plain.iter().enumerate() {
        out.push(if index == 0 && !(first == '?' && has_options) {
            first
        } else {
            between
        });
        out.extend([*name, "=", *value]);
    }
    if first == ':' && !plain.is_empty() {
        out.push(between);
    }
    Ok(Address { url: out, others })
}

/// Refuses a text of the driver's own with an option that is given in another way too: drivers differ in which is stronger.
fn check_options_of(text: &str, taken: &[&str]) -> Result<()> {
    let names = text
        .split(['?', '&', ';'])
        .skip(1)
        .filter_map(|part| part.split_once('='));
    for (name, _) in names {
        if let Some(taken) = taken.iter().find(|taken| taken.eq_ignore_ascii_case(name.trim())) {
            let message = format!(
                "`{taken}` is given twice: in the driver's own part of the URL, and by a setting or an argument"
            );
            return Err(Error::new(ErrorKind::Config, message)
                .help("leave one of them out: which of them the driver would follow depends on the driver"));
        }
    }
    Ok(())
}

/// Returns the name of a database as the driver of a server reads it. Only pgjdbc is known to decode it; behind the name
/// some of Java's own URLs have options.
fn name_in_path(config: &Config, name: &str, first: char) -> Result<String> {
    if config.foreign_driver() == Some(ForeignDriver::PgJdbc) {
        return Ok(utf8_percent_encode(name, NAME).to_string());
    }
    if first == '?' && name.contains('?') {
        return Err(not_writable("`?`").help("rename the database, or change to it with SQL in `after_connect`"));
    }
    Ok(name.to_owned())
}

fn not_writable(sign: &str) -> Error {
    let message = format!("the name of the database has a {sign}, at which the options begin in a URL of this driver");
    Error::new(ErrorKind::Config, message)
}

/// Returns whether every driver reads a text in a URL as it stands there.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/,@()*!'$[]<>|^`\"".contains(&byte))
}
