//! Parses text into the parts of a URL.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::bridge::{is_file, is_opaque_text};
use super::connection_string::keywords;
use super::{Bridge, DatabaseUrl, error, scheme};
use crate::error::{Error, Result};
use crate::sql::Dialect;

/// Parses a URL. No error of this module contains text from after the scheme that could be part of a password.
pub(super) fn parse(text: &str) -> Result<DatabaseUrl> {
    let text = text.trim();
    let (name, rest) = text
        .split_once(':')
        .filter(|(name, _)| is_scheme(name))
        .ok_or_else(|| {
            error("this is not a database URL: it does not begin with a scheme")
                .help("write it as `postgres://user:password@host:5432/database` or `sqlite://file.db`")
        })?;
    if name.eq_ignore_ascii_case(Bridge::Jdbc.scheme()) && !rest.starts_with("//") {
        return parse_java(rest);
    }
    let (scheme, dialect, driver) = scheme::read(name)?;
    let mut url = DatabaseUrl::empty(scheme, dialect, driver);
    if url.bridge == Some(Bridge::Odbc) {
        read_odbc(&mut url, rest)?;
    } else if url.bridge.is_some() {
        read_bridged(&mut url, name, rest)?;
    } else if dialect == Dialect::Sqlite {
        let (path, query) = split_query(rest);
        read_path(&mut url, path)?;
        read_query(&mut url, query)?;
    } else {
        let rest = rest.strip_prefix("//").ok_or_else(|| {
            error(format!("`//` is missing after `{name}:`")).help(format!("write `{name}://host/database`"))
        })?;
        read_server(&mut url, rest)?;
    }
    url.take_parts_from_options()?;
    url.check()?;
    Ok(url)
}

/// Reads `user:password@host:port/database?options`.
fn read_server(url: &mut DatabaseUrl, rest: &str) -> Result<()> {
    let (userinfo, rest) = split_userinfo(rest)?;
    let (server, query) = split_query(rest);
    let (address, database) = server.split_once('/').unwrap_or((server, ""));
    read_userinfo(url, userinfo)?;
    read_address(url, address)?;
    url.set_database(decoded("database name", database)?);
    read_query(url, query)
}

/// Reads the rest of a URL for a driver outside of the program.
fn read_bridged(url: &mut DatabaseUrl, name: &str, rest: &str) -> Result<()> {
    let rest = rest.strip_prefix("//").ok_or_else(|| {
        error(format!("`//` is missing after `{name}:`"))
            .help(format!("write `{name}://` and the driver's own address"))
    })?;
    let (text, query) = split_query(rest);
    read_query(url, query)?;
    let opaque = is_opaque_text(url.subprotocol(), text);
    url.options.clear();
    if !opaque {
        return read_server(url, rest);
    }
    url.set_database(decoded("address", text)?);
    read_query(url, query)
}

/// Reads the rest of a URL for ODBC: the name of a data source, an address of a driver that is named, or a connection
/// string.
fn read_odbc(url: &mut DatabaseUrl, rest: &str) -> Result<()> {
    let Some(rest) = rest.strip_prefix("//") else {
        url.options = keywords(rest)?;
        return Ok(());
    };
    let (text, query) = split_query(rest);
    read_query(url, query)?;
    url.rename_keywords();
    let names_driver = url.driver.is_some() || url.option("driver").or(url.option("dsn")).is_some();
    let options = std::mem::take(&mut url.options);
    let opaque = url.driver().map_or_else(
        || {
            options
                .iter()
                .any(|(name, value)| name == "driver" && super::subprotocol_of_odbc(value).is_some_and(is_file))
        },
        is_file,
    );
    if opaque && text != "/" {
        url.set_database(decoded("address", text)?);
    } else if !opaque {
        read_server(url, text)?;
    }
    url.options = options;
    if !names_driver && let Some(name) = url.host.take() {
        url.options.insert(0, ("dsn".to_owned(), name));
    }
    Ok(())
}

/// Reads Java's own `jdbc:subprotocol:…`, of which `rest` is what follows `jdbc:`.
fn parse_java(rest: &str) -> Result<DatabaseUrl> {
    let (subprotocol, rest) = rest
        .split_once(':')
        .filter(|(name, _)| is_scheme(name) && !name.contains('+'))
        .ok_or_else(|| {
            error("the URL names no driver after `jdbc:`").help("write `jdbc+h2://mem:test`, or `jdbc:h2:mem:test`")
        })?;
    let (scheme, dialect, driver) = scheme::read(&format!("{}+{subprotocol}", Bridge::Jdbc.scheme()))?;
    let mut url = DatabaseUrl::empty(scheme, dialect, driver);
    let address = rest.strip_prefix("//");
    match address {
        Some(address) if !is_opaque_text(url.subprotocol(), split_query(address).0) => read_server(&mut url, address)?,
        _ => {
            let (text, query) = split_query(rest);
            url.set_database(text.to_owned());
            for pair in query.split('&').filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                let (name, value) = (
                    decoded("name of an option", name)?,
                    decoded("value of an option", value)?,
                );
                url.options.push((name, value));
            }
        }
    }
    url.take_parts_from_options()?;
    url.check()?;
    Ok(url)
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+.-_".contains(&byte))
}

fn split_query(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

/// Returns the decoded text. A `%` without two hexadecimal digits stands for itself.
fn decoded(part: impl fmt::Display, text: &str) -> Result<String> {
    let text = percent_decode_str(text).decode_utf8().map(Into::into);
    text.map_err(|_| {
        error(format!("the {part} in the URL is not UTF-8 once it is percent-decoded"))
            .help("encode the bytes of its UTF-8 form: `é` is %C3%A9")
    })
}

/// Splits off `user:password@`. Characters that should have been encoded are accepted if they are unambiguous.
fn split_userinfo(rest: &str) -> Result<(Option<&str>, &str)> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if let Some(at) = authority.rfind('@') {
        // A second `@` after the slash may still belong to a password with an unencoded `/`.
        let path = split_query(tail).0.strip_prefix('/').unwrap_or_default();
        return if path.contains('@') && path.contains('/') {
            Err(ambiguous())
        } else {
            Ok(split_at_sign(rest, at))
        };
    }
    let Some(first) = tail.find('@') else {
        return Ok((None, rest));
    };
    let (path, query) = split_query(tail);
    let in_path = path.contains('@');
    let in_name = query.split_once('@').is_some_and(|(before, _)| !before.contains('='));
    let plain = match authority.rfind(':').filter(|_| !authority.starts_with('[')) {
        None => !(in_name || in_path && path.trim_start_matches('/').contains([':', '/'])),
        // `host:5432/…@…`: a host and a port, or a name and a password of digits with a slash after them.
        Some(colon) if authority[colon + 1..].bytes().all(|byte| byte.is_ascii_digit()) => !(in_name || in_path),
        Some(_) => return split_odd_userinfo(rest, end + first),
    };
    if plain { Ok((None, rest)) } else { Err(ambiguous()) }
}

/// Splits off a user whose password contains an unencoded `/` or `?`; the first host after an `@` ends it.
fn split_odd_userinfo(rest: &str, first: usize) -> Result<(Option<&str>, &str)> {
    let host_end = rest[first..].find(['/', '?']).map_or(rest.len(), |end| first + end);
    let at = rest[..host_end].rfind('@').unwrap_or(first);
    if split_query(&rest[host_end..]).0.contains('@') {
        Err(ambiguous())
    } else {
        Ok(split_at_sign(rest, at))
    }
}

fn split_at_sign(rest: &str, at: usize) -> (Option<&str>, &str) {
    (Some(&rest[..at]), &rest[at + 1..])
}

fn ambiguous() -> Error {
    error("the URL can be read in two ways, because it holds an unencoded `@`, `/` or `?` inside a part")
        .help("percent-encode them in the user, the password and the database name: `@` is %40, `/` is %2F, `?` is %3F")
}

fn read_userinfo(url: &mut DatabaseUrl, userinfo: Option<&str>) -> Result<()> {
    let Some(userinfo) = userinfo else { return Ok(()) };
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (userinfo, None),
    };
    url.username = Some(decoded("user name", user)?).filter(|user| !user.is_empty());
    url.password = password.map(|password| decoded("password", password)).transpose()?;
    Ok(())
}

fn read_address(url: &mut DatabaseUrl, address: &str) -> Result<()> {
    if address.contains(',') {
        return Err(several_hosts());
    }
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        rest.split_once(']')
            .ok_or_else(|| error("the `]` after the IPv6 address in the URL is missing"))?
    } else {
        address.split_at(address.find(':').unwrap_or(address.len()))
    };
    if !(port.is_empty() || port.starts_with(':')) {
        return Err(error(
            "there is unexpected text between the `]` of the IPv6 address and the `:` of the port",
        ));
    }
    if let Some(port) = port.get(1..).filter(|port| !port.is_empty()) {
        url.port = Some(port_number(port)?);
    }
    url.host = Some(decoded("host", host)?).filter(|host| !host.is_empty());
    Ok(())
}

/// Parses a port. The error never shows the text: in `user:password/…` without a host it is the password.
pub(super) fn port_number(text: &str) -> Result<u16> {
    text.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
        error("the port in the URL must be a number from 1 to 65535")
            .help("write `@host` after `user:password`, and an IPv6 address in brackets: `[::1]:5432`")
    })
}

pub(super) fn several_hosts() -> Error {
    error("the URL names several hosts; only one is supported").help("create one `Database` for each host")
}

/// Reads the path of a SQLite file. Text that is an authority in other URLs is a part of the path here.
fn read_path(url: &mut DatabaseUrl, text: &str) -> Result<()> {
    let (text, authority) = match text.strip_prefix("//") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let first = text.split('/').next().unwrap_or_default();
    if authority && first.split_once(':').is_some_and(|(_, behind)| behind.contains('@')) {
        return Err(error("SQLite has no users and passwords").help("write `@` in a file name as %40"));
    }
    let name = text.trim_start_matches('/');
    let slashes = text.len() - name.len();
    // With a driver, the slash that ends the (empty) authority is not part of the path.
    let absolute = slashes > usize::from(authority && url.driver.is_some());
    let (name, absolute) = match name.strip_prefix("file:") {
        Some(name) => read_file_uri(name),
        None => (name, absolute),
    };
    let name = decoded("path", name)?;
    url.set_database(if absolute { format!("/{name}") } else { name });
    Ok(())
}

/// Reads SQLite's own `file:` names, which may occur inside a URL.
fn read_file_uri(name: &str) -> (&str, bool) {
    let path = match name.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost/").unwrap_or(rest),
        None => name,
    };
    (path.trim_start_matches('/'), name.starts_with('/'))
}

fn read_query(url: &mut DatabaseUrl, query: &str) -> Result<()> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded("name of an option", &name.replace('+', " "))?;
        let value = decoded(format_args!("option `{name}`"), &value.replace('+', " "))?;
        url.options.push((name, value));
    }
    Ok(())
}
