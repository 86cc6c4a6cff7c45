//! Settings, temporary tables and cursors that a commit ends. A virtual commit only releases a savepoint, so it ends
//! them by statements of its own; so does a statement outside of transactions, which commits by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::backend::rules::AtCommitRules;
use crate::error::Result;
use crate::pool::Lease;
use crate::session::level::verdict::Sent;
use crate::session::level::{Level, LevelKind};
use crate::session::statement::internal::{ask, run};
use crate::session::statement::run::BoundStatement;
use crate::sql::Local;
use crate::value::{IntoParams, Value};

/// The settings, tables and cursors that the commit of a transaction will end.
#[derive(Default)]
pub(in crate::session) struct AtCommit {
    /// The settings, as they were before.
    settings: Vec<(String, Option<String>)>,
    /// Set if SET CONSTRAINTS was used.
    constraints_set: bool,
    /// The temporary tables that it drops.
    dropped: Vec<i64>,
    /// Set if a cursor was declared.
    cursors: bool,
    /// The tables that the statement under way creates, and the oid of a table that had the name before.
    creating: Vec<(Local, Option<i64>)>,
}

impl AtCommit {
    /// Returns the SQL that ends it all, in the order in which a commit does; `emptied` are the tables that each commit
    /// empties.
    fn sql(&self, rules: &AtCommitRules, emptied: &[i64]) -> String {
        let mut sql = String::new();
        if self.cursors {
            sql.push_str(rules.close_cursors);
        }
        if !emptied.is_empty() {
            sql.push_str(&(rules.empty_tables)(emptied));
        }
        if !self.dropped.is_empty() {
            sql.push_str(&(rules.drop_tables)(&self.dropped));
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
            Some(sandbox) => {
                sandbox
                    .constraints_set
                    .fetch_or(ending.constraints_set, Ordering::Relaxed);
                ending.sql(rules, &sandbox.emptied.lock())
            }
            None => ending.sql(rules, &[]),
        }
    }

    /// Defers the constraints that a statement has created, as they are defined. The server checks them as an earlier
    /// transaction in the sandbox has set all constraints.
    pub(in crate::session) async fn defer_created(
        self: &Arc<Self>,
        lease: &mut Lease,
        work: &BoundStatement,
    ) -> Result<()> {
        let (Some(rules), Some(outermost)) = (&self.engine.transactions.at_commit, self.committing()) else {
            return Ok(());
        };
        if outermost.state.lock().at_commit.constraints_set {
            // Its own setting holds for them, too.
            return Ok(());
        }
        let deferred = run(lease, rules.deferred_constraints).await;
        self.heeded(lease, deferred, Sent::Statement(work)).await
    }

    /// Returns whether a statement may create constraints that [`defer_created`](Self::defer_created) has to defer.
    pub(in crate::session) fn creates_constraints(&self, work: &BoundStatement) -> bool {
        let effect = work.template.effect();
        effect.deferrable
            && !effect.local.contains(&Local::Constraints)
            && self
                .engine
                .sandbox
                .as_ref()
                .is_some_and(|sandbox| sandbox.constraints_set.load(Ordering::Relaxed))
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
        let Some(outermost) = self.committing() else {
            return Ok(());
        };
        for local in &work.template.effect().local {
            if let Local::Dropped(table) | Local::Emptied(table) = local {
                let before = self.local_table(lease, rules, table).await?;
                outermost.state.lock().at_commit.creating.push((local.clone(), before));
                continue;
            }
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
                    Local::Cursor => {
                        at_commit.cursors = true;
                        continue;
                    }
                    Local::Dropped(_) | Local::Emptied(_) => continue,
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

    /// Returns whether a statement creates temporary tables that a commit ends.
    pub(in crate::session) fn creates_local_tables(&self, work: &BoundStatement) -> bool {
        self.engine.sandbox.is_some() && work.template.effect().local.iter().any(Local::is_table)
    }

    /// Notes the temporary tables that a statement has created, after it. They are known by their oids: the name may
    /// have belonged to another table before, and may again, if this one is rolled back or dropped.
    pub(in crate::session) async fn note_created(self: &Arc<Self>, lease: &mut Lease, failed: bool) -> Result<()> {
        let Some(rules) = &self.engine.transactions.at_commit else {
            return Ok(());
        };
        let Some(outermost) = self.committing() else {
            return Ok(());
        };
        let creating = std::mem::take(&mut outermost.state.lock().at_commit.creating);
        for (local, before) in creating.into_iter().filter(|_| !failed) {
            let (Local::Dropped(table) | Local::Emptied(table)) = &local else {
                continue;
            };
            let now = self.local_table(lease, rules, table).await?;
            let Some(created) = now.filter(|_| now != before) else {
                continue;
            };
            match (&local, self.sandbox()) {
                (Local::Emptied(_), Some(sandbox)) => sandbox.emptied.lock().push(created),
                _ => outermost.state.lock().at_commit.dropped.push(created),
            }
        }
        Ok(())
    }

    /// Returns the oid of the temporary table with this name.
    async fn local_table(&self, lease: &mut Lease, rules: &AtCommitRules, name: &str) -> Result<Option<i64>> {
        let rows = ask(lease, &self.engine.templates, rules.table, (name,).into_params()?).await?;
        rows.first().map_or(Ok(None), |row| row.get(0))
    }

    /// Returns the level whose virtual commit ends what is created here; outside of a transaction, the sandbox, where
    /// each statement commits.
    fn committing(self: &Arc<Self>) -> Option<Arc<Self>> {
        let mut level = Arc::clone(self);
        while !level.is_virtual() && level.kind != LevelKind::Sandbox {
            level = level.below()?;
        }
        Some(level)
    }
}
