//! Reads a configuration file in the format that its extension names.

use std::fmt::Display;
use std::path::Path;

use serde_json::Value;

use super::tree::Tree;
use crate::config::credentials::error;
use crate::error::{Error, Result};

pub(super) fn read(path: &Path) -> Result<Value> {
    let name = path.display();
    if path.to_string_lossy().contains("://") {
        // The path is not shown, because it may hold a password.
        return Err(error("expected the name of a file, but got a URL".to_owned())
            .help("use `Database::connect(url)` for a single database, and list several in a file or a dictionary"));
    }
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    let parse = match extension.as_deref() {
        Some("json") => json,
        Some("toml") => toml,
        Some("yaml" | "yml") => yaml,
        _ => {
            return Err(error(format!("{name}: the format of the file is unknown"))
                .help("its name must end in .json, .toml or .yaml"));
        }
    };
    let bytes = std::fs::read(path).map_err(|cause| {
        let place = std::path::absolute(path).map_or_else(|_| name.to_string(), |path| path.display().to_string());
        error(format!("cannot read the configuration file {place}: {cause}")).with_source(cause)
    })?;
    let text = String::from_utf8(bytes).map_err(|_| error(format!("{name} is not UTF-8")).help("save it as UTF-8"))?;
    // Some editors start a file with a byte order mark.
    parse(text.strip_prefix('\u{feff}').unwrap_or(&text), &name)
}

/// Returns the error for an empty file.
fn empty(name: &dyn Display, example: &str) -> Error {
    error(format!("{name} is empty")).help(format!("add the connections: `{example}`"))
}

fn json(text: &str, name: &dyn Display) -> Result<Value> {
    if text.trim().is_empty() {
        return Err(empty(name, r#"{"connections": {"default": "sqlite://app.db"}}"#));
    }
    let tree = serde_json::from_str(text).map_err(|cause| wrong(name, "JSON", &cause.to_string()));
    tree.map(|Tree(value)| value)
}

#[cfg(feature = "toml")]
fn toml(text: &str, name: &dyn Display) -> Result<Value> {
    let tree = toml::from_str(text).map_err(|cause| {
        // The `Display` of the error shows the line, which may contain a password.
        let before = cause.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        wrong(
            name,
            "TOML",
            &format!("{} at line {line} column {column}", cause.message()),
        )
    });
    match tree {
        Ok(Tree(Value::Object(table))) if table.is_empty() => {
            Err(empty(name, r#"connections.default = "sqlite://app.db""#))
        }
        tree => tree.map(|Tree(value)| value),
    }
}

#[cfg(feature = "yaml")]
fn yaml(text: &str, name: &dyn Display) -> Result<Value> {
    let tree = yaml_serde::from_str(text).map_err(|cause| {
        let cause = cause.to_string();
        let error = wrong(name, "YAML", &cause);
        if cause.contains("mapping values") {
            error.help("a text that contains a colon, such as a URL, may need quotes")
        } else if text.lines().any(|line| line.trim_start_matches(' ').starts_with('\t')) {
            error.help("indent lines with spaces, not with tabs")
        } else {
            error
        }
    });
    match tree {
        Ok(Tree(Value::Null)) => Err(empty(name, r#"connections: {default: "sqlite://app.db"}"#)),
        tree => tree.map(|Tree(value)| value),
    }
}

#[cfg(not(feature = "toml"))]
fn toml(_: &str, name: &dyn Display) -> Result<Value> {
    Err(left_out(name, "TOML", "toml"))
}

#[cfg(not(feature = "yaml"))]
fn yaml(_: &str, name: &dyn Display) -> Result<Value> {
    Err(left_out(name, "YAML", "yaml"))
}

fn wrong(name: &dyn Display, format: &str, cause: &str) -> Error {
    error(format!("{name} is not valid {format}: {cause}"))
}

#[allow(dead_code, reason = "needed where a format is left out")]
fn left_out(name: &dyn Display, format: &str, feature: &str) -> Error {
    error(format!("{name}: this program was built without {format}"))
        .help(format!("add the feature `{feature}` to `ebbtide` in Cargo.toml"))
}
