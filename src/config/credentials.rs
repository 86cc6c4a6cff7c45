//! The credentials in a dictionary.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Config;
use super::options::{self, Item, is_known};
use super::text::squash;
use crate::error::{Error, ErrorKind, Result, nearest};
use crate::url::DatabaseUrl;

type Table = Map<String, Value>;

/// The keys of credentials, with the part that each of them names.
pub(super) const CREDENTIALS: [(&str, &str); 19] = [
    ("scheme", "scheme"),
    ("engine", "scheme"),
    ("dialect", "scheme"),
    ("driver", "driver"),
    ("host", "host"),
    ("hostname", "host"),
    ("port", "port"),
    ("user", "user"),
    ("username", "user"),
    ("password", "password"),
    ("database", "database"),
    ("database_name", "database"),
    ("dbname", "database"),
    ("db", "database"),
    ("file_path", "database"),
    ("path", "database"),
    ("options", "options"),
    ("query", "options"),
    ("credentials", "credentials"),
];

pub(super) fn error(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, message)
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Returns the part that a key of credentials names.
pub(super) fn part(key: &str) -> Option<&'static str> {
    CREDENTIALS
        .iter()
        .find(|(known, _)| *known == key && *known != "credentials")
        .map(|(_, part)| *part)
}

/// Returns the type of a value, without showing the value.
fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

pub(super) fn wrong(path: &str, value: &Value, expected: &str) -> Error {
    let path = if path.is_empty() {
        "the configuration".to_owned()
    } else {
        format!("`{path}`")
    };
    error(format!("{path} is {}, but must be {expected}", sort(value)))
}

pub(super) fn unknown(path: &str, key: &str, candidates: impl Iterator<Item = &'static str>) -> Error {
    let error = error(format!("`{}`: unknown key", join(path, key)));
    match nearest(key, candidates) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    }
}

/// An option of a dictionary: its path, its name and its value as text.
pub(super) type Flat = (String, String, Option<String>);

/// Appends the options in a value. A list repeats the option; the table `server_settings` is one option for each entry.
pub(super) fn flatten(out: &mut Vec<Flat>, path: &str, name: &str, value: &Value) -> Result<()> {
    let here = join(path, name);
    match value {
        Value::Null => out.push((here, name.to_owned(), None)),
        Value::String(text) => out.push((here, name.to_owned(), Some(text.clone()))),
        Value::Bool(_) | Value::Number(_) => out.push((here, name.to_owned(), Some(value.to_string()))),
        Value::Array(_) | Value::Object(_) if squash(name).ends_with("driverargs") => {
            out.push((here, name.to_owned(), Some(value.to_string())));
        }
        Value::Array(values) => {
            if let Some(inner) = values.iter().find(|value| value.is_array() || value.is_object()) {
                return Err(wrong(&here, inner, "a list of strings"));
            }
            for value in values {
                flatten(out, path, name, value)?;
            }
        }
        Value::Object(table) if name == "server_settings" => {
            for (parameter, value) in table {
                match value {
                    Value::String(text) => out.push((
                        join(&here, parameter),
                        format!("{name}[{parameter}]"),
                        Some(text.clone()),
                    )),
                    Value::Bool(_) | Value::Number(_) => {
                        out.push((
                            join(&here, parameter),
                            format!("{name}[{parameter}]"),
                            Some(value.to_string()),
                        ));
                    }
                    other => return Err(wrong(&join(&here, parameter), other, "text or a number")),
                }
            }
        }
        Value::Object(_) if name == "ssl" => out.push((here, name.to_owned(), Some(value.to_string()))),
        Value::Object(_) => return Err(wrong(&here, value, "text, a number, or true or false")),
    }
    Ok(())
}

/// The parts of credentials, each with its key.
#[derive(Default)]
struct Parts<'a> {
    found: Vec<(&'static str, &'a str, &'a Value)>,
    options: Vec<Flat>,
}

impl<'a> Parts<'a> {
    /// Returns the text of a part.
    fn text(&self, path: &str, part: &str) -> Result<Option<&'a str>> {
        match self.found.iter().find(|(known, ..)| *known == part) {
            None | Some((_, _, Value::Null)) => Ok(None),
            Some((_, _, Value::String(text))) => Ok(Some(text)),
            Some((_, key, other)) => {
                let error = wrong(&join(path, key), other, "text");
                Err(if other.is_number() {
                    error.help("put it in quotes")
                } else {
                    error
                })
            }
        }
    }

    /// Returns the path of a part.
    fn place(&self, path: &str, part: &'static str) -> String {
        let found = self.found.iter().find(|(known, ..)| *known == part);
        join(path, found.map_or(part, |(_, key, _)| key))
    }

    fn port(&self, path: &str) -> Result<Option<u16>> {
        let Some((_, key, value)) = self.found.iter().find(|(known, ..)| *known == "port") else {
            return Ok(None);
        };
        let number = match value {
            Value::Null => return Ok(None),
            Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
            Value::String(text) => text.trim().parse().ok(),
            other => return Err(wrong(&join(path, key), other, "a number")),
        };
        match number.filter(|port| *port != 0) {
            Some(port) => Ok(Some(port)),
            None => Err(error(format!("`{}` must be a number from 1 to 65535", join(path, key)))),
        }
    }
}

fn collect<'a>(table: &'a Table, path: &str) -> Result<Parts<'a>> {
    let mut parts = Parts::default();
    for (key, value) in table {
        let Some(part) = part(key) else {
            if is_known(key, false) {
                flatten(&mut parts.options, path, key, value)?;
                continue;
            }
            let keys = CREDENTIALS
                .iter()
                .map(|(key, _)| *key)
                .filter(|key| *key != "credentials");
            return Err(unknown(path, key, keys.chain(options::names(None))));
        };
        if let Some((_, earlier, _)) = parts.found.iter().find(|(known, ..)| *known == part) {
            let (here, there) = (join(path, key), join(path, earlier));
            return Err(error(format!("`{here}` and `{there}` mean the same")).help("keep one of them"));
        }
        parts.found.push((part, key, value));
        match value {
            _ if part != "options" => {}
            Value::Object(options) => {
                for (name, value) in options.iter().filter(|(_, value)| !value.is_null()) {
                    flatten(&mut parts.options, &join(path, key), name, value)?;
                }
            }
            Value::Null => {}
            other => return Err(wrong(&join(path, key), other, "a table")),
        }
    }
    Ok(parts)
}

/// Returns the scheme in a text, which may be the name of an engine of Tortoise or Django.
fn scheme(text: &str) -> &str {
    let text = text.trim_end_matches("://");
    let engine = ["tortoise.backends.", "django.db.backends."]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    engine.unwrap_or(text)
}

pub(super) fn read_credentials(value: &Value, path: &str, engine: Option<(&str, &Value)>) -> Result<Config> {
    let Value::Object(table) = value else {
        let expected = if value.is_string() {
            "a table; a URL belongs under `url`"
        } else {
            "a table"
        };
        return Err(wrong(path, value, expected));
    };
    let mut parts = collect(table, path)?;
    let given = match (engine, parts.text(path, "scheme")?) {
        (Some((there, _)), Some(_)) => {
            return Err(
                error(format!("`{there}` and `{}` mean the same", join(path, "scheme"))).help("keep one of them")
            );
        }
        (Some((there, Value::String(engine))), None) => Some((there.to_owned(), engine.as_str())),
        (Some((there, other)), None) => return Err(wrong(there, other, "text")),
        (None, Some(given)) => Some((parts.place(path, "scheme"), given)),
        (None, None) => None,
    };
    let (here, given) = given.ok_or_else(|| {
        error(format!("`{}` is missing", join(path, "scheme")))
            .help("it is `postgresql`, `mysql`, `sqlite` or `mssql`; or give a `url`")
    })?;
    let given = scheme(given);
    if given.contains([':', '/', '@']) {
        return Err(error(format!("`{here}` is not a scheme")).help("give a whole URL under `url`"));
    }
    let mut url = DatabaseUrl::of_scheme(given).map_err(|error| error.context(format_args!("`{here}`")))?;
    let driver = parts.text(path, "driver")?;
    if let Some(driver) = driver.filter(|driver| url.names_driver_of_odbc(driver)) {
        let here = parts.place(path, "driver");
        parts.options.push((here, "driver".to_owned(), Some(driver.to_owned())));
    } else if let Some(driver) = driver {
        if url.driver().is_some_and(|known| known != driver) {
            return Err(error(format!(
                "`{}` contradicts the driver in the scheme",
                join(path, "driver")
            )));
        }
        url = url.with_driver(driver);
    }
    url = url
        .with_username(parts.text(path, "user")?)
        .with_password(parts.text(path, "password")?)
        .with_host(parts.text(path, "host")?)
        .with_port(parts.port(path)?)
        .with_database(parts.text(path, "database")?);
    refuse_server_parts(&url, &parts, path)?;
    let mut labelled = Vec::new();
    for (here, name, value) in &parts.options {
        let Some(value) = value else { continue };
        url.push_option(name, value);
        labelled.push(Item {
            label: format!("`{here}`"),
            name,
            value: Some(Cow::Borrowed(value)),
            kind: ErrorKind::Config,
            may_be_drivers: true,
        });
    }
    Config::build(url, labelled)
}

/// Refuses the parts of a server for SQLite, which has no server; the error names the key.
fn refuse_server_parts(url: &DatabaseUrl, parts: &Parts<'_>, path: &str) -> Result<()> {
    if url.is_served() || url.bridge().is_some() {
        return Ok(());
    }
    let server = ["host", "port", "user", "password"];
    let given = |(part, _, value): &&(&str, &str, &Value)| server.contains(part) && !value.is_null() && **value != "";
    match parts.found.iter().find(given) {
        Some((_, key, _)) => {
            Err(error(format!("`{}`: SQLite has no server and no users", join(path, key))).help("leave it out"))
        }
        None => Ok(()),
    }
}
