//! The notifications that a text of PostgreSQL sends, as far as its words tell them.

use super::lexer::TokenKind;
use super::word::Word;
use crate::value::Value;

/// An argument of `NOTIFY` or `pg_notify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotifyArgument {
    Text(Box<str>),
    /// The value in this slot.
    Slot(usize),
}

/// A call that sends a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotifyCall {
    channel: NotifyArgument,
    payload: Option<NotifyArgument>,
}

impl NotifyCall {
    /// Returns the channel and the payload.
    pub(crate) fn resolve(&self, values: &[Value]) -> Option<(String, String)> {
        let channel = self.channel.resolve(values)?;
        let payload = match &self.payload {
            Some(payload) => payload.resolve(values)?,
            None => String::new(),
        };
        Some((channel, payload))
    }
}

impl NotifyArgument {
    fn resolve(&self, values: &[Value]) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.to_string()),
            Self::Slot(slot) => match values.get(*slot)? {
                Value::Text(text) | Value::Untyped(text) => Some(text.clone()),
                // The server sends it as an empty payload.
                value if value.is_null() => Some(String::new()),
                _ => None,
            },
        }
    }
}

/// Words behind which it depends on rows or values whether a function is called.
const DEPENDS: [&str; 14] = [
    "FROM",
    "WHERE",
    "HAVING",
    "SELECT",
    "CASE",
    "COALESCE",
    "NULLIF",
    "AND",
    "OR",
    "LIMIT",
    "OFFSET",
    "UNION",
    "EXCEPT",
    "INTERSECT",
];

/// Returns the notifications that a statement sends: `NOTIFY`, and `SELECT pg_notify(…)` without a table, whose arguments
/// are texts or placeholders. `holes` is the number of placeholders before the statement.
pub(super) fn notifies(statement: &[Word<'_>], holes: usize, slot: &impl Fn(usize) -> usize) -> Vec<NotifyCall> {
    match statement {
        [notify, channel, rest @ ..] if notify.is("NOTIFY") => {
            let channel = NotifyArgument::Text(identifier(channel));
            match rest {
                [comma, payload, ..] if comma.is_symbol(b',') => literal(payload)
                    .map(|payload| NotifyCall {
                        channel,
                        payload: Some(NotifyArgument::Text(payload)),
                    })
                    .into_iter()
                    .collect(),
                _ => vec![NotifyCall { channel, payload: None }],
            }
        }
        [select, rest @ ..] if select.is("SELECT") && !rest.iter().any(|part| part.is_one_of(&DEPENDS)) => {
            calls(rest, holes, slot)
        }
        _ => Vec::new(),
    }
}

fn calls(words: &[Word<'_>], mut holes: usize, slot: &impl Fn(usize) -> usize) -> Vec<NotifyCall> {
    let mut calls = Vec::new();
    for (index, part) in words.iter().enumerate() {
        holes += usize::from(part.hole);
        if !part.is("PG_NOTIFY") || !words.get(index + 1).is_some_and(|next| next.is_symbol(b'(')) {
            continue;
        }
        let schema = index.checked_sub(2).filter(|_| words[index - 1].is_symbol(b'.'));
        if schema.is_some_and(|schema| !words[schema].is("PG_CATALOG")) {
            continue;
        }
        let mut at = index + 2;
        let mut count = holes;
        let mut argument = |end: u8| {
            let part = words.get(at)?;
            let argument = if part.hole {
                NotifyArgument::Slot(slot(count))
            } else {
                NotifyArgument::Text(literal(part)?)
            };
            count += usize::from(part.hole);
            at += 1;
            if let [cast, ty, ..] = words.get(at..)?
                && cast.kind == TokenKind::Cast
                && ty.kind == TokenKind::Word
            {
                at += 2;
            }
            let ends = words.get(at)?.is_symbol(end);
            at += 1;
            ends.then_some(argument)
        };
        if let (Some(channel), Some(payload)) = (argument(b','), argument(b')')) {
            calls.push(NotifyCall {
                channel,
                payload: Some(payload),
            });
        }
    }
    calls
}

/// Returns the channel that a name means.
fn identifier(name: &Word<'_>) -> Box<str> {
    match name.text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\"").into(),
        None => name.text.to_ascii_lowercase().into(),
    }
}

/// Returns the text of a string in plain quotes or dollar quotes.
fn literal(part: &Word<'_>) -> Option<Box<str>> {
    if part.kind != TokenKind::Literal {
        return None;
    }
    if let Some(plain) = part.text.strip_prefix('\'') {
        return Some(plain.strip_suffix('\'')?.replace("''", "'").into());
    }
    let tag = part.text.strip_prefix('$')?;
    let tag = &part.text[..tag.find('$')? + 2];
    Some(part.text.strip_prefix(tag)?.strip_suffix(tag)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Dialect, Template};

    fn sent(sql: &str) -> Vec<(String, String)> {
        let template = Template::parse(Dialect::Postgres, sql).unwrap();
        let values = [Value::Text("first".into()), Value::Text("second".into())];
        let calls = &template.effect().notifies;
        calls.iter().filter_map(|call| call.resolve(&values)).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(channel, payload)| ((*channel).to_owned(), (*payload).to_owned()))
            .collect()
    }

    #[test]
    fn m1_the_words_of_a_text_tell_its_notifications() {
        for (sql, expected) in [
            ("NOTIFY Orders", &[("orders", "")][..]),
            ("notify \"Or\"\"ders\", 'it''s'", &[("Or\"ders", "it's")]),
            ("NOTIFY a, $tag$b$tag$; NOTIFY c", &[("a", "b"), ("c", "")]),
            ("SELECT pg_notify('A', 'b')", &[("A", "b")]),
            (
                "SELECT pg_catalog.pg_notify($1::text, $2), pg_notify('x', 'y') AS sent",
                &[("first", "second"), ("x", "y")],
            ),
            ("SELECT pg_notify(:channel, :payload)", &[("first", "second")]),
            ("SELECT $1, pg_notify('a', $2)", &[("a", "second")]),
            ("SELECT 1; SELECT pg_notify('a', 'b')", &[("a", "b")]),
            // It depends on the rows, or on what an expression is.
            ("SELECT pg_notify('a', id::text) FROM note", &[]),
            ("SELECT pg_notify('a', 'b' || 'c')", &[]),
            ("SELECT CASE WHEN $1 = 'a' THEN pg_notify('a', 'b') END", &[]),
            ("SELECT pg_notify('a', 'b') LIMIT 0", &[]),
            ("SELECT shop.pg_notify('a', 'b')", &[]),
            ("NOTIFY a, E'b\\n'", &[]),
            ("SELECT 'pg_notify(''a'', ''b'')'", &[]),
        ] {
            assert_eq!(sent(sql), pairs(expected), "{sql}");
        }
    }
}
