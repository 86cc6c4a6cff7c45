//! A parsed SQL text: the places of its parameters, and its effects.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::bind_error::{BindError, names};
use super::bind_order::BindOrder;
use super::bulk_insert::BulkInsert;
use super::control::{Facts, Verb};
use super::effect::Effect;
use super::list::{ListContext, ListPlace};
use super::transaction_control::Control;
use super::{Act, Bound, Dialect, SqlMode, Statement, Summary, sanitized, shown};
use crate::error::Result;

/// The style of the placeholders in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// The text has no placeholders.
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

/// A place of a placeholder.
#[derive(Clone, Debug)]
pub(super) struct Placeholder {
    /// The position in the text.
    pub(super) at: usize,
    /// The index of the value that belongs there, counted from 0.
    pub(super) slot: usize,
    /// Set when it is alone in the parentheses of `IN (…)`.
    pub(super) list: Option<ListContext>,
    /// What a list is there.
    pub(super) place: ListPlace,
}

/// A parsed text, reusable for any number of calls.
#[derive(Debug)]
pub(crate) struct Template {
    pub(super) dialect: Dialect,
    pub(super) mode: SqlMode,
    pub(super) style: Style,
    /// The text without its placeholders.
    pub(super) text: Box<str>,
    pub(super) holes: Box<[Placeholder]>,
    /// The names of the slots, if they have names.
    pub(super) names: Box<[Box<str>]>,
    /// Number of values that a call has to give.
    pub(super) slots: usize,
    /// Number of uses of each slot in the text.
    pub(super) uses: Box<[usize]>,
    /// Set if the text uses each slot once, in order.
    pub(super) in_line: bool,
    /// The order in which the values are bound, with one for each slot.
    pub(super) order: BindOrder,
    /// The slots by their names, for values in another order than the text's; created when they are first needed.
    pub(super) by_name: OnceLock<HashMap<Box<str>, usize, RandomState>>,
    /// A slot that no placeholder uses (`$1` and `$3` without `$2`).
    pub(super) gap: Option<usize>,
    /// The text as it is sent without parameters, if that is possible.
    pub(super) plain: Option<Arc<Statement>>,
    /// The text as it is sent with one value for each slot.
    pub(super) single: Arc<Statement>,
    /// The texts for lists, by their widths.
    pub(super) expanded: RwLock<HashMap<Box<[u32]>, Arc<Statement>>>,
    /// The text for several rows, if they can replace the one row of `VALUES`.
    pub(super) bulk: Option<Arc<BulkInsert>>,
    pub(super) facts: Facts,
    pub(super) acts: Arc<[Act]>,
    pub(super) effect: Arc<Effect>,
    /// The summary for observers; created when it is first needed.
    pub(super) summary: OnceLock<Summary>,
    pub(super) sanitized: OnceLock<String>,
}

impl Template {
    /// Creates one of the statements as which the text is sent.
    pub(super) fn write(&self, text: &str, script: bool) -> Arc<Statement> {
        Arc::new(Statement::new(text, script).with(self.facts, &self.effect, &self.acts))
    }

    /// Returns the number of values that a row binds if several rows are in one statement.
    fn row_width(&self) -> usize {
        if self.dialect.numbers_placeholders() {
            self.slots
        } else {
            self.holes.len()
        }
    }

    /// Returns the maximum number of parameters of one statement.
    pub(super) fn max_parameters(&self) -> usize {
        let most = self.dialect.max_parameters();
        self.mode.most.map_or(most, |driver| most.min(driver.into()))
    }

    pub(super) fn check_size(&self, values: usize) -> Result<(), BindError> {
        let most = self.max_parameters();
        if values <= most {
            return Ok(());
        }
        let help = match self.dialect {
            Dialect::Postgres => "pass the list as one `Array` and compare with `= ANY(:name)`, or split it",
            Dialect::MySql | Dialect::Sqlite | Dialect::SqlServer | Dialect::Generic => {
                "split the list, or put it into a temporary table and join the table"
            }
        };
        let who = match self.mode.most {
            Some(_) => "its driver".to_owned(),
            None => self.dialect.to_string(),
        };
        let message = format!("the statement would bind {values} values, and {who} allows {most} at most");
        Err(BindError::new(message, help))
    }

    /// Returns the number of values that a call has to give.
    pub(crate) fn parameters(&self) -> usize {
        self.slots
    }

    /// Returns the text for display only.
    pub(crate) fn statement(&self) -> &Arc<Statement> {
        self.plain.as_ref().unwrap_or(&self.single)
    }

    /// Returns a summary of the text in few words.
    pub(crate) fn summary(&self) -> &Summary {
        self.summary
            .get_or_init(|| Summary::of(self.dialect, self.mode, self.statement().text()))
    }

    /// Returns the text for display without values: with one placeholder for each, regardless of the number of rows or
    /// list members. A text that came without values may contain them itself, so its literals are removed.
    pub(crate) fn without_values(&self, bound: &Bound) -> &str {
        if bound.values.is_empty() {
            self.sanitized
                .get_or_init(|| sanitized(self.dialect, self.mode, bound.statement.text()))
        } else {
            shown(self.single.text().trim())
        }
    }

    /// Returns the number of rows of parameters in one statement, if there are several.
    pub(crate) fn batch_size(&self, bound: &Bound) -> Option<usize> {
        if let Some(rows) = bound.rows_of_arrays() {
            return Some(rows);
        }
        let several = self.bulk.is_some() && !bound.values.is_empty() && !Arc::ptr_eq(&bound.statement, &self.single);
        several.then(|| bound.values.len() / self.row_width().max(1))
    }

    /// Returns the effect of the text on the transaction; for a script, the strongest one.
    pub(crate) fn control(&self) -> Control {
        self.facts.control
    }

    /// Returns whether a transaction is open on its connection after the text, if one statement of it alone determines
    /// that.
    pub(crate) fn leaves_open(&self) -> Option<bool> {
        if self.facts.statements != 1 || self.facts.chains {
            return None;
        }
        match self.facts.control {
            Control::Begin => Some(true),
            Control::Implicit | Control::Rollback | Control::Commit => Some(false),
            Control::None | Control::Release | Control::Savepoint => None,
        }
    }

    /// Returns the effects of the text besides the rows that it changes.
    pub(crate) fn effect(&self) -> &Effect {
        &self.effect
    }

    /// Returns whether a replica can answer it: it only requests rows and has no other effect. With `trusting`, this is
    /// also assumed of functions about which nothing is known here.
    pub(crate) fn fits_replica(&self, trusting: bool) -> bool {
        let effect = &self.effect;
        self.facts.statements == 1
            && matches!(self.facts.verb, Verb::Select | Verb::Values | Verb::Table)
            && (effect.reads || (trusting && effect.asks))
            && !effect.locks
            && !effect.taints_session
    }

    /// Returns the number of statements in the text.
    pub(crate) fn statements(&self) -> usize {
        self.facts.statements
    }

    /// Returns whether the driver's count of rows is meaningful. SQLite repeats the last count for statements that
    /// write nothing, and PostgreSQL counts rows that were only read.
    pub(crate) fn counts_rows(&self) -> bool {
        if self.dialect == Dialect::Sqlite {
            return self.acts.iter().any(|act| *act != Act::Nothing);
        }
        matches!(
            self.facts.verb,
            Verb::Insert | Verb::Replace | Verb::Update | Verb::Delete | Verb::Merge | Verb::Call | Verb::Other
        )
    }

    /// Returns `true` for a single statement that reads or changes rows, and does not affect transactions and
    /// definitions.
    pub(crate) fn is_plain(&self) -> bool {
        let rows = matches!(
            self.facts.verb,
            Verb::Select | Verb::Insert | Verb::Replace | Verb::Update | Verb::Delete
        );
        rows && self.facts.statements == 1 && self.facts.control == Control::None
    }

    /// Returns the verb of the first statement.
    #[cfg(test)]
    pub(crate) fn verb(&self) -> Verb {
        self.facts.verb
    }

    /// Returns whether a statement that writes returns rows.
    #[cfg(test)]
    pub(crate) fn has_returning(&self) -> bool {
        self.facts.returning
    }

    /// Returns the names of the placeholders, for messages.
    pub(super) fn shown_names(&self) -> String {
        names(":", self.names.iter().map(|name| &**name))
    }
}
