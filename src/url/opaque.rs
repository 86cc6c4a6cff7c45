//! The secrets in the text of a driver, of which little is known: `;PASSWORD=…`, `user/password@host`.

use std::ops::Range;

use serde_json::Value;

use super::secret::is_secret;

/// Returns where a text holds secrets, in order. In doubt, more is one.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    if let Some(at) = text.rfind('@') {
        let from = text[..at].rfind("//").map_or(0, |slashes| slashes + 2);
        let user = &text[from..at];
        // Oracle separates the password by a slash, everybody else by a colon.
        if let Some(end) = user.find('/').or_else(|| user.find(':')) {
            found.push(from + end + 1..at);
        }
    }
    let of_java = text.contains(';');
    let mut from = 0;
    while let Some(sign) = text[from..].find('=') {
        let sign = from + sign;
        let name = text[..sign]
            .trim_end()
            .rsplit([';', '&', '?', ':', ',', '/', ' ', '\n', '\t'])
            .next();
        from = sign + 1;
        if !name.is_some_and(is_secret) {
            continue;
        }
        let rest = &text[from..];
        // libpq allows blanks around the sign.
        let start = from + rest.len() - rest.trim_start().len();
        from = start + length(&text[start..], of_java);
        found.push(start..from);
    }
    found.retain(|range| !range.is_empty());
    found.sort_by_key(|range| range.start);
    found
}

/// Returns the length of the value with which a text begins, in quotes or braces or without. A backslash escapes a
/// character for libpq, and a second brace a brace for SQL Server.
fn length(text: &str, of_java: bool) -> usize {
    let quote = text.chars().next().filter(|first| matches!(first, '\'' | '"' | '{'));
    let end = match quote {
        Some('{') => '}',
        Some(quote) => quote,
        None => ' ',
    };
    let ends = |letter: char| match quote {
        Some(_) => letter == end,
        None if of_java => letter == ';',
        None => matches!(letter, '&' | ' ' | '\t' | '\n'),
    };
    let mut letters = text.char_indices().skip(usize::from(quote.is_some())).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if !of_java => drop(letters.next()),
            '}' if quote == Some('{') && letters.next_if(|(_, next)| *next == '}').is_some() => {}
            letter if ends(letter) => return at + usize::from(quote.is_some()),
            _ => {}
        }
    }
    text.len()
}

/// Returns the secrets in a text: as they stand there, and as a driver reads them.
#[allow(dead_code, reason = "unused without a bridge")]
pub(crate) fn secrets_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for range in secrets(text) {
        let raw = &text[range];
        let inner = raw
            .strip_prefix(['\'', '"', '{'])
            .and_then(|rest| rest.strip_suffix(['\'', '"', '}']));
        let inner = inner.unwrap_or(raw);
        let read = [
            raw.to_owned(),
            inner.to_owned(),
            unescaped(inner),
            inner.replace("}}", "}"),
        ];
        for secret in read.into_iter().filter(|secret| !secret.is_empty()) {
            if !found.contains(&secret) {
                found.push(secret);
            }
        }
    }
    found
}

/// Returns a text without the backslashes that escape characters.
fn unescaped(text: &str) -> String {
    let mut letters = text.chars();
    let mut out = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        out.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    out
}

/// Returns the secrets in an argument of a driver: all of it if its name is that of a secret.
#[allow(dead_code, reason = "unused without a bridge")]
pub(crate) fn secret_values(name: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(|value| secret_values(name, value)).collect(),
        Value::Object(members) if is_secret(name) => {
            members.values().flat_map(|value| secret_values(name, value)).collect()
        }
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| secret_values(name, value))
            .collect(),
        Value::String(text) if is_secret(name) => vec![text.clone()],
        Value::String(text) => secrets_in(text),
        Value::Bool(_) | Value::Number(_) if is_secret(name) => vec![value.to_string()],
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Returns the text with `***` in place of its secrets.
pub(crate) fn without_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for range in secrets(text) {
        if range.end <= from {
            continue;
        }
        if range.start >= from {
            out.push_str(&text[from..range.start]);
            out.push_str("***");
        }
        from = range.end;
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn u2_a_drivers_text_is_shown_without_its_secrets() {
        for (text, shown) in [
            (
                "mem:x;USER=sa;PASSWORD=a b;MODE=MySQL",
                "mem:x;USER=sa;PASSWORD=***;MODE=MySQL",
            ),
            ("thin:scott/ti:g/er@//h:1521/x", "thin:scott/***@//h:1521/x"),
            ("thin:@h:1521:x", "thin:@h:1521:x"),
            ("tcp://u:p@h/x", "tcp://u:***@h/x"),
            ("host=h password='a b' user=u", "host=h password=*** user=u"),
            (
                "//h;databaseName=d;password={a;b};x=1",
                "//h;databaseName=d;password=***;x=1",
            ),
            ("file.db?key=1&pwd=x&y=2", "file.db?key=***&pwd=***&y=2"),
            ("~/test;create=true", "~/test;create=true"),
            ("a:b@c;password=d@e", "a:***"),
            ("host=h password = 'a b' user=u", "host=h password = *** user=u"),
            (r"password='it\'s \\' user=u", "password=*** user=u"),
            (r"password=a\ b user=u", "password=*** user=u"),
            ("//h;password={a}};b};x=1", "//h;password=***;x=1"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
        assert_eq!(secrets_in("mem:x;PASSWORD=one;TRUST_PWD=two"), ["one", "two"]);
        assert_eq!(secrets_in(r"password = 'it\'s' "), [r"'it\'s'", r"it\'s", "it's"]);
        assert_eq!(secrets_in("//h;password={a}}b}"), ["{a}}b}", "a}}b", "a}b"]);
    }

    #[test]
    fn u2_secrets_are_found_at_any_depth() {
        let given = json!({"user": "u", "password": 1234, "a": [{"hexkey": ["k1", {"x": "k2"}]}, "pwd=p3"], "ssl": {"key": "k4"}});
        assert_eq!(secret_values("", &given), ["k1", "k2", "p3", "1234", "k4"]);
        assert!(secret_values("", &json!([true, 12, null, "plain"])).is_empty());
    }
}
