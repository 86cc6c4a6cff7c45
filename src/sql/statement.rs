//! An SQL text as it is sent to the server.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::control::{Defines, Facts};
use super::definition::ObjectName;
use super::transaction_control::Control;
use super::{Act, Effect, act};
use crate::value::Value;

/// A text with the backend's own placeholders. All calls that send the same text share it.
#[derive(Debug)]
pub(crate) struct Statement {
    text: Arc<str>,
    script: bool,
    /// Set once the server has refused to prepare it.
    refused: AtomicBool,
    starred: bool,
    control: Control,
    effect: Arc<Effect>,
    defines: Defines,
    acts: Arc<[Act]>,
    targets: OnceLock<Box<[Option<ObjectName>]>>,
    notes: OnceLock<Box<dyn Any + Send + Sync>>,
    /// The `BulkInsert`, if its values are one array for each column, and the number of the first row.
    bulk: Option<(Arc<dyn Any + Send + Sync>, usize)>,
}

impl Statement {
    pub(crate) fn new(text: &str, script: bool) -> Self {
        Self {
            text: Arc::from(text),
            script,
            refused: AtomicBool::new(false),
            starred: false,
            control: Control::None,
            effect: Arc::default(),
            defines: Defines::Nothing,
            acts: Arc::default(),
            targets: OnceLock::new(),
            notes: OnceLock::new(),
            bulk: None,
        }
    }

    /// Returns a statement with another text and the same effects.
    pub(super) fn rewritten(&self, text: &str) -> Self {
        Self {
            starred: self.starred,
            control: self.control,
            effect: Arc::clone(&self.effect),
            defines: self.defines,
            acts: Arc::clone(&self.acts),
            ..Self::new(text, self.script)
        }
    }

    pub(super) fn with_bulk(mut self, bulk: Arc<dyn Any + Send + Sync>, first: usize) -> Self {
        self.bulk = Some((bulk, first));
        self
    }

    /// Sets the known facts about the text.
    pub(super) fn with(mut self, facts: Facts, effect: &Arc<Effect>, acts: &Arc<[Act]>) -> Self {
        self.acts = Arc::clone(acts);
        self.control = facts.control;
        self.effect = Arc::clone(effect);
        self.starred = facts.starred;
        self.defines = facts.defines;
        self
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text for the driver; cloning it does not copy.
    pub(crate) fn sql(&self) -> SqlStr {
        // The caller of the public verbs asserted the safety of the text that this one is derived from.
        AssertSqlSafe(Arc::clone(&self.text)).into_sql_str()
    }

    /// Returns whether the text is sent unprepared: it holds several statements, or one that does not benefit from
    /// being prepared, or that the server does not prepare. It has no parameters then.
    pub(crate) fn is_script(&self) -> bool {
        self.script || self.refused.load(Ordering::Relaxed)
    }

    /// Notes that the server does not prepare the text, which has no parameters.
    pub(crate) fn note_unprepared(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Returns whether the columns of its result depend on a table (`SELECT *`).
    pub(crate) fn is_starred(&self) -> bool {
        self.starred
    }

    /// Returns whether it certainly only reads.
    pub(crate) fn reads(&self) -> bool {
        self.effect.reads
    }

    /// Returns what is done with its values, if they are one array for each column.
    pub(super) fn bulk(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.bulk.as_ref().map(|(bulk, _)| &**bulk)
    }

    /// Returns the number of its first row among all rows of the call, counted from 1.
    pub(crate) fn first_row(&self) -> usize {
        self.bulk.as_ref().map_or(1, |(_, first)| *first)
    }

    /// Returns whether it may begin or end a transaction.
    pub(crate) fn controls(&self) -> bool {
        self.control != Control::None
    }

    /// Returns its effect on the transaction.
    #[cfg_attr(
        not(any(feature = "jdbc", feature = "dbapi2", feature = "odbc")),
        allow(dead_code, reason = "the drivers of sqlx take such texts")
    )]
    pub(crate) fn control(&self) -> Control {
        self.control
    }

    /// Returns whether it writes nothing itself; the functions that it calls may.
    pub(crate) fn asks(&self) -> bool {
        self.effect.asks
    }

    /// Returns its effects besides the rows that it changes.
    pub(crate) fn effect(&self) -> &Effect {
        &self.effect
    }

    /// Returns which definitions of tables and views it changes.
    pub(crate) fn defines(&self) -> Defines {
        self.defines
    }

    /// Returns the effect of each of its statements on rows; empty where the driver knows it.
    pub(crate) fn acts(&self) -> &[Act] {
        &self.acts
    }

    /// Returns the table that one of its statements inserts into. The tables of all statements are determined once.
    pub(crate) fn target(&self, index: usize) -> Option<&ObjectName> {
        let targets = self.targets.get_or_init(|| act::targets(&self.text));
        targets.get(index)?.as_ref()
    }

    /// Returns the notes of the backend about this text. Only one backend ever uses them.
    pub(crate) fn notes(&self) -> &OnceLock<Box<dyn Any + Send + Sync>> {
        &self.notes
    }
}

/// A statement with its values, in the order of the backend's placeholders.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) statement: Arc<Statement>,
    pub(crate) values: Vec<Value>,
}
