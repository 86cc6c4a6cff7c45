//! Configurations from dictionaries. They are read by hand, so that every error can name the path of its key.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Config;
use super::credentials::{CREDENTIALS, error, flatten, join, part, read_credentials, unknown, wrong};
use super::options::{self, Item, is_known};
use super::replicas;
use crate::error::{Error, ErrorKind, Result};

type Table = Map<String, Value>;

/// The keys that say where the database is; only one of them may be given.
const SOURCES: [&str; 3] = ["connection", "url", "credentials"];

/// The key of the replicas, which may accompany any of these keys.
pub(super) const REPLICAS: &str = "replicas";

/// Reads a whole configuration, which is at `path` in a larger one. With an empty path it stands alone.
pub(super) fn read(value: &Value, path: &str) -> Result<Config> {
    if let Value::Object(table) = value
        && let Some(list) = table.get(REPLICAS)
    {
        let mut primary = table.clone();
        primary.remove(REPLICAS);
        return replicas::add(
            read_primary(&Value::Object(primary), path)?,
            &join(path, REPLICAS),
            list,
        );
    }
    read_primary(value, path)
}

fn read_primary(value: &Value, path: &str) -> Result<Config> {
    let table = match value {
        Value::String(url) => return Config::from_url(url.as_str()),
        Value::Object(table) => table,
        other => return Err(wrong(path, other, "a URL or a table")),
    };
    let sources: Vec<&str> = SOURCES
        .into_iter()
        .filter(|source| table.contains_key(*source))
        .collect();
    if let [first, second, ..] = sources[..] {
        let (first, second) = (join(path, first), join(path, second));
        return Err(error(format!("both `{first}` and `{second}` define the database")).help("keep one of them"));
    }
    let Some(source) = sources.first() else {
        return read_credentials_alone(table, path);
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
            return Err(misplaced(path, key, source));
        }
        if !is_known(key, true) {
            return Err(unknown_at_top(path, key, table));
        }
        rest.insert(key.clone(), value.clone());
    }
    let here = join(path, source);
    let config = match table.get(*source) {
        Some(value) if *source == "connection" => read_connection(value, &here)?,
        Some(value) if *source == "credentials" => {
            let engine = engine.map(|engine| (join(path, "engine"), engine));
            read_credentials(
                value,
                &here,
                engine.as_ref().map(|(path, engine)| (path.as_str(), *engine)),
            )?
        }
        Some(Value::String(url)) => Config::from_url(url.as_str())?,
        Some(other) => return Err(wrong(&here, other, "text")),
        None => return Err(error("there is no URL").help(r#"give one, for example `{"url": "sqlite://app.db"}`"#)),
    };
    set(config, path, &rest)
}

/// Returns the error for a key of credentials at the top of a dictionary that defines the database elsewhere.
fn misplaced(path: &str, key: &str, source: &str) -> Error {
    let here = join(path, key);
    match source {
        "url" => error(format!(
            "`{here}` is given in addition to `{}`, but a URL and credentials exclude each other",
            join(path, "url")
        ))
        .help("put it into the URL, or give only credentials"),
        source => {
            let home = if source == "connection" {
                "connection.credentials"
            } else {
                source
            };
            error(format!("`{here}` belongs in `{}`", join(path, home)))
        }
    }
}

fn unknown_at_top(path: &str, key: &str, table: &Table) -> Error {
    if path.is_empty() && ["connections", "apps", "routers"].contains(&key) {
        return error(format!("`{key}` belongs to a configuration of several connections"))
            .help("this is the configuration of one connection; read several with `ConnectionsConfig`");
    }
    if is_known(key, false) && table.contains_key("connection") {
        return error(format!(
            "`{}` belongs in `{}` or in the URL",
            join(path, key),
            join(path, "connection.credentials.options")
        ));
    }
    unknown(
        path,
        key,
        options::names(None)
            .chain(SOURCES)
            .chain([REPLICAS])
            .chain(CREDENTIALS.iter().map(|(key, _)| *key)),
    )
}

fn read_connection(value: &Value, path: &str) -> Result<Config> {
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
            let home = match path.rsplit_once('.') {
                _ if !is_known(key, true) => format!("`{}`", join(path, "credentials")),
                Some((above, _)) => format!("`{above}`"),
                None => "the top of the configuration".to_owned(),
            };
            return Err(error(format!("`{}` belongs in {home}", join(path, key))));
        }
        return Err(unknown(
            path,
            key,
            ["credentials", "url"]
                .into_iter()
                .chain(CREDENTIALS.iter().map(|(key, _)| *key)),
        ));
    }
    let (url, credentials) = (join(path, "url"), join(path, "credentials"));
    match (table.get("url"), table.get("credentials")) {
        (Some(_), Some(_)) => {
            let message = format!("both `{url}` and `{credentials}` define the database");
            Err(error(message).help("keep one of them"))
        }
        (Some(Value::String(text)), None) => Config::from_url(text.as_str()),
        (Some(other), None) => Err(wrong(&url, other, "text")),
        (None, Some(value)) => {
            let engine = engine.map(|engine| (join(path, "engine"), engine));
            let engine = engine.as_ref().map(|(path, engine)| (path.as_str(), *engine));
            read_credentials(value, &credentials, engine)
        }
        (None, None) => Err(error(format!("`{path}` holds neither `credentials` nor `url`"))),
    }
}

/// Reads credentials at the top of a dictionary, which may also contain settings.
fn read_credentials_alone(table: &Table, path: &str) -> Result<Config> {
    let is_setting = |key: &str| part(key).is_none() && is_known(key, true);
    let pick = |setting: bool| -> Table {
        let entries = table.iter().filter(|(key, _)| is_setting(key) == setting);
        entries.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let unknown = |key: &&String| part(key).is_none() && !is_known(key, false);
    if let Some(key) = pick(false).keys().find(unknown) {
        return Err(unknown_at_top(path, key, table));
    }
    let config = read_credentials(&Value::Object(pick(false)), path, None)?;
    set(config, path, &pick(true))
}

/// Applies the settings next to the credentials; they override the options.
fn set(mut config: Config, path: &str, rest: &Table) -> Result<Config> {
    let mut items = Vec::new();
    let mut flat = Vec::new();
    for (name, value) in rest {
        flatten(&mut flat, path, name, value)?;
    }
    for (path, name, value) in &flat {
        items.push(Item {
            label: format!("`{path}`"),
            name,
            value: value.as_deref().map(Cow::Borrowed),
            kind: ErrorKind::Config,
            may_be_drivers: false,
        });
    }
    // Where the others have a meaning depends on the driver.
    let (first, others): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| options::names_driver(item.name));
    let before = config.place();
    options::apply(&mut config.settings, before, &first)?;
    config.read_on(before)?;
    let place = config.place();
    options::apply(&mut config.settings, place, &others)?;
    config.follow_socket(None);
    config.follow_mode();
    Ok(config)
}
