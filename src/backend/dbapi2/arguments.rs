//! The arguments of a module's `connect`.

use serde_json::{Map, Value};

use super::words;
use crate::backend::sidecar::{check_charset, check_transport, secrets_of};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result, nearest};
use crate::sql::Dialect;
use crate::url::{Bridge, DatabaseUrl, ForeignDriver, encoded_option, is_secret, secret_values, subprotocol_of_module};

/// The way in which a module is told where the database is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    /// A path, and a URI with options.
    Sqlite,
    /// A path without options.
    Path,
    /// A path, and a table of options.
    DuckDb,
    /// libpq's keywords, or a text of them.
    Libpq,
    /// Keywords.
    Keywords,
    /// One text.
    Text,
}

impl Family {
    fn of(module: &str) -> Self {
        match (subprotocol_of_module(module), module.split([':', '.']).next()) {
            (Some("sqlite"), Some("apsw")) => Self::Path,
            (Some("sqlite"), _) => Self::Sqlite,
            (Some("duckdb"), _) => Self::DuckDb,
            (Some("postgresql"), Some("pg8000")) | (Some("mysql"), _) => Self::Keywords,
            (Some("postgresql"), _) => Self::Libpq,
            _ => Self::Text,
        }
    }
}

/// The arguments of `connect`.
#[derive(Default)]
pub(super) struct Arguments {
    pub(super) positional: Vec<Value>,
    pub(super) keywords: Map<String, Value>,
    /// The address, for messages; it may hold secrets.
    pub(super) shown: String,
}

impl Arguments {
    /// Returns the arguments for a module. Those that the user gives take the place of others.
    pub(super) fn of(config: &Config, module: &str) -> Result<Self> {
        let family = Family::of(module);
        let mut arguments = match family {
            Family::Sqlite | Family::Path | Family::DuckDb => Self::of_path(config, module, family)?,
            Family::Libpq | Family::Keywords => Self::of_server(config, family)?,
            Family::Text => Self::of_text(config)?,
        };
        let driver = ForeignDriver::of_module(module);
        check_transport(config, driver)?;
        arguments.keywords.extend(words::of(config, driver)?);
        match &config.settings().bridge.dbapi_driver_args {
            Some(Value::Object(given)) => {
                for (name, value) in given {
                    if !is_name(name) {
                        let message = format!("{name:?} in `dbapi_driver_args` is not the name of an argument");
                        return Err(Error::new(ErrorKind::Config, message).help("give a name that Python accepts"));
                    }
                    arguments.keywords.insert(name.clone(), value.clone());
                }
            }
            Some(Value::Array(given)) => arguments.positional.extend(given.iter().cloned()),
            _ => {}
        }
        let text = |name: &str| arguments.keywords.get(name).and_then(Value::as_str);
        if config.dialect() == Dialect::MySql {
            check_charset(text("charset"))?;
            if text("collation").is_some() {
                let message =
                    "the session is set up after the module has connected, which undoes its argument `collation`";
                return Err(Error::new(ErrorKind::Config, message).help("give `collation` as a setting of `Config`"));
            }
        }
        Ok(arguments)
    }

    fn of_path(config: &Config, module: &str, family: Family) -> Result<Self> {
        refuse_user(config)?;
        let mut path = config.url().database().unwrap_or(":memory:").to_owned();
        let shown = path.clone();
        let mut keywords = Map::new();
        let options: Vec<_> = config.driver_options().collect();
        match family {
            _ if options.is_empty() => {}
            Family::DuckDb => {
                let options = options
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
                keywords.insert("config".to_owned(), options.collect::<Map<_, _>>().into());
            }
            Family::Sqlite => {
                check_uri(&options)?;
                // A name that is a URI already is encoded.
                let uri = if path.starts_with("file:") {
                    path
                } else {
                    let name = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
                    format!("file:{name}")
                };
                let sign = if uri.contains('?') { '&' } else { '?' };
                path = format!("{uri}{sign}{}", encoded(&options));
                keywords.insert("uri".to_owned(), true.into());
            }
            _ => {
                let message = format!(
                    "the module `{module}` takes no options in a URL, and `{}` is not this library's",
                    options[0].0
                );
                return Err(
                    Error::new(ErrorKind::Config, message).help("leave it out, or give it in `dbapi_driver_args`")
                );
            }
        }
        Ok(Self {
            positional: vec![path.into()],
            keywords,
            shown,
        })
    }

    fn of_server(config: &Config, family: Family) -> Result<Self> {
        let given = config.url();
        let text = given.database().unwrap_or_default();
        if given.is_opaque() && family == Family::Libpq && text.contains('=') {
            let mut keywords = options(config, family)?;
            for (name, value) in [("user", given.username()), ("password", given.password())] {
                if let Some(value) = value {
                    keywords.insert(name.to_owned(), value.into());
                }
            }
            return Ok(Self {
                positional: vec![text.into()],
                keywords,
                shown: text.to_owned(),
            });
        }
        let read;
        let url = if given.is_opaque() {
            // Without a user, the address was not known for one of a server.
            let whole = format!("{}+postgresql://{text}", Bridge::DbApi.scheme());
            let parsed = DatabaseUrl::parse(&whole)?;
            let (user, password) = (
                parsed.username().map(str::to_owned),
                parsed.password().map(str::to_owned),
            );
            read = parsed
                .with_username(given.username().or(user.as_deref()))
                .with_password(given.password().or(password.as_deref()));
            &read
        } else {
            given
        };
        let mut keywords = Map::new();
        let database = if family == Family::Libpq { "dbname" } else { "database" };
        let parts = [
            (
                "host",
                url.host().filter(|host| !host.starts_with('/')).map(Value::from),
            ),
            ("port", url.port().map(Value::from)),
            ("user", url.username().map(Value::from)),
            ("password", url.password().map(Value::from)),
            (database, url.database().map(Value::from)),
        ];
        for (name, value) in parts {
            if let Some(value) = value {
                keywords.insert(name.to_owned(), value);
            }
        }
        keywords.extend(options(config, family)?);
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let shown = format!(
            "{}{port}/{}",
            url.host().unwrap_or("localhost"),
            url.database().unwrap_or_default()
        );
        Ok(Self {
            positional: Vec::new(),
            keywords,
            shown,
        })
    }

    /// Returns one text, as databasez gives it to a module.
    fn of_text(config: &Config) -> Result<Self> {
        let own: Vec<(&str, &str)> = config.driver_options().collect();
        let url = config.url();
        let scheme = config
            .subprotocol()
            .map_or_else(String::new, |name| format!("{name}://"));
        let text = if url.is_opaque() {
            refuse_user(config)?;
            let text = url.database().unwrap_or_default();
            let sign = if own.is_empty() { "" } else { "?" };
            format!("{scheme}{text}{sign}{}", encoded(&own))
        } else {
            let whole = url.clone().with_options(own).expose();
            let rest = whole
                .split_once("://")
                .map_or("", |(_, rest)| rest)
                .trim_start_matches('@');
            format!("{scheme}{rest}")
        };
        Ok(Self {
            positional: vec![text.as_str().into()],
            keywords: Map::new(),
            shown: text,
        })
    }

    /// Returns what no message may show.
    pub(super) fn secrets(&self, config: &Config) -> Vec<String> {
        let mut secrets: Vec<String> = self
            .keywords
            .iter()
            .flat_map(|(name, value)| secret_values(name, value))
            .collect();
        secrets.extend(self.positional.iter().flat_map(|value| secret_values("", value)));
        // Any of those without a name may be one. Short ones are in every other message.
        if let Some(Value::Array(given)) = &config.settings().bridge.dbapi_driver_args {
            secrets.extend(given.iter().flat_map(texts).filter(|text| text.len() >= 4));
        }
        secrets_of(config, secrets)
    }
}

/// Returns the texts and numbers in an argument without a name, which may be a list.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Returns options as a URL has them.
fn encoded(options: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = options
        .iter()
        .map(|(name, value)| encoded_option(name, value))
        .collect();
    pairs.join("&")
}

/// Refuses a user and a password beside an address that cannot hold them.
fn refuse_user(config: &Config) -> Result<()> {
    let url = config.url();
    let given = [("user", url.username()), ("password", url.password())];
    match given.iter().find(|(_, text)| text.is_some()) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("the {name} has no place in the address of this module");
            Err(Error::new(ErrorKind::Config, message).help("give it in `dbapi_driver_args`, as the module names it"))
        }
    }
}

/// Refuses an option that SQLite itself would ignore. A virtual file system may have options of its own.
fn check_uri(options: &[(&str, &str)]) -> Result<()> {
    let known = ["vfs", "mode", "cache", "psow", "nolock", "immutable"];
    let unknown = options.iter().find(|(name, _)| !known.contains(name));
    match unknown.filter(|_| !options.iter().any(|(name, _)| *name == "vfs")) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("the option `{name}` has no effect on the file of a SQLite database");
            Err(
                Error::new(ErrorKind::Config, message).help(match nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "set pragmas with `server_setting`, give arguments of the module in `dbapi_driver_args`, and name the \
                             module in the URL if the option is one of this library"
                        .to_owned(),
                }),
            )
        }
    }
}

/// The arguments of psycopg that are not libpq's.
const OF_PSYCOPG: [&str; 2] = ["prepare_threshold", "autocommit"];

/// Returns the options of the URL as keywords. libpq takes texts, the other modules Python's numbers and flags.
fn options(config: &Config, family: Family) -> Result<Map<String, Value>> {
    let read = |name: &str, text: &str| match text.parse::<i64>() {
        _ if is_secret(name) || (family == Family::Libpq && !OF_PSYCOPG.contains(&name)) => text.into(),
        // What a number would not be written as is text, such as `007`.
        Ok(number) if number.to_string() == text => number.into(),
        _ => match text {
            "true" | "True" => true.into(),
            "false" | "False" => false.into(),
            "None" => Value::Null,
            text => text.into(),
        },
    };
    let options = config.driver_options().map(|(name, value)| {
        if !is_name(name) {
            let message = format!("the option `{name}` is not the name of an argument of a Python module");
            return Err(Error::new(ErrorKind::Config, message).help("write it as the module's `connect` names it"));
        }
        Ok((name.to_owned(), read(name, value)))
    });
    options.collect()
}

fn is_name(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|first| first == '_' || first.is_alphabetic())
        && name.chars().all(|letter| letter == '_' || letter.is_alphanumeric())
}
