//! Reads a file in the format its name tells.

use std::fmt::Display;
use std::path::Path;

use serde_json::Value;

use crate::config::credentials::error;
use crate::error::{Error, Result};

pub(super) fn read(path: &Path) -> Result<Value> {
    let name = path.display();
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
    let text = std::fs::read_to_string(path).map_err(|cause| {
        let place = std::path::absolute(path).map_or_else(|_| name.to_string(), |path| path.display().to_string());
        error(format!("cannot read the configuration file {place}: {cause}")).with_source(cause)
    })?;
    parse(&text, &name)
}

fn json(text: &str, name: &dyn Display) -> Result<Value> {
    serde_json::from_str(text).map_err(|cause| wrong(name, "JSON", &cause.to_string()))
}

#[cfg(feature = "toml")]
fn toml(text: &str, name: &dyn Display) -> Result<Value> {
    toml::from_str(text).map_err(|cause| {
        // Its `Display` shows the line, in which a password may stand.
        let before = cause.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        wrong(
            name,
            "TOML",
            &format!("{} at line {line} column {column}", cause.message()),
        )
    })
}

#[cfg(feature = "yaml")]
fn yaml(text: &str, name: &dyn Display) -> Result<Value> {
    yaml_serde::from_str(text).map_err(|cause| wrong(name, "YAML", &cause.to_string()))
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
    error(format!("{name} is no valid {format}: {cause}"))
}

#[allow(dead_code, reason = "needed where a format is left out")]
fn left_out(name: &dyn Display, format: &str, feature: &str) -> Error {
    error(format!("{name}: this program was built without {format}"))
        .help(format!("add the feature `{feature}` to `ebbtide` in Cargo.toml"))
}
