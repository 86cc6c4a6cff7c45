//! A text as it is sent to the server.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::control::{Defines, Facts};
use super::definition::ObjectName;
use super::{Act, act};
use crate::value::Value;

/// A text with the backend's own placeholders. It is shared by all calls that send the same text.
#[derive(Debug)]
pub(crate) struct Statement {
    text: Arc<str>,
    script: bool,
    starred: bool,
    reads: bool,
    defines: Defines,
    acts: Arc<[Act]>,
    targets: OnceLock<Box<[Option<ObjectName>]>>,
    notes: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Statement {
    pub(crate) fn new(text: &str, script: bool) -> Self {
        Self {
            text: Arc::from(text),
            script,
            starred: false,
            reads: false,
            defines: Defines::Nothing,
            acts: Arc::default(),
            targets: OnceLock::new(),
            notes: OnceLock::new(),
        }
    }

    /// Says what is known of the text.
    pub(super) fn with(mut self, facts: Facts, reads: bool, acts: &Arc<[Act]>) -> Self {
        self.acts = Arc::clone(acts);
        self.reads = reads;
        self.starred = facts.starred;
        self.defines = facts.defines;
        self
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text for the driver; cloning it does not copy.
    pub(crate) fn sql(&self) -> SqlStr {
        // The safety was asserted by the caller of the public verbs, who gave the text this one stems from.
        AssertSqlSafe(Arc::clone(&self.text)).into_sql_str()
    }

    /// Whether the text is to be sent unprepared: it holds several statements, or one that gains nothing
    /// from being prepared. It has no parameters then.
    pub(crate) fn is_script(&self) -> bool {
        self.script
    }

    /// Whether its result has the columns that a table happens to have (`SELECT *`).
    pub(crate) fn is_starred(&self) -> bool {
        self.starred
    }

    /// Whether it reads and certainly does nothing else.
    pub(crate) fn reads(&self) -> bool {
        self.reads
    }

    /// Whether it changes what tables and views look like.
    pub(crate) fn defines(&self) -> Defines {
        self.defines
    }

    /// What each of its statements does to rows; nothing is said of it where the driver knows.
    pub(crate) fn acts(&self) -> &[Act] {
        &self.acts
    }

    /// The table that one of its statements inserts into. Looked for once for all of them.
    pub(crate) fn target(&self, index: usize) -> Option<&ObjectName> {
        let targets = self.targets.get_or_init(|| act::targets(&self.text));
        targets.get(index)?.as_ref()
    }

    /// What a backend remembers of this text. Only one backend ever sees it.
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
