//! One step on the way to tables, or back.

use std::sync::Arc;

use super::migrations::Migrations;
use crate::sql::ObjectName;

/// What a step does.
#[derive(Debug)]
pub(super) enum Act {
    Send(String),
    Migrate(Arc<dyn Migrations>),
    Undo(Arc<dyn Migrations>),
    /// What the migrations made was dropped in another way.
    Forget(Arc<dyn Migrations>),
}

impl Act {
    /// What is sent, if nothing was done before.
    pub(super) fn statements(self) -> Vec<String> {
        match self {
            Self::Send(sql) => vec![sql],
            Self::Migrate(migrations) => migrations.all().into_iter().map(|one| one.sql).collect(),
            Self::Undo(_) | Self::Forget(_) => Vec::new(),
        }
    }
}

/// Something to be done.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) act: Act,
    pub(super) app: String,
    /// What it makes or drops, for messages.
    pub(super) object: String,
    /// That the object is there already may only be seen by the server's error.
    pub(super) may_be_present: bool,
    /// It belongs to the making of this table.
    pub(super) of: Option<ObjectName>,
}
