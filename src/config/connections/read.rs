//! Reads the dictionary of several connections.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{AppConfig, ConnectionsConfig, DEFAULT, unknown_alias};
use crate::config::Config;
use crate::config::credentials::{error, join, part, unknown, wrong};
use crate::config::dictionary;
use crate::config::options::is_known;
use crate::error::Result;
use crate::url::resembles_url;

const KEYS: [&str; 3] = ["connections", "apps", "routers"];
const APP_KEYS: [&str; 2] = ["models", "default_connection"];

/// Tortoise's keys that concern its models in Python, with the reason why each has no effect.
const PYTHON: [(&str, &str); 2] = [
    ("use_tz", "times with a zone are always read as UTC"),
    (
        "timezone",
        "set the time zone of the server's sessions with the option `timezone`",
    ),
];

pub(super) fn read(value: &Value) -> Result<ConnectionsConfig> {
    let Value::Object(table) = value else {
        return Err(wrong("", value, "a table with the key `connections`"));
    };
    let mut config = ConnectionsConfig::default();
    for key in table.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        match PYTHON.iter().find(|(known, _)| known == key) {
            Some((_, why)) => config.warnings.push(format!("`{key}` has no effect: {why}")),
            None => return Err(unknown_at_top(key, table)),
        }
    }
    config.connections = match table.get("connections") {
        Some(Value::Object(connections)) => read_connections(connections)?,
        Some(other) => return Err(wrong("connections", other, "a table of aliases and connections")),
        None => {
            return Err(error("`connections` is missing")
                .help("it is a table of aliases: `{\"connections\": {\"default\": \"postgres://…\"}}`"));
        }
    };
    config.apps = match table.get("apps") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(Value::Object(apps)) => read_apps(apps, &mut config)?,
        Some(other) => return Err(wrong("apps", other, "a table of apps")),
    };
    config.routers = texts("routers", table.get("routers"))?;
    Ok(config)
}

fn unknown_at_top(key: &str, table: &Map<String, Value>) -> crate::error::Error {
    if key == "connection" && !table.contains_key("connections") && holds_connections(&table[key]) {
        return unknown("", key, KEYS.into_iter());
    }
    let of_one = ["connection", "url", "credentials"].contains(&key) || part(key).is_some() || is_known(key, false);
    if of_one {
        return error(format!("`{key}` belongs to one connection")).help(if table.contains_key("connections") {
            format!("put it under its alias: `connections.{DEFAULT}.{key}`")
        } else {
            "this is the configuration of several connections, under `connections`; use `Config` to read the configuration of one"
                .to_owned()
        });
    }
    if APP_KEYS.contains(&key) {
        return error(format!("`{key}` belongs in an app: `apps.<name>.{key}`"));
    }
    let error = unknown("", key, KEYS.into_iter());
    if error.advice().is_some() {
        return error;
    }
    error.help(if is_connection(&table[key]) {
        format!("put a connection under its alias: `connections.{key}`")
    } else {
        "the valid keys here are `connections`, `apps` and `routers`".to_owned()
    })
}

fn is_connection(value: &Value) -> bool {
    value.is_object() || value.as_str().is_some_and(resembles_url)
}

/// Returns whether `value` is a table of connections, not a single connection.
fn holds_connections(value: &Value) -> bool {
    let own = |key: &String| ["url", "credentials"].contains(&key.as_str());
    value
        .as_object()
        .is_some_and(|table| !table.keys().any(own) && table.values().all(is_connection))
}

fn read_connections(table: &Map<String, Value>) -> Result<BTreeMap<String, Config>> {
    if table.is_empty() {
        return Err(error("`connections` is empty").help("give at least one connection, such as `default`"));
    }
    let mut connections = BTreeMap::new();
    for (alias, value) in table {
        let path = join("connections", alias);
        if alias.is_empty() {
            return Err(error("a connection under `connections` has an empty alias"));
        }
        let config = dictionary::read(value, &path).map_err(|error| {
            // The error of a URL does not contain the path of the URL.
            if error.message().contains(&format!("`{path}")) {
                error
            } else {
                error.context(format_args!("`{path}`"))
            }
        })?;
        connections.insert(alias.clone(), config);
    }
    Ok(connections)
}

fn read_apps(table: &Map<String, Value>, config: &mut ConnectionsConfig) -> Result<BTreeMap<String, AppConfig>> {
    let mut apps = BTreeMap::new();
    for (name, value) in table {
        let path = join("apps", name);
        let Value::Object(app) = value else {
            return Err(wrong(&path, value, "a table with `models` and `default_connection`"));
        };
        for key in app.keys().filter(|key| !APP_KEYS.contains(&key.as_str())) {
            if key == "migrations" {
                let why = "migrations are run in code, such as `sqlx::migrate!`";
                config
                    .warnings
                    .push(format!("`{}` has no effect: {why}", join(&path, key)));
            } else {
                return Err(unknown(&path, key, APP_KEYS.into_iter()));
            }
        }
        let here = join(&path, "default_connection");
        let default_connection = match app.get("default_connection") {
            Some(Value::String(alias)) => alias.clone(),
            None | Some(Value::Null) => usual(config, &here)?,
            Some(other) => return Err(wrong(&here, other, "the alias of a connection")),
        };
        if !config.connections.contains_key(&default_connection) {
            let error = unknown_alias(&default_connection, config.aliases());
            return Err(error.context(format_args!("`{here}`")));
        }
        let models = texts(&join(&path, "models"), app.get("models"))?;
        apps.insert(
            name.clone(),
            AppConfig {
                models,
                default_connection,
            },
        );
    }
    Ok(apps)
}

/// Returns the connection of an app that names none.
fn usual(config: &ConnectionsConfig, path: &str) -> Result<String> {
    let aliases: Vec<&str> = config.aliases().collect();
    match aliases[..] {
        _ if aliases.contains(&DEFAULT) => Ok(DEFAULT.to_owned()),
        [only] => Ok(only.to_owned()),
        _ => Err(error(format!(
            "`{path}` is missing, there is no connection `{DEFAULT}`, and there are several others: `{}`",
            aliases.join("`, `")
        ))
        .help("name one of them")),
    }
}

/// Reads a list of strings; a single string is a list of one.
fn texts(path: &str, value: Option<&Value>) -> Result<Vec<String>> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(values)) => {
            let text = |(index, value): (usize, &Value)| match value {
                Value::String(text) => Ok(text.clone()),
                other => Err(wrong(&format!("{path}[{index}]"), other, "text")),
            };
            values.iter().enumerate().map(text).collect()
        }
        Some(other) => Err(wrong(path, other, "a list of strings")),
    }
}
