//! Applies options to settings.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::bridge_settings::BridgeSettings;
use super::client_options::client_options;
use super::option::{GivenValue, OptionKind, OptionSpec};
use super::own_options::{CLASSPATH, OWN};
use super::settings::Settings;
use super::ssl_mode::SslMode;
use super::text::squash;
use crate::error::{Error, ErrorKind, Result, nearest};
use crate::url::{ForeignDriver, OptionPlace, OptionScope, is_secret, mentions_secret, without_secrets};

/// An option as it was given.
#[derive(Debug)]
pub(super) struct Item<'a> {
    /// The name that errors use: "the option `pool_size`", or the path of a key in a dictionary.
    pub(super) label: String,
    pub(super) name: &'a str,
    /// `None` for a null in a dictionary.
    pub(super) value: Option<Cow<'a, str>>,
    pub(super) kind: ErrorKind,
    /// Set if it may be one of a driver outside of the program, as an option of a URL may.
    pub(super) may_be_drivers: bool,
}

impl<'a> Item<'a> {
    pub(super) fn of_url(name: &'a str, value: &'a str) -> Self {
        Item {
            label: format!("the option `{name}`"),
            name,
            value: Some(value.into()),
            kind: ErrorKind::Url,
            may_be_drivers: true,
        }
    }

    fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::new(self.kind, format!("{} {message}", self.label))
    }

    /// Returns the error "… is `x`, but must be …", without the `x` if it may be a secret.
    fn refused(&self, expected: &str) -> Error {
        match self.value.as_deref() {
            None => self.error(format_args!("is null, but must be {expected}")),
            Some("") => self.error(format_args!("is empty, but must be {expected}")),
            Some(value)
                if is_secret(self.name)
                    || mentions_secret(value)
                    || value.contains("://")
                    || without_secrets(value) != value
                    || squash(self.name).ends_with("args") =>
            {
                self.error(format_args!("must be {expected}"))
            }
            Some(value) => self.error(format_args!("is `{value}`, but must be {expected}")),
        }
    }
}

/// Returns the parameter in `options[name]` or `server_settings[name]`.
fn parameter(name: &str) -> Option<&str> {
    name.strip_prefix("options[")
        .or_else(|| name.strip_prefix("server_settings["))?
        .strip_suffix(']')
}

/// Returns the option with this name, and its position in the table.
fn find(name: &str, dialect: OptionPlace) -> Option<(usize, &'static OptionSpec)> {
    let name = if parameter(name).is_some() {
        "server_settings"
    } else {
        name
    };
    let name = squash(name);
    let mut found = all().enumerate().filter(|(_, known)| known.answers_to(&name));
    let first = found.next()?;
    if first.1.on.covers(dialect) {
        Some(first)
    } else {
        found.find(|(_, known)| known.on.covers(dialect)).or(Some(first))
    }
}

/// Returns whether there is an option with this name. With `own`, only those count that may occur outside of `options`
/// in a dictionary.
pub(super) fn is_known(name: &str, own: bool) -> bool {
    let name = squash(name);
    let is_named = |known: &OptionSpec| known.answers_to(&name);
    OWN.iter().any(is_named) || (!own && client_options().any(is_named))
}

/// Returns the names of the options on `dialect`, or on all dialects, for suggestions.
pub(super) fn names(dialect: Option<OptionPlace>) -> impl Iterator<Item = &'static str> {
    all()
        .filter(move |known| dialect.is_none_or(|dialect| known.on.covers(dialect)))
        .flat_map(|known| std::iter::once(known.name).chain(known.also.iter().copied()))
}

/// libpq's word for the certificate authorities of the web.
pub(crate) const SYSTEM: &str = "system";

/// Applies the options to the settings. Their order does not matter.
pub(super) fn apply(settings: &mut Settings, database: OptionPlace, items: &[Item<'_>]) -> Result<()> {
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        let known = find(item.name, database);
        let passes_on = item.may_be_drivers && database.passes_on();
        if passes_on && !known.is_some_and(|(_, known)| is_ours(known, item.name, database)) {
            continue;
        }
        let (place, known) = known.ok_or_else(|| unknown(item, database))?;
        if !known.on.covers(database) {
            let error = item.error(format_args!("does not apply to {}", database.shown()));
            return Err(match known.on.only_on() {
                Some(only) => error.help(format!("it is for {only}; leave it out")),
                None => error.help("leave it out"),
            });
        }
        found.push((place, known, item));
    }
    found.sort_by_key(|(place, ..)| *place);
    for (index, (place, known, item)) in found.iter().enumerate() {
        let earlier = found[..index].iter().filter(|(other, ..)| other == place);
        for (_, _, earlier) in earlier {
            check_twice(settings, known, earlier, item)?;
        }
        apply_one(settings, known, item)?;
        let libpq = matches!(
            database.foreign_driver(),
            Some(ForeignDriver::Psycopg | ForeignDriver::Psycopg2)
        );
        if libpq && known.name == "ssl_root_cert" && item.value.as_deref() == Some(SYSTEM) {
            settings.ssl_root_cert = Some(SYSTEM.into());
        }
    }
    Ok(())
}

/// Returns whether an option of a driver outside of the program is this library's. The others are the driver's.
fn is_ours(known: &OptionSpec, name: &str, database: OptionPlace) -> bool {
    let own = matches!(known.kind, OptionKind::Own { .. } | OptionKind::Warn { .. });
    // The drivers of Java count different units.
    own && known.on.covers(database) && name != "connectTimeout" && !database.keeps(known.name, name)
}

/// Returns whether an option in the URL of a driver outside of the program is this library's.
pub(super) fn is_own_of(name: &str, database: OptionPlace) -> bool {
    find(name, database).is_some_and(|(_, known)| is_ours(known, name, database))
}

fn unknown(item: &Item<'_>, dialect: OptionPlace) -> Error {
    item.error("is unknown")
        .help(match nearest(item.name, names(Some(dialect))) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "the documentation of `Settings` lists the options".to_owned(),
        })
}

/// Checks an option that is given twice. Two names with the same value are accepted, because URLs are often written for
/// several clients.
fn check_twice(settings: &Settings, known: &OptionSpec, earlier: &Item<'_>, item: &Item<'_>) -> Result<()> {
    if matches!(known.kind, OptionKind::Startup) || known.name == CLASSPATH {
        return Ok(());
    }
    if let (Some(first), Some(second)) = (parameter(earlier.name), parameter(item.name)) {
        return if first == second {
            Err(item.error("is given twice"))
        } else {
            Ok(())
        };
    }
    if squash(earlier.name) == squash(item.name) {
        return Err(item.error("is given twice").help("keep one of them"));
    }
    let (mut with, mut without) = (settings.clone(), settings.clone());
    apply_one(&mut without, known, earlier)?;
    apply_one(&mut with, known, item)?;
    if with == without || matches!(known.kind, OptionKind::Warn { .. }) {
        return Ok(());
    }
    Err(item
        .error(format_args!(
            "contradicts `{}`, which is another name for it",
            earlier.name
        ))
        .help("keep one of them"))
}

fn apply_one(settings: &mut Settings, known: &OptionSpec, item: &Item<'_>) -> Result<()> {
    if let Some(name) = parameter(item.name) {
        return set_parameter(settings, item, name, item.value.as_deref().unwrap_or_default());
    }
    let text = item.value.as_deref();
    match known.kind {
        OptionKind::Own { apply, .. } | OptionKind::Also(apply) => {
            // They are the default here; the word implies the full check.
            if known.name == "ssl_root_cert" && text == Some(SYSTEM) {
                settings.ssl_mode = SslMode::VerifyFull;
                return Ok(());
            }
            // The Java spelling of this option counts milliseconds.
            let unit = if item.name == "connectTimeout" {
                Duration::from_millis(1)
            } else {
                Duration::from_secs(1)
            };
            apply(settings, &GivenValue { text, unit }).map_err(|expected| item.refused(&expected))
        }
        OptionKind::Server(name) => {
            // In a URL the plus sign of `+02:00` is read as a space.
            let text = text.unwrap_or_default();
            let zone = text
                .strip_prefix(' ')
                .filter(|_| name == "time_zone")
                .map(|zone| format!("+{zone}"));
            set_parameter(settings, item, name, zone.as_deref().unwrap_or(text))
        }
        OptionKind::Startup => read_startup(settings, item, text.unwrap_or_default()),
        OptionKind::Warn { fine, why } => {
            if !text.is_some_and(|text| fine.contains(&text)) {
                settings
                    .warnings
                    .push(format!("the option `{}` has no effect: {why}", item.name));
            }
            Ok(())
        }
    }
}

fn set_parameter(settings: &mut Settings, item: &Item<'_>, name: &str, value: &str) -> Result<()> {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
        return Err(item.error("holds a name that is not valid for a server parameter"));
    }
    settings.set_on_server(name, value);
    Ok(())
}

/// Reads libpq's `options`: `-c name=value`, `-cname=value` and `--name=value`, separated by spaces. A backslash
/// escapes the next character.
fn read_startup(settings: &mut Settings, item: &Item<'_>, text: &str) -> Result<()> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, words.last_mut()) {
            ('\\', Some(word)) => word.extend(characters.next()),
            (space, _) if space.is_whitespace() => words.push(String::new()),
            (other, Some(word)) => word.push(other),
            _ => {}
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let pair = match word.as_str() {
            "-c" => words.next(),
            word => word
                .strip_prefix("-c")
                .or_else(|| word.strip_prefix("--"))
                .map(str::to_owned),
        };
        match pair.as_deref().and_then(|pair| pair.split_once('=')) {
            Some((name, value)) => set_parameter(settings, item, &name.replace('-', "_"), value)?,
            None => settings.warnings.push(format!(
                "a part of the option `{}` has no effect: only `-c name=value` and `--name=value` are passed on to the server",
                item.name
            )),
        }
    }
    Ok(())
}

/// Reads every setting back from its shown form. This finds values that no option could have set.
pub(super) fn check(settings: &Settings) -> Result<()> {
    let mut copy = Settings::default();
    for (name, value) in show_all(settings) {
        let Some(known) = all().find(|known| known.name == name) else {
            continue;
        };
        let text = match &value {
            serde_json::Value::Object(_) if known.name == "server_settings" => continue,
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(Cow::Borrowed(text.as_str())),
            other => Some(Cow::Owned(other.to_string())),
        };
        let item = Item {
            label: format!("the setting `{name}`"),
            name,
            value: text,
            kind: ErrorKind::Config,
            may_be_drivers: false,
        };
        apply_one(&mut copy, known, &item)?;
    }
    for (name, value) in &settings.server_settings {
        let item = Item {
            label: format!("the server setting `{name}`"),
            name,
            value: None,
            kind: ErrorKind::Config,
            may_be_drivers: false,
        };
        if value.contains('\0') {
            return Err(item.error("holds a NUL character"));
        }
        set_parameter(&mut copy, &item, name, value)?;
    }
    Ok(())
}

/// Returns whether an option names the driver outside of the program, on which the meaning of others depends.
pub(super) fn names_driver(name: &str) -> bool {
    let name = squash(name);
    let names = ["dbapi_path", "dbapi_dsn_driver", "jdbc_driver", "jdbc_dsn_driver"];
    names.iter().any(|known| squash(known) == name)
}

/// Returns all options, the crate's own first. They take effect in this order, not in the order in which they are
/// given.
fn all() -> impl Iterator<Item = &'static OptionSpec> {
    OWN.iter().chain(client_options())
}

/// Returns all settings with their names.
pub(super) fn show_all(settings: &Settings) -> impl Iterator<Item = (&'static str, Value)> {
    all().filter_map(|known| show(known, settings))
}

/// Returns the setting of an option with its name, if it has one of its own.
fn show(known: &'static OptionSpec, settings: &Settings) -> Option<(&'static str, Value)> {
    match known.kind {
        OptionKind::Own { show, .. } => Some((known.name, show(settings))),
        _ => None,
    }
}

/// Replaces the values of secret names.
fn hide_secrets(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if is_secret(name) {
                    *value = "***".into();
                } else {
                    hide_secrets(value);
                }
            }
        }
        Value::Array(members) => members.iter_mut().for_each(hide_secrets),
        Value::String(text) if mentions_secret(text) => *value = "***".into(),
        Value::String(text) => *text = without_secrets(text),
        _ => {}
    }
}

/// Adds the settings to a debug output, without secrets.
fn show_fields(out: &mut fmt::DebugStruct<'_, '_>, shown: impl Iterator<Item = (&'static str, Value)>) {
    for (name, mut value) in shown {
        match &mut value {
            // Of arguments without names, any may be one.
            Value::Array(members) if name.ends_with("driver_args") => {
                members.fill("***".into());
            }
            value => hide_secrets(value),
        }
        out.field(name, &format_args!("{value}"));
    }
}

#[expect(clippy::missing_fields_in_debug, reason = "the table names the other fields")]
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Settings");
        show_fields(&mut out, show_all(self));
        out.field("warnings", &self.warnings).finish()
    }
}

impl fmt::Debug for BridgeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = Settings {
            bridge: Box::new(self.clone()),
            ..Settings::default()
        };
        let mut out = f.debug_struct("BridgeSettings");
        let own = all().filter(|known| matches!(known.on, OptionScope::Jdbc | OptionScope::DbApi));
        show_fields(&mut out, own.filter_map(|known| show(known, &settings)));
        out.finish()
    }
}
