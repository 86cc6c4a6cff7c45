//! One step of creating or dropping tables.

use std::sync::Arc;

use super::migrations::SchemaMigrations;
use crate::sql::ObjectName;

/// The action of a step.
#[derive(Debug)]
pub(super) enum StepAction {
    Send(String),
    Migrate(Arc<dyn SchemaMigrations>),
    Undo(Arc<dyn SchemaMigrations>),
    /// Forget the migrations, whose objects were dropped in another way.
    Forget(Arc<dyn SchemaMigrations>),
}

impl StepAction {
    /// Returns the statements to send, if nothing was done before.
    pub(super) fn statements(self) -> Vec<String> {
        match self {
            Self::Send(sql) => vec![sql],
            Self::Migrate(migrations) => migrations.all().into_iter().map(|one| one.sql).collect(),
            Self::Undo(_) | Self::Forget(_) => Vec::new(),
        }
    }
}

/// One step of a plan.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) act: StepAction,
    pub(super) app: String,
    /// Name of the created or dropped object, for messages.
    pub(super) object: String,
    /// `true` if only the server's error may show that the object exists.
    pub(super) may_be_present: bool,
    /// Table of whose creation it is a part, or which it creates; the step is left out if the table is there.
    pub(super) of: Option<ObjectName>,
}
