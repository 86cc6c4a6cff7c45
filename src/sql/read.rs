//! Parses an SQL text: the places of its parameters, and its effects.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use super::bind_error::BindError;
use super::bind_order::BindOrder;
use super::control::{self, CopyDirection, Facts};
use super::effect::Effect;
use super::lexer::{Lexer, Token, TokenKind};
use super::list::{self, ListPlace, OpenParentheses};
use super::readings::is_doubtful;
use super::split::statements;
use super::template::{Placeholder, Style, Template};
use super::values_row::ValuesRow;
use super::word::Word;
use super::{Act, Dialect, SqlMode, Statement, transact, variable};
use crate::error::{Error, ErrorKind, Result};

impl Template {
    /// Parses a text as it is read without special settings.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn parse(dialect: Dialect, sql: &str) -> Result<Self> {
        Self::parse_in(dialect, SqlMode::default(), sql)
    }

    /// Parses a text, which sessions of MySQL read in this mode. Fails only on a NUL, on contradictory or too many
    /// placeholders, and on PostgreSQL's `LISTEN` and `COPY` from or to the client.
    pub(super) fn parse_in(dialect: Dialect, mode: SqlMode, sql: &str) -> Result<Self> {
        Self::read(dialect, mode, sql, None, |dialect, tokens| {
            variable::refused(dialect, tokens)?;
            Style::of_text(dialect, tokens)
        })
    }

    /// Parses a text whose placeholders are not read here; only its effects matter.
    pub(super) fn without_placeholders(dialect: Dialect, mode: SqlMode, sql: &str) -> Result<Self> {
        Self::read(dialect, mode, sql, None, |dialect, tokens| {
            variable::refused_for_driver(dialect, tokens)?;
            Ok(Style::None)
        })
    }

    /// Parses a COPY between the server and the client, which must be the only statement of its text.
    pub(super) fn copying(dialect: Dialect, sql: &str, direction: CopyDirection) -> Result<Self> {
        Self::read(dialect, SqlMode::default(), sql, Some(direction), |_, _| {
            Ok(Style::None)
        })
    }

    /// Creates a template for an operation of which only these facts are known.
    pub(crate) fn standing_for(dialect: Dialect, what: &'static str, effect: Effect) -> Result<Self> {
        let template = Self::without_placeholders(dialect, SqlMode::default(), what)?;
        Ok(Self {
            effect: Arc::new(effect),
            ..template
        })
    }

    fn read(
        dialect: Dialect,
        mode: SqlMode,
        sql: &str,
        copies: Option<CopyDirection>,
        style: fn(Dialect, &[Token<'_>]) -> Result<Style, BindError>,
    ) -> Result<Self> {
        if sql.contains('\0') {
            // In the protocols NUL ends the text, and the rest would be taken for something else.
            return Err(Error::new(
                ErrorKind::Syntax,
                "the statement holds a NUL character, at which it would be cut off",
            )
            .help("bind the text that holds it as a parameter"));
        }
        let tokens: Vec<_> = Lexer::new(dialect, sql).in_mode(mode).collect();
        let style = style(dialect, &tokens)?;
        let Layout {
            text,
            mut holes,
            names,
            parts,
        } = Layout::of(style, &tokens);
        if let Some(direction) = copies {
            check_copy(&parts, direction)?;
        } else if dialect == Dialect::Postgres && control::converses(&parts) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "COPY between the server and the client cannot run as a statement, so it was not sent",
            )
            .help("use `copy_in` for `COPY … FROM STDIN`, and `copy_out` for `COPY … TO STDOUT`"));
        }
        if dialect == Dialect::Postgres && control::listens(&parts) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "LISTEN makes the connection receive notifications, which cannot be read on a connection of the pool, so it was not sent",
            )
            .help("use `database.listen([\"channel\"])`, which has a connection of its own; `NOTIFY` and `pg_notify` work on any connection"));
        }
        if dialect == Dialect::SqlServer && transact::separates_batches(&text, &parts) {
            return Err(Error::new(
                ErrorKind::Syntax,
                "the text has the line `GO`, which separates batches for the tools of SQL Server and is no statement, so it was not sent",
            )
            .help("send each batch by itself, without the line"));
        }
        let facts = Facts::of(dialect, mode.server, &parts);
        let acts = match dialect {
            Dialect::Sqlite => Act::of_all(&parts),
            Dialect::Postgres | Dialect::MySql | Dialect::SqlServer | Dialect::Generic => Vec::new(),
        };
        let doubtful = is_doubtful(dialect, mode, sql, &tokens, facts.control);
        let mut effect = Effect::of(dialect, statements(dialect, &parts), |hole| holes[hole].slot);
        effect.opaque |= doubtful;
        let (mut index, mut open) = (0, OpenParentheses::default());
        for (place, part) in parts.iter().enumerate() {
            open.pass(&parts, place);
            if part.hole {
                holes[index].list = list::context(&parts, place);
                holes[index].place = open.list_place(&parts, place);
                index += 1;
            }
        }
        let row = (facts.statements == 1)
            .then(|| ValuesRow::find(dialect, facts.verb, &parts))
            .flatten();
        drop(parts);
        let slots = holes.iter().map(|hole| hole.slot + 1).max().unwrap_or(0);
        let mut uses = vec![0; slots];
        for hole in &holes {
            uses[hole.slot] += 1;
        }
        let mut template = Self {
            dialect,
            mode,
            style,
            text: text.into_boxed_str(),
            gap: uses.iter().position(|uses| *uses == 0),
            in_line: holes.len() == slots && holes.iter().enumerate().all(|(at, hole)| hole.slot == at),
            uses: uses.into_boxed_slice(),
            order: BindOrder::default(),
            by_name: OnceLock::new(),
            holes: holes.into_boxed_slice(),
            names,
            slots,
            plain: None,
            single: Arc::new(Statement::new("", true)),
            expanded: RwLock::default(),
            bulk: None,
            facts,
            acts: acts.into(),
            effect: Arc::new(effect),
            summary: OnceLock::new(),
            sanitized: OnceLock::new(),
        };
        template.order = template.order(None);
        template.check_size(template.bound_count(None))?;
        template.write_statements(sql);
        template.bulk = row.map(|row| Arc::new(template.bulk_insert(&row)));
        Ok(template)
    }
}

/// Returns an error if a text is not one COPY in this direction.
fn check_copy(parts: &[Word<'_>], direction: CopyDirection) -> Result<()> {
    let mut all = statements(Dialect::Postgres, parts);
    if all.next().and_then(control::copy_direction) == Some(direction) && all.next().is_none() {
        return Ok(());
    }
    let (method, text) = match direction {
        CopyDirection::In => ("copy_in", "COPY … FROM STDIN"),
        CopyDirection::Out => ("copy_out", "COPY … TO STDOUT"),
    };
    Err(Error::new(
        ErrorKind::Syntax,
        format!("`{method}` takes the text of one `{text}`, and this is another, so it was not sent"),
    )
    .help("other statements run with `execute` and its sisters"))
}

impl Style {
    fn of(kind: TokenKind) -> Option<(Self, &'static str)> {
        match kind {
            TokenKind::Named => Some((Self::Named, ":name")),
            TokenKind::Question => Some((Self::Question, "?")),
            TokenKind::Dollar(_) => Some((Self::Dollar, "$1")),
            TokenKind::Ordinal(_) => Some((Self::Ordinal, "?1")),
            _ => None,
        }
    }

    /// Finds the one style of a text. PostgreSQL's `?` is an operator next to any other style.
    fn of_text(dialect: Dialect, tokens: &[Token<'_>]) -> Result<Self, BindError> {
        let mut found = None;
        for token in tokens {
            let Some((style, shown)) = Self::of(token.kind) else {
                continue;
            };
            match found {
                None => found = Some((style, shown)),
                Some((first, _)) if first == style => {}
                Some((Self::Question, _)) if dialect == Dialect::Postgres => found = Some((style, shown)),
                Some(_) if dialect == Dialect::Postgres && style == Self::Question => {}
                Some((_, first)) => {
                    return Err(BindError::new(
                        format!("the statement mixes two kinds of placeholders, {first} and {shown}"),
                        "use one kind for all of them; a colon that begins no parameter is written as \\:",
                    ));
                }
            }
        }
        Ok(found.map_or(Self::None, |(style, _)| style))
    }
}

/// The text with its placeholders removed.
struct Layout<'a> {
    text: String,
    holes: Vec<Placeholder>,
    names: Box<[Box<str>]>,
    parts: Vec<Word<'a>>,
}

impl<'a> Layout<'a> {
    fn of(style: Style, tokens: &[Token<'a>]) -> Self {
        let mut text = String::with_capacity(tokens.iter().map(|token| token.text.len()).sum());
        let mut holes: Vec<Placeholder> = Vec::new();
        let mut parts = Vec::with_capacity(tokens.len());
        let mut slots: HashMap<&str, usize> = HashMap::new();
        let mut names: Vec<Box<str>> = Vec::new();
        for token in tokens {
            let start = text.len();
            let slot = match token.kind {
                kind if Style::of(kind).is_none_or(|(found, _)| found != style) => None,
                TokenKind::Named => {
                    let name = &token.text[1..];
                    Some(*slots.entry(name).or_insert_with(|| {
                        names.push(name.into());
                        names.len() - 1
                    }))
                }
                TokenKind::Dollar(number) | TokenKind::Ordinal(number) => Some(number - 1),
                _ => Some(holes.len()),
            };
            match (slot, token.kind) {
                (Some(slot), _) => holes.push(Placeholder {
                    at: start,
                    slot,
                    list: None,
                    place: ListPlace::Value,
                }),
                (None, TokenKind::Escaped(sign)) => text.push(sign),
                (None, _) => text.push_str(token.text),
            }
            if !matches!(token.kind, TokenKind::Space | TokenKind::Comment) {
                let Token { kind, text: piece } = *token;
                parts.push(Word {
                    kind,
                    text: piece,
                    start,
                    end: text.len(),
                    hole: slot.is_some(),
                });
            }
        }
        Self {
            text,
            holes,
            names: names.into_boxed_slice(),
            parts,
        }
    }
}
