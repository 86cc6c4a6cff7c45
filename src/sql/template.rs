//! A text read once: where its parameters stand, and what it does.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::batch::row_of_values;
use super::control::{self, Control, Facts, Part, Verb};
use super::effect::Effect;
use super::fault::{Fault, names};
use super::lexer::{Kind, Lexer, Token, is_name};
use super::list::{self, ListContext};
use super::order::Order;
use super::{Act, Bound, Dialect, Statement, Summary, sanitized, shown};
use crate::error::{Error, ErrorKind, Result};

/// How a text writes its placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// It has none.
    None,
    /// `:name`
    Named,
    /// `?`, by position.
    Question,
    /// `$1`
    Dollar,
    /// `?1`
    Ordinal,
}

impl Style {
    fn of(kind: Kind) -> Option<(Self, &'static str)> {
        match kind {
            Kind::Named => Some((Self::Named, ":name")),
            Kind::Question => Some((Self::Question, "?")),
            Kind::Dollar(_) => Some((Self::Dollar, "$1")),
            Kind::Ordinal(_) => Some((Self::Ordinal, "?1")),
            _ => None,
        }
    }

    /// Finds the one style of a text. PostgreSQL's `?` is an operator beside any other style.
    fn of_text(dialect: Dialect, tokens: &[Token<'_>]) -> Result<Self, Fault> {
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
                    return Err(Fault::new(
                        format!("the statement mixes two sorts of placeholders, {first} and {shown}"),
                        "write all of them in one way; a colon that begins no parameter is written as \\:",
                    ));
                }
            }
        }
        Ok(found.map_or(Self::None, |(style, _)| style))
    }
}

/// A place where a placeholder stands.
#[derive(Clone, Debug)]
pub(super) struct Hole {
    /// Where in the text.
    pub(super) at: usize,
    /// Which value belongs there, counted from 0.
    pub(super) slot: usize,
    /// Set when it stands alone in the parentheses of `IN (…)`.
    pub(super) list: Option<ListContext>,
}

/// A text read once, good for any number of calls.
#[derive(Debug)]
pub(crate) struct Template {
    pub(super) dialect: Dialect,
    pub(super) style: Style,
    /// The text without its placeholders.
    pub(super) text: Box<str>,
    pub(super) holes: Box<[Hole]>,
    /// The names of the slots, where they have names.
    pub(super) names: Box<[Box<str>]>,
    /// How many values a call has to give.
    pub(super) slots: usize,
    /// How often the text uses each slot.
    pub(super) uses: Box<[usize]>,
    /// Whether it uses each once, in their order.
    pub(super) in_line: bool,
    /// The order in which the values are bound, with one for each slot.
    pub(super) order: Order,
    /// The slots by their names, where values come in another order than the text's; made when they first do.
    pub(super) by_name: OnceLock<HashMap<Box<str>, usize, RandomState>>,
    /// A slot that no placeholder uses (`$1` and `$3` without `$2`).
    pub(super) gap: Option<usize>,
    /// The text as it is sent when no parameters are given, if that can be.
    pub(super) plain: Option<Arc<Statement>>,
    /// The text as it is sent with one value for each slot.
    pub(super) single: Arc<Statement>,
    /// The texts for lists, by their widths.
    pub(super) expanded: RwLock<HashMap<Box<[u32]>, Arc<Statement>>>,
    /// The parentheses behind `VALUES`, where several rows can stand in place of one.
    pub(super) row: Option<Range<usize>>,
    /// The texts for several rows, by their number.
    pub(super) rows: RwLock<Vec<(usize, Arc<Statement>)>>,
    facts: Facts,
    acts: Arc<[Act]>,
    effect: Effect,
    /// What is told of it to those who watch; made when somebody does.
    summary: OnceLock<Summary>,
    sanitized: OnceLock<String>,
}

impl Template {
    /// Reads a text. Fails only on a NUL, and on placeholders that contradict each other or are too many.
    pub(crate) fn parse(dialect: Dialect, sql: &str) -> Result<Self> {
        Self::read(dialect, sql, Style::of_text)
    }

    /// Reads a text whose placeholders are someone else's business; of interest is what it does.
    pub(super) fn without_placeholders(dialect: Dialect, sql: &str) -> Result<Self> {
        Self::read(dialect, sql, |_, _| Ok(Style::None))
    }

    /// Stands for work of which only so much is known.
    pub(crate) fn standing_for(dialect: Dialect, what: &'static str, effect: Effect) -> Result<Self> {
        let template = Self::without_placeholders(dialect, what)?;
        Ok(Self { effect, ..template })
    }

    fn read(dialect: Dialect, sql: &str, style: fn(Dialect, &[Token<'_>]) -> Result<Style, Fault>) -> Result<Self> {
        if sql.contains('\0') {
            // In the protocols it ends the text, and what follows would be taken for something else.
            return Err(Error::new(
                ErrorKind::Syntax,
                "the statement holds a NUL character, at which it would be cut off",
            )
            .help("bind the text that holds it as a parameter"));
        }
        let tokens: Vec<_> = Lexer::new(dialect, sql).collect();
        let style = style(dialect, &tokens)?;
        let Layout {
            text,
            mut holes,
            names,
            parts,
        } = Layout::of(style, &tokens);
        if dialect == Dialect::Postgres && control::converses(&parts) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "COPY between the server and the client is a conversation and no statement, so it was not sent",
            )
            .help(
                "use `execute_many` to write many rows, or `copy_in_raw` and `copy_out_raw` of sqlx inside `with_sqlx`",
            ));
        }
        if dialect == Dialect::Postgres && control::listens(&parts) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "LISTEN makes the connection receive notifications, and on one of the pool nobody can read them, so it was not sent",
            )
            .help("use a `sqlx::postgres::PgListener`, which has a connection of its own; `NOTIFY` and `pg_notify` work anywhere"));
        }
        let facts = Facts::of(dialect, &parts);
        let acts = match dialect {
            Dialect::Sqlite => Act::of_all(&parts),
            Dialect::Postgres | Dialect::MySql => Vec::new(),
        };
        let effect = Effect::of(dialect, control::statements(&parts), |hole| holes[hole].slot);
        let mut index = 0;
        for (place, part) in parts.iter().enumerate() {
            if part.hole {
                holes[index].list = list::context(&parts, place);
                index += 1;
            }
        }
        let row = (facts.statements == 1)
            .then(|| row_of_values(dialect, facts.verb, &parts))
            .flatten();
        drop(parts);
        let slots = holes.iter().map(|hole| hole.slot + 1).max().unwrap_or(0);
        let mut uses = vec![0; slots];
        for hole in &holes {
            uses[hole.slot] += 1;
        }
        let mut template = Self {
            dialect,
            style,
            text: text.into_boxed_str(),
            gap: uses.iter().position(|uses| *uses == 0),
            in_line: holes.len() == slots && holes.iter().enumerate().all(|(at, hole)| hole.slot == at),
            uses: uses.into_boxed_slice(),
            order: Order::default(),
            by_name: OnceLock::new(),
            holes: holes.into_boxed_slice(),
            names,
            slots,
            plain: None,
            single: Arc::new(Statement::new("", true)),
            expanded: RwLock::default(),
            row,
            rows: RwLock::default(),
            facts,
            acts: acts.into(),
            effect,
            summary: OnceLock::new(),
            sanitized: OnceLock::new(),
        };
        template.order = template.order(None);
        template.check_size(template.order.total)?;
        template.write_statements(sql);
        Ok(template)
    }

    fn write_statements(&mut self, sql: &str) {
        let script = self.facts.statements != 1 || !self.facts.verb.is_prepared();
        // `?` may be an operator, and `$1` may belong to the body of a PREPARE or CREATE FUNCTION.
        let literal = match self.style {
            Style::None => true,
            Style::Question => self.dialect == Dialect::Postgres,
            Style::Dollar => self.dialect == Dialect::Postgres && script,
            Style::Named | Style::Ordinal => false,
        };
        if self.style == Style::None && sql == &*self.text {
            self.single = self.write(sql, script);
            self.plain = Some(Arc::clone(&self.single));
            return;
        }
        if literal {
            let mut text = String::with_capacity(sql.len());
            let end = self.fill(&mut text, 0, &self.holes, |text, hole| match self.style {
                Style::Dollar => numbered(text, hole.slot + 1),
                _ => text.push('?'),
            });
            text.push_str(&self.text[end..]);
            self.plain = Some(self.write(&text, script));
        }
        self.single = match &self.plain {
            Some(plain) if self.style == Style::None => Arc::clone(plain),
            _ => self.write(&self.render(&self.order, None), false),
        };
    }

    /// One of the texts that it is sent as.
    pub(super) fn write(&self, text: &str, script: bool) -> Arc<Statement> {
        Arc::new(Statement::new(text, script).with(self.facts, self.effect.reads, &self.acts))
    }

    /// Copies the text from `from` on up to the last of `holes`, with `write` called at each. Returns where the rest
    /// begins.
    pub(super) fn fill(
        &self,
        out: &mut String,
        mut from: usize,
        holes: &[Hole],
        mut write: impl FnMut(&mut String, &Hole),
    ) -> usize {
        // `LIKE?` must not become `LIKE$1`, which is a name; SQLite also takes `$1(…)` and `$1::` for one.
        let sqlite = self.dialect == Dialect::Sqlite;
        let apart = sqlite || (self.dialect == Dialect::Postgres && self.style == Style::Question);
        for hole in holes {
            out.push_str(&self.text[from..hole.at]);
            if apart && out.bytes().next_back().is_some_and(is_name) {
                out.push(' ');
            }
            write(out, hole);
            let next = self.text.as_bytes().get(hole.at).copied();
            let joins = sqlite && out.ends_with(|last: char| last.is_ascii_digit());
            if apart && next.is_some_and(|next| is_name(next) || (joins && matches!(next, b'(' | b':'))) {
                out.push(' ');
            }
            from = hole.at;
        }
        from
    }

    /// Writes the text with placeholders: one for each slot, or as many as `widths` says.
    pub(super) fn render(&self, order: &Order, widths: Option<&[u32]>) -> String {
        let mut out = String::with_capacity(self.text.len() + 4 * order.total);
        let end = match widths {
            None => self.fill(&mut out, 0, &self.holes, |out, hole| order.write(out, hole.slot, 0)),
            Some(widths) => list::render(self, &mut out, order, widths),
        };
        out.push_str(&self.text[end..]);
        out
    }

    /// How many values a row binds where several are in one statement.
    pub(super) fn row_width(&self) -> usize {
        if self.dialect == Dialect::Postgres {
            self.slots
        } else {
            self.holes.len()
        }
    }

    pub(super) fn check_size(&self, values: usize) -> Result<(), Fault> {
        let most = self.dialect.max_parameters();
        if values <= most {
            return Ok(());
        }
        let help = match self.dialect {
            Dialect::Postgres => "pass the list as one `Array` and compare with `= ANY(:name)`, or split it",
            Dialect::MySql | Dialect::Sqlite => "split the list, or put it into a temporary table and join that",
        };
        let message = format!(
            "the statement would bind {values} values, and {} takes {most} at most",
            self.dialect
        );
        Err(Fault::new(message, help))
    }

    /// The text for those who only want to show it.
    pub(crate) fn statement(&self) -> &Arc<Statement> {
        self.plain.as_ref().unwrap_or(&self.single)
    }

    /// What the text does, in few words.
    pub(crate) fn summary(&self) -> &Summary {
        self.summary
            .get_or_init(|| Summary::of(self.dialect, self.statement().text()))
    }

    /// The text for those who must not see values: with one placeholder for each, however many rows or members of a list
    /// there are. A text that came without values may bring them in itself, so its literals are left out.
    pub(crate) fn without_values(&self, bound: &Bound) -> &str {
        if bound.values.is_empty() {
            self.sanitized
                .get_or_init(|| sanitized(self.dialect, bound.statement.text()))
        } else {
            shown(self.single.text().trim())
        }
    }

    /// How many rows of parameters are in one statement, if there are several.
    pub(crate) fn batch_size(&self, bound: &Bound) -> Option<usize> {
        let several = self.row.is_some() && !bound.values.is_empty() && !Arc::ptr_eq(&bound.statement, &self.single);
        several.then(|| bound.values.len() / self.row_width().max(1))
    }

    /// What the text does to the transaction. Of a script, the strongest.
    pub(crate) fn control(&self) -> Control {
        self.facts.control
    }

    /// What the text does besides the rows it changes.
    pub(crate) fn effect(&self) -> &Effect {
        &self.effect
    }

    /// Whether a copy of the database can answer it: it asks for rows and leaves no trace. `trusting` believes that of
    /// functions, too, of which nothing is known here.
    pub(crate) fn fits_replica(&self, trusting: bool) -> bool {
        let effect = &self.effect;
        self.facts.statements == 1
            && matches!(self.facts.verb, Verb::Select | Verb::Values | Verb::Table)
            && (effect.reads || (trusting && effect.asks))
            && !effect.locks
            && !effect.soils
    }

    /// How many statements the text holds.
    pub(crate) fn statements(&self) -> usize {
        self.facts.statements
    }

    /// Whether the driver's count of rows means something: SQLite repeats the last one for statements that write
    /// nothing, and PostgreSQL counts rows that were only read.
    pub(crate) fn counts_rows(&self) -> bool {
        if self.dialect == Dialect::Sqlite {
            return self.acts.iter().any(|act| *act != Act::Nothing);
        }
        matches!(
            self.facts.verb,
            Verb::Insert | Verb::Replace | Verb::Update | Verb::Delete | Verb::Merge | Verb::Call | Verb::Other
        )
    }

    /// True for a single statement that reads or changes rows, and does nothing to transactions and definitions.
    pub(crate) fn is_plain(&self) -> bool {
        let rows = matches!(
            self.facts.verb,
            Verb::Select | Verb::Insert | Verb::Replace | Verb::Update | Verb::Delete
        );
        rows && self.facts.statements == 1 && self.facts.control == Control::None
    }

    /// The verb of the first statement.
    #[cfg(test)]
    pub(crate) fn verb(&self) -> Verb {
        self.facts.verb
    }

    /// Whether a statement that writes gives back rows.
    #[cfg(test)]
    pub(crate) fn has_returning(&self) -> bool {
        self.facts.returning
    }

    /// The names of the placeholders, for messages.
    pub(super) fn shown_names(&self) -> String {
        names(":", self.names.iter().map(|name| &**name))
    }
}

/// Writes the placeholder of a number, counted from 1, as PostgreSQL has it.
pub(super) fn numbered(out: &mut String, number: usize) {
    out.push('$');
    out.push_str(&number.to_string());
}

/// The text with its placeholders taken out.
struct Layout<'a> {
    text: String,
    holes: Vec<Hole>,
    names: Box<[Box<str>]>,
    parts: Vec<Part<'a>>,
}

impl<'a> Layout<'a> {
    fn of(style: Style, tokens: &[Token<'a>]) -> Self {
        let mut text = String::with_capacity(tokens.iter().map(|token| token.text.len()).sum());
        let mut holes: Vec<Hole> = Vec::new();
        let mut parts = Vec::with_capacity(tokens.len());
        let mut slots: HashMap<&str, usize> = HashMap::new();
        let mut names: Vec<Box<str>> = Vec::new();
        for token in tokens {
            let start = text.len();
            let slot = match token.kind {
                kind if Style::of(kind).is_none_or(|(found, _)| found != style) => None,
                Kind::Named => {
                    let name = &token.text[1..];
                    Some(*slots.entry(name).or_insert_with(|| {
                        names.push(name.into());
                        names.len() - 1
                    }))
                }
                Kind::Dollar(number) | Kind::Ordinal(number) => Some(number - 1),
                _ => Some(holes.len()),
            };
            match (slot, token.kind) {
                (Some(slot), _) => holes.push(Hole {
                    at: start,
                    slot,
                    list: None,
                }),
                (None, Kind::Escaped(sign)) => text.push(sign),
                (None, _) => text.push_str(token.text),
            }
            if !matches!(token.kind, Kind::Space | Kind::Comment) {
                let Token { kind, text: piece } = *token;
                parts.push(Part {
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
