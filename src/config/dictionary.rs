//! Configurations from dictionaries. The dictionary is walked by hand, so that every error can name the path of its key.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Config;
use super::credentials::{CREDENTIALS, error, flatten, part, read_credentials, unknown, wrong};
use super::options::{self, Item, is_known};
use crate::error::{Error, ErrorKind, Result};

type Table = Map<String, Value>;

/// The keys that say where the database is; only one of them may be given.
const SOURCES: [&str; 3] = ["connection", "url", "credentials"];

/// Reads a whole configuration.
pub(super) fn read(value: &Value) -> Result<Config> {
    let table = match value {
        Value::String(url) => return Config::from_url(url.as_str()),
        Value::Object(table) => table,
        other => return Err(wrong("", other, "a URL or a table")),
    };
    let sources: Vec<&str> = SOURCES
        .into_iter()
        .filter(|source| table.contains_key(*source))
        .collect();
    if let [first, second, ..] = sources[..] {
        return Err(error(format!("both `{first}` and `{second}` say where the database is")).help("keep one of them"));
    }
    let Some(source) = sources.first() else {
        return read_credentials_alone(table);
    };
    let engine = if *source == "credentials" {
        table.get("engine")
    } else {
        None
    };
    let mut rest = Table::new();
    for (key, value) in table.iter().filter(|(key, _)| key != source) {
        if key == "engine" && engine.is_some() {
            continue;
        }
        if part(key).is_some() {
            return Err(misplaced(key, source));
        }
        if !is_known(key, true) {
            return Err(unknown_at_top(key, table));
        }
        rest.insert(key.clone(), value.clone());
    }
    let config = match table.get(*source) {
        Some(value) if *source == "connection" => read_connection(value)?,
        Some(value) if *source == "credentials" => {
            read_credentials(value, source, engine.map(|engine| ("engine", engine)))?
        }
        Some(Value::String(url)) => Config::from_url(url.as_str())?,
        Some(other) => return Err(wrong(source, other, "text")),
        None => return Err(error("there is no URL")),
    };
    set(config, &rest)
}

/// A key of the credentials at the top of a dictionary that says elsewhere where the database is.
fn misplaced(key: &str, source: &str) -> Error {
    match source {
        "url" => error(format!(
            "`{key}` is given besides `url`: a URL and credentials exclude each other"
        ))
        .help("put it into the URL, or give credentials alone"),
        source => {
            let home = if source == "connection" {
                "connection.credentials"
            } else {
                source
            };
            error(format!("`{key}` belongs into `{home}`"))
        }
    }
}

fn unknown_at_top(key: &str, table: &Table) -> Error {
    if ["connections", "apps", "routers"].contains(&key) {
        return error(format!("`{key}` belongs to a configuration of several connections"))
            .help("this is the configuration of one; read it with `Connections`");
    }
    if is_known(key, false) && table.contains_key("connection") {
        return error(format!(
            "`{key}` belongs into `connection.credentials.options` or into the URL"
        ));
    }
    unknown(
        "",
        key,
        options::names(None)
            .chain(SOURCES)
            .chain(CREDENTIALS.iter().map(|(key, _)| *key)),
    )
}

fn read_connection(value: &Value) -> Result<Config> {
    let path = "connection";
    let table = match value {
        Value::String(url) => return Config::from_url(url.as_str()),
        Value::Object(table) => table,
        other => return Err(wrong(path, other, "a URL or a table with `credentials` or `url`")),
    };
    let engine = table.get("engine").filter(|_| table.contains_key("credentials"));
    for key in table
        .keys()
        .filter(|key| !["credentials", "url"].contains(&key.as_str()))
    {
        if key == "engine" && engine.is_some() {
            continue;
        }
        if part(key).is_some() || is_known(key, false) {
            let home = if is_known(key, true) {
                "the top of the configuration"
            } else {
                "`connection.credentials`"
            };
            return Err(error(format!("`connection.{key}` belongs into {home}")));
        }
        return Err(unknown(
            path,
            key,
            ["credentials", "url"]
                .into_iter()
                .chain(CREDENTIALS.iter().map(|(key, _)| *key)),
        ));
    }
    match (table.get("url"), table.get("credentials")) {
        (Some(_), Some(_)) => Err(error(
            "both `connection.url` and `connection.credentials` say where the database is",
        )
        .help("keep one of them")),
        (Some(Value::String(url)), None) => Config::from_url(url.as_str()),
        (Some(other), None) => Err(wrong("connection.url", other, "text")),
        (None, Some(value)) => read_credentials(
            value,
            "connection.credentials",
            engine.map(|engine| ("connection.engine", engine)),
        ),
        (None, None) => Err(error("`connection` holds neither `credentials` nor `url`")),
    }
}

/// Credentials at the top, among which settings may stand.
fn read_credentials_alone(table: &Table) -> Result<Config> {
    let is_setting = |key: &str| part(key).is_none() && is_known(key, true);
    let pick = |setting: bool| -> Table {
        let entries = table.iter().filter(|(key, _)| is_setting(key) == setting);
        entries.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    if pick(false)
        .keys()
        .all(|key| part(key).is_none() && !is_known(key, false))
        && let Some(key) = pick(false).keys().next()
    {
        return Err(unknown_at_top(key, table));
    }
    let config = read_credentials(&Value::Object(pick(false)), "", None)?;
    set(config, &pick(true))
}

/// The settings beside the credentials; they win over what the options say.
fn set(mut config: Config, rest: &Table) -> Result<Config> {
    let mut items = Vec::new();
    let mut flat = Vec::new();
    for (name, value) in rest {
        flatten(&mut flat, "", name, value)?;
    }
    for (path, name, value) in &flat {
        items.push(Item {
            label: format!("`{path}`"),
            name,
            value: value.as_deref().map(Cow::Borrowed),
            kind: ErrorKind::Config,
        });
    }
    options::apply(&mut config.settings, config.url.dialect(), &items)?;
    config.follow_socket(None);
    config.follow_mode();
    Ok(config)
}
