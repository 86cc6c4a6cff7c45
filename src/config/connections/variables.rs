//! Environment variables in the strings of a configuration.

use serde_json::Value;

use crate::config::credentials::{error, join};
use crate::error::{Error, Result};
use crate::url::percent_encoded;

/// A replacer of variables. It remembers their values, so that no error shows them.
pub(super) struct Variables<'l> {
    lookup: &'l dyn Fn(&str) -> Option<String>,
    found: Vec<(String, String)>,
}

impl<'l> Variables<'l> {
    pub(super) fn new(lookup: &'l dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            found: Vec::new(),
        }
    }

    /// Returns the value with every variable in its strings replaced.
    pub(super) fn replace(&mut self, value: &Value) -> Result<Value> {
        self.value(value, "")
    }

    fn value(&mut self, value: &Value, path: &str) -> Result<Value> {
        match value {
            Value::String(text) => self.text(text, path).map(Value::String),
            Value::Array(values) => {
                let each = |(index, value): (usize, &Value)| self.value(value, &format!("{path}[{index}]"));
                values.iter().enumerate().map(each).collect()
            }
            Value::Object(table) => {
                let each = |(key, value): (&String, &Value)| Ok((key.clone(), self.value(value, &join(path, key))?));
                Ok(Value::Object(table.iter().map(each).collect::<Result<_>>()?))
            }
            other => Ok(other.clone()),
        }
    }

    fn text(&mut self, text: &str, path: &str) -> Result<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let Some(inside) = after.strip_prefix('{') else {
                out.push('$');
                rest = after;
                continue;
            };
            let (name, after) = inside
                .split_once('}')
                .ok_or_else(|| error(format!("`{path}`: a `${{` has no `}}`")).help("write a dollar sign as `$$`"))?;
            let value = self.variable(name, path)?;
            if in_user_or_password(&text[..text.len() - after.len() - name.len() - 3], after) {
                out.push_str(&percent_encoded(&value));
            } else {
                out.push_str(&value);
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Returns the value of `NAME` or `NAME:-default`.
    fn variable(&mut self, inside: &str, path: &str) -> Result<String> {
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(letter) {
            // The text there may be a password with unusual characters, so it is not shown.
            return Err(error(format!(
                "`{path}`: there is no valid variable name between `${{` and `}}`"
            ))
            .help("write `${NAME}` or `${NAME:-default}`; write a dollar sign as `$$`"));
        }
        if default.is_some_and(|default| default.contains("${")) {
            return Err(error(format!(
                "`{path}`: the default of `{name}` cannot contain another variable"
            ))
            .help(format!("set `{name}`, or write its default out")));
        }
        let value = (self.lookup)(name).filter(|value| default.is_none() || !value.is_empty());
        match (value, default) {
            (Some(value), _) => {
                self.found.push((name.to_owned(), value.clone()));
                Ok(value)
            }
            (None, Some(default)) => Ok(default.to_owned()),
            (None, None) => Err(error(format!("`{path}`: the environment variable `{name}` is not set"))
                .help(format!("set it, or give a default: `${{{name}:-…}}`"))),
        }
    }

    /// Returns the error with the values of the variables replaced by their names.
    pub(super) fn hide(&self, error: Error) -> Error {
        let mut secrets: Vec<(String, &str)> = Vec::new();
        for (name, value) in self.found.iter().filter(|(_, value)| !value.is_empty()) {
            secrets.push((value.clone(), name));
            secrets.push((percent_encoded(value), name));
            secrets.push((value.to_lowercase(), name));
        }
        // The longest value comes first: one value may be part of another.
        secrets.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        let hide = |text: &str| {
            let mut text = text.to_owned();
            for (value, name) in &secrets {
                if value.len() >= 4 {
                    text = text.replace(value.as_str(), &format!("${{{name}}}"));
                } else {
                    // A short value may be part of any word.
                    text = text.replace(&format!("`{value}`"), &format!("`${{{name}}}`"));
                }
            }
            text
        };
        let message = hide(error.message());
        let help = error.advice().map(hide);
        if message == error.message() && help.as_deref() == error.advice() {
            return error;
        }
        let hidden = Error::new(error.kind(), message);
        match help {
            Some(help) => hidden.help(help),
            None => hidden,
        }
    }
}

/// Returns whether the text between `before` and `after` is in the user or the password of a URL.
fn in_user_or_password(before: &str, after: &str) -> bool {
    let ends = ['/', '?', '#'];
    let in_authority = before
        .split_once("://")
        .is_some_and(|(_, authority)| !authority.contains(ends) && !authority.contains('@'));
    in_authority
        && after
            .split(ends)
            .next()
            .is_some_and(|authority| authority.contains('@'))
}
