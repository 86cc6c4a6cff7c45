//! The objects that an SQL text defines and requires, read from its words.

use std::ops::Range;

use super::Dialect;
use super::lexer::{Lexer, TokenKind};
use super::split::statements;
use super::word::{Word, words};
use crate::value::{Params, Value};

/// The name of a table or another object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectName {
    /// The name as written in the text.
    pub(crate) written: String,
    /// The parts of the name without quotes, as the server keeps them.
    pub(crate) path: Vec<String>,
    /// The parts of the name, as they are compared.
    folded: Vec<String>,
}

impl ObjectName {
    /// Returns the schema, null without one, and the table, as parameters.
    pub(crate) fn schema_and_table(&self) -> Params {
        let schema = self.path.len().checked_sub(2).and_then(|at| self.path.get(at)).cloned();
        let table = self.path.last().cloned().unwrap_or_default();
        Params::positional(vec![schema.map_or(Value::Null, Value::Text), Value::Text(table)])
    }

    /// Reads a text that is one name.
    pub(crate) fn read(dialect: Dialect, text: &str) -> Option<Self> {
        let parts = cut(dialect, text);
        let (name, used) = name(dialect, text, &parts)?;
        (used == parts.len()).then_some(name)
    }

    /// Reads the name at the start of some parts of a text.
    pub(super) fn first(dialect: Dialect, text: &str, parts: &[Word<'_>]) -> Option<Self> {
        name(dialect, text, parts).map(|(name, _)| name)
    }

    /// Returns whether both are the same name.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.folded == other.folded
    }

    /// Returns whether both may mean the same object: one of them may omit the schema.
    pub(crate) fn means(&self, other: &Self) -> bool {
        self.is(other) || ((self.path.len() == 1 || other.path.len() == 1) && self.folded.last() == other.folded.last())
    }
}

/// The object after `CREATE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    /// `TABLE`, `MATERIALIZED VIEW`, …
    pub(crate) kind: String,
    pub(crate) name: ObjectName,
    /// The position for `IF NOT EXISTS`, unless that or an equivalent is already there.
    safe_at: Option<usize>,
}

/// Another object that must exist before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needed {
    pub(crate) name: ObjectName,
    /// Set if it is only the target of a foreign key.
    pub(crate) foreign: bool,
    /// The foreign key, if it can be added afterwards.
    pub(crate) key: Option<Key>,
}

/// A foreign key that is a separate element in the list of columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    element: Range<usize>,
    /// The element with the comma before it.
    cut: Range<usize>,
}

/// One statement that defines an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    text: String,
    /// The created object; `None` if it is no `CREATE`, or if the kind of object is unknown.
    pub(crate) object: Option<Object>,
    pub(crate) needs: Vec<Needed>,
}

/// The words after `CREATE` that name a known kind of object.
const KINDS: [&str; 13] = [
    "TABLE",
    "INDEX",
    "VIEW",
    "TYPE",
    "DOMAIN",
    "SEQUENCE",
    "FUNCTION",
    "PROCEDURE",
    "TRIGGER",
    "SCHEMA",
    "EXTENSION",
    "EVENT",
    "POLICY",
];

impl Definition {
    /// Reads the definitions in a text, one for each statement.
    pub(crate) fn read(dialect: Dialect, text: &str) -> Vec<Self> {
        let parts = cut(dialect, text);
        statements(dialect, &parts)
            .filter_map(|statement| {
                let (first, last) = (statement.first()?, statement.last()?);
                Some(Self::of(dialect, &text[first.start..last.end]))
            })
            .collect()
    }

    fn of(dialect: Dialect, text: &str) -> Self {
        let parts = cut(dialect, text);
        let object = object(dialect, text, &parts);
        let needs = needs(dialect, text, &parts, object.as_ref());
        Self {
            text: text.to_owned(),
            object,
            needs,
        }
    }

    /// Returns the name of the table, if the statement creates one.
    pub(crate) fn table(&self) -> Option<&ObjectName> {
        let object = self.object.as_ref()?;
        object.kind.ends_with("TABLE").then_some(&object.name)
    }

    /// Returns the statement without the keys in `late`. An object of a kind in `guarded` is created `IF NOT EXISTS`, or after a
    /// question for it.
    pub(crate) fn create(&self, dialect: Dialect, guarded: &[&str], late: &[&Key]) -> String {
        let mut text = self.text.clone();
        for key in late.iter().rev() {
            text.replace_range(key.cut.clone(), "");
        }
        if let Some(object) = &self.object
            && let (true, Some(at)) = (guarded.contains(&object.kind.as_str()), object.safe_at)
        {
            match dialect {
                Dialect::SqlServer => {
                    let name = dialect.quote_text(&object.name.written);
                    text.insert_str(0, &format!("IF OBJECT_ID({name}) IS NULL "));
                }
                _ => text.insert_str(at, "IF NOT EXISTS "),
            }
        }
        text
    }

    /// Returns whether the statement that is created so fails if the object already exists.
    pub(crate) fn fails_if_present(&self, guarded: &[&str]) -> bool {
        self.object
            .as_ref()
            .is_none_or(|object| object.safe_at.is_some() && !guarded.contains(&object.kind.as_str()))
    }

    /// Returns the statement that adds a key afterwards.
    pub(crate) fn add(&self, key: &Key) -> Option<String> {
        let table = self.table()?;
        Some(format!(
            "ALTER TABLE {} ADD {}",
            table.written,
            &self.text[key.element.clone()]
        ))
    }

    /// Returns the statement that drops the object. `None` for objects that are dropped with their table, and for those
    /// that others may use too.
    pub(crate) fn removal(&self) -> Option<String> {
        let object = self.object.as_ref()?;
        let dropped = !matches!(
            object.kind.as_str(),
            "INDEX" | "TRIGGER" | "SCHEMA" | "EXTENSION" | "POLICY"
        );
        dropped.then(|| format!("DROP {} IF EXISTS {}", object.kind, object.name.written))
    }

    /// Returns the text, for messages.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Returns the words of a text, with their positions in it.
pub(super) fn cut(dialect: Dialect, text: &str) -> Vec<Word<'_>> {
    words(Lexer::new(dialect, text))
}

/// Returns the name at the start, and how many words it takes.
fn name(dialect: Dialect, text: &str, parts: &[Word<'_>]) -> Option<(ObjectName, usize)> {
    let mut path = Vec::new();
    let mut used = 0;
    loop {
        let part = parts.get(used)?;
        path.push(match part.kind {
            TokenKind::Word if dialect == Dialect::Postgres => part.text.to_lowercase(),
            TokenKind::Word => part.text.to_owned(),
            TokenKind::Quoted => unquoted(part.text),
            _ => return None,
        });
        used += 1;
        if !parts.get(used).is_some_and(|part| part.is_symbol(b'.')) {
            break;
        }
        used += 1;
    }
    let written = text[parts[0].start..parts[used - 1].end].to_owned();
    let folded = match dialect {
        Dialect::Postgres => path.clone(),
        Dialect::MySql | Dialect::Sqlite | Dialect::SqlServer | Dialect::Generic => {
            path.iter().map(|part| part.to_lowercase()).collect()
        }
    };
    Some((ObjectName { written, path, folded }, used))
}

fn unquoted(text: &str) -> String {
    let mut characters = text.chars();
    let quote = match characters.next() {
        Some('[') => ']',
        quote => quote.unwrap_or('"'),
    };
    let inside = characters.as_str();
    let inside = inside.strip_suffix(quote).unwrap_or(inside);
    inside.replace(&format!("{quote}{quote}"), &quote.to_string())
}

fn object(dialect: Dialect, text: &str, parts: &[Word<'_>]) -> Option<Object> {
    if !parts.first()?.is("CREATE") {
        return None;
    }
    let at = parts.iter().take(16).position(|part| part.is_one_of(&KINDS))?;
    let replaces = parts[..at].iter().any(|part| part.is("REPLACE"));
    let mut kind = parts[at].text.to_ascii_uppercase();
    if parts[at - 1].is_one_of(&["MATERIALIZED", "FOREIGN"]) {
        kind = format!("{} {kind}", parts[at - 1].text.to_ascii_uppercase());
    }
    let mut rest = &parts[at + 1..];
    if rest.first().is_some_and(|part| part.is("CONCURRENTLY")) {
        rest = &rest[1..];
    }
    let safe = rest.len() > 3 && rest[0].is("IF") && rest[1].is("NOT") && rest[2].is("EXISTS");
    if safe {
        rest = &rest[3..];
    }
    let (name, _) = name(dialect, text, rest)?;
    Some(Object {
        kind,
        name,
        safe_at: (!safe && !replaces).then(|| rest[0].start),
    })
}

fn needs(dialect: Dialect, text: &str, parts: &[Word<'_>], object: Option<&Object>) -> Vec<Needed> {
    let kind = object.map_or("", |object| object.kind.as_str());
    let words: &[&str] = match kind {
        "TABLE" => &["REFERENCES", "FROM", "JOIN", "LIKE", "OF"],
        "VIEW" | "MATERIALIZED VIEW" => &["FROM", "JOIN"],
        "INDEX" | "TRIGGER" | "POLICY" => &["ON"],
        "" => &["REFERENCES", "TABLE"],
        _ => &[],
    };
    let mut needs: Vec<Needed> = Vec::new();
    let keys = keys(parts);
    let selects = parts.iter().any(|part| part.is("SELECT"));
    for (at, part) in parts.iter().enumerate().filter(|(_, part)| part.is_one_of(words)) {
        let before = at.checked_sub(1).map(|at| &parts[at]);
        let elsewhere = |word: &str| part.is(word) && !selects;
        // `IS DISTINCT FROM`, `a LIKE b` and `UPDATE OF` name no tables.
        if elsewhere("FROM")
            || elsewhere("JOIN")
            || (part.is("OF") && !before.is_some_and(|part| part.is("PARTITION")))
            || (part.is("LIKE") && !before.is_some_and(|part| part.is_symbol(b'(') || part.is_symbol(b',')))
        {
            continue;
        }
        let Some((name, _)) = name(dialect, text, &parts[at + 1..]) else {
            continue;
        };
        let foreign = part.is("REFERENCES");
        let key = foreign.then(|| keys.iter().find(|key| key.element.contains(&part.start)).cloned());
        needs.push(Needed {
            name,
            foreign,
            key: key.flatten(),
        });
        if matches!(kind, "INDEX" | "TRIGGER" | "POLICY") {
            break;
        }
    }
    needs
}

/// Returns the elements that are foreign keys and follow another element.
fn keys(parts: &[Word<'_>]) -> Vec<Key> {
    let mut keys = Vec::new();
    let (mut depth, mut comma) = (0, None::<usize>);
    for (at, part) in parts.iter().enumerate() {
        depth += part.nesting();
        let ends = (depth == 1 && part.is_symbol(b',')) || (depth == 0 && part.is_symbol(b')'));
        if !ends {
            continue;
        }
        if let Some(comma) = comma {
            let element = &parts[comma + 1..at];
            let named = element.first().is_some_and(|part| part.is("CONSTRAINT"));
            let word = |index: usize, word: &str| element.get(index).is_some_and(|part| part.is(word));
            let skip = if named { 2 } else { 0 };
            if word(skip, "FOREIGN") && word(skip + 1, "KEY") {
                let end = element[element.len() - 1].end;
                keys.push(Key {
                    element: element[0].start..end,
                    cut: parts[comma].start..end,
                });
            }
        }
        if depth == 0 {
            break;
        }
        comma = Some(at);
    }
    keys
}
