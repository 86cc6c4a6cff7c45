//! What a commit ends: settings, temporary tables and cursors. A virtual commit only releases a savepoint,
//! so it ends them by statements of its own; so does a statement outside of transactions, which commits by itself.

use std::sync::Arc;

use crate::backend::rules::AtCommitRules;
use crate::error::Result;
use crate::pool::Lease;
use crate::session::level::{Level, LevelKind};
use crate::session::statement::internal::ask;
use crate::session::statement::run::BoundStatement;
use crate::sql::Local;
use crate::value::{IntoParams, Value};

/// What the commit of a transaction will end.
#[derive(Default)]
pub(in crate::session) struct AtCommit {
    /// The settings, as they were before.
    settings: Vec<(String, Option<String>)>,
    /// Set if SET CONSTRAINTS was used.
    constraints_set: bool,
    /// The temporary tables that it drops.
    dropped: Vec<Box<str>>,
    /// Set if a cursor was declared.
    cursors: bool,
}

impl AtCommit {
    /// Returns the SQL that ends it all, in the order in which a commit does; `emptied` are the tables that each commit
    /// empties.
    fn sql(&self, rules: &AtCommitRules, emptied: &[Box<str>]) -> String {
        let mut sql = String::new();
        if self.cursors {
            sql.push_str(rules.close_cursors);
        }
        for table in emptied {
            sql.push_str(&(rules.empty_table)(table));
        }
        for table in &self.dropped {
            sql.push_str(&(rules.drop_table)(table));
        }
        if self.constraints_set {
            sql.push_str(rules.usual_constraints);
        }
        for (name, before) in &self.settings {
            sql.push_str(&(rules.set)(name, before.as_deref().unwrap_or_default()));
        }
        sql
    }
}

impl Level {
    /// Returns the SQL that ends what the commit of this level ends, and forgets it.
    pub(in crate::session) fn ends_at_commit(&self) -> String {
        let ending = std::mem::take(&mut self.state.lock().at_commit);
        let Some(rules) = &self.engine.transactions.at_commit else {
            return String::new();
        };
        match self.sandbox() {
            Some(sandbox) => ending.sql(rules, &sandbox.emptied.lock()),
            None => ending.sql(rules, &[]),
        }
    }

    /// Notes what a statement creates or changes until the transaction ends; outside of a transaction, until the
    /// statement ends.
    pub(in crate::session) async fn note_local(
        self: &Arc<Self>,
        lease: &mut Lease,
        work: &BoundStatement,
    ) -> Result<()> {
        let Some(rules) = &self.engine.transactions.at_commit else {
            return Ok(());
        };
        let mut outermost = Arc::clone(self);
        while !outermost.is_virtual() && outermost.kind != LevelKind::Sandbox {
            let Some(below) = outermost.below() else { return Ok(()) };
            outermost = below;
        }
        for local in &work.template.effect().local {
            let setting = {
                let at_commit = &mut outermost.state.lock().at_commit;
                match local {
                    Local::Named(name) => name.to_string(),
                    Local::Slot(slot) => match work.bound.values.get(*slot) {
                        Some(Value::Text(name)) => name.clone(),
                        _ => continue,
                    },
                    Local::Constraints => {
                        at_commit.constraints_set = true;
                        continue;
                    }
                    Local::Dropped(table) => {
                        at_commit.dropped.push(table.clone());
                        continue;
                    }
                    Local::Cursor => {
                        at_commit.cursors = true;
                        continue;
                    }
                    Local::Emptied(table) => {
                        if let Some(sandbox) = self.sandbox() {
                            sandbox.emptied.lock().push(table.clone());
                        }
                        continue;
                    }
                }
            };
            let known = |level: &Level| {
                let at_commit = &level.state.lock().at_commit;
                at_commit.settings.iter().any(|(known, _)| *known == setting)
            };
            if known(&outermost) {
                continue;
            }
            let params = (setting.as_str(),).into_params()?;
            let rows = ask(lease, &self.engine.templates, rules.setting, params).await?;
            let before = rows.first().map_or(Ok(None), |row| row.get(0))?;
            outermost.state.lock().at_commit.settings.push((setting, before));
        }
        Ok(())
    }
}
