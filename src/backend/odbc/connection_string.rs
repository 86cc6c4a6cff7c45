//! Writing of ODBC's connection strings.

use crate::url::is_secret;

/// Returns the connection string of keywords. A value with a letter that has a meaning there stands in braces.
pub(super) fn written(keywords: &[(String, String)]) -> String {
    joined(keywords, |_, value| value.to_owned())
}

/// Returns the connection string without secrets, for messages.
pub(super) fn shown(keywords: &[(String, String)]) -> String {
    let text = joined(keywords, |name, value| {
        if is_secret(name) {
            "***".to_owned()
        } else {
            value.to_owned()
        }
    });
    format!("odbc:{text}")
}

fn joined(keywords: &[(String, String)], value: impl Fn(&str, &str) -> String) -> String {
    let pairs: Vec<_> = keywords
        .iter()
        .map(|(name, text)| format!("{name}={}", braced(&value(name, text))))
        .collect();
    pairs.join(";")
}

fn braced(value: &str) -> String {
    let plain = !value.contains([';', '{', '}']) && value.trim() == value;
    if plain {
        return value.to_owned();
    }
    format!("{{{}}}", value.replace('}', "}}"))
}
