//! The URL of a JDBC driver.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::config::Config;
use crate::url::separators;

/// What is encoded in a name or a value behind a question mark.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'&').add(b'#').add(b'+').add(b'"');

/// Returns the URL for the driver, with the options that are not this library's, in their order. User and password are
/// no part of it.
pub(super) fn of(config: &Config, subprotocol: &str) -> String {
    let url = config.url();
    // The name of its driver; others know it by the shorter one.
    let subprotocol = if subprotocol == "postgres" {
        "postgresql"
    } else {
        subprotocol
    };
    let mut out = format!("jdbc:{subprotocol}:");
    let text = url.database().unwrap_or_default();
    let mut options: Vec<(&str, &str)> = Vec::new();
    if url.is_opaque() {
        out.push_str(text);
    } else {
        out.push_str("//");
        match url.host() {
            Some(host) if host.contains(':') => out.extend(["[", host, "]"]),
            host => out.push_str(host.unwrap_or("localhost")),
        }
        if let Some(port) = url.port() {
            out.push(':');
            out.push_str(&port.to_string());
        }
        // SQL Server's driver takes the name of the database for an option.
        if subprotocol == "sqlserver" {
            options.extend(url.database().map(|name| ("databaseName", name)));
        } else {
            out.push('/');
            out.push_str(text);
        }
    }
    options.extend(config.driver_options());
    let (first, between) = separators(subprotocol);
    for (index, (name, value)) in options.iter().enumerate() {
        out.push(if index == 0 && !(first == '?' && text.contains('?')) {
            first
        } else {
            between
        });
        if first == '?' {
            out.extend(utf8_percent_encode(name, QUERY));
            out.push('=');
            out.extend(utf8_percent_encode(value, QUERY));
        } else {
            out.extend([*name, "=", *value]);
        }
    }
    if first == ':' && !options.is_empty() {
        out.push(between);
    }
    out
}
