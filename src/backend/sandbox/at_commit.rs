//! Settings, temporary tables and cursors that a commit ends. A virtual commit only releases a savepoint, so it ends
//! them by statements of its own; so does a statement outside of transactions, which commits by itself.

use super::SandboxedConnection;
use crate::backend::rules::AtCommitRules;
use crate::error::Result;
use crate::sql::{Effect, Local};
use crate::value::{IntoParams, Value};

/// The settings, tables and cursors that the commit of a transaction will end.
#[derive(Default)]
pub(super) struct AtCommit {
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

impl SandboxedConnection {
    /// Returns the SQL that ends what a commit ends now, and forgets it.
    pub(super) fn ends_at_commit(&mut self) -> String {
        let ending = std::mem::take(&mut self.at_commit);
        match &self.rules().at_commit {
            Some(rules) => {
                self.constraints_set |= ending.constraints_set;
                ending.sql(rules, &self.emptied)
            }
            None => String::new(),
        }
    }

    /// Defers the constraints that a statement has created, as they are defined. The server checks them as an earlier
    /// transaction in the sandbox has set all constraints.
    pub(super) async fn defer_created(&mut self, effect: &Effect) -> Result<()> {
        let Some(rules) = &self.rules().at_commit else {
            return Ok(());
        };
        // A setting of the open transaction holds for them, too.
        let set_before = self.constraints_set && !self.at_commit.constraints_set;
        if set_before && effect.deferrable && !effect.local.contains(&Local::Constraints) {
            self.run_own(rules.deferred_constraints).await?;
        }
        Ok(())
    }

    /// Notes what a statement creates or changes until the transaction ends; outside of a transaction, until the
    /// statement ends.
    pub(super) async fn note_local(&mut self, effect: &Effect, values: &[Value]) -> Result<()> {
        let Some(rules) = &self.rules().at_commit else {
            return Ok(());
        };
        for local in &effect.local {
            let setting = match local {
                Local::Dropped(table) | Local::Emptied(table) => {
                    let before = self.local_table(rules, table).await?;
                    self.at_commit.creating.push((local.clone(), before));
                    continue;
                }
                Local::Named(name) => &**name,
                Local::Slot(slot) => match values.get(*slot) {
                    Some(Value::Text(name)) => name,
                    _ => continue,
                },
                Local::Constraints => {
                    self.at_commit.constraints_set = true;
                    continue;
                }
                Local::Cursor => {
                    self.at_commit.cursors = true;
                    continue;
                }
            };
            if self.at_commit.settings.iter().any(|(known, _)| known == setting) {
                continue;
            }
            let rows = self.ask(rules.setting, (setting,).into_params()?).await?;
            let before = rows.first().map_or(Ok(None), |row| row.get(0))?;
            self.at_commit.settings.push((setting.to_owned(), before));
        }
        Ok(())
    }

    /// Notes the temporary tables that a statement has created, after it. They are known by their oids: the name may
    /// have belonged to another table before, and may again, if this one is rolled back or dropped.
    pub(super) async fn note_created(&mut self, failed: bool) -> Result<()> {
        let Some(rules) = &self.rules().at_commit else {
            return Ok(());
        };
        let creating = std::mem::take(&mut self.at_commit.creating);
        for (local, before) in creating.into_iter().filter(|_| !failed) {
            let (Local::Dropped(table) | Local::Emptied(table)) = &local else {
                continue;
            };
            let now = self.local_table(rules, table).await?;
            let Some(created) = now.filter(|_| now != before) else {
                continue;
            };
            match &local {
                Local::Emptied(_) => self.emptied.push(created),
                _ => self.at_commit.dropped.push(created),
            }
        }
        Ok(())
    }

    /// Returns the oid of the temporary table with this name.
    async fn local_table(&mut self, rules: &AtCommitRules, name: &str) -> Result<Option<i64>> {
        let rows = self.ask(rules.table, (name,).into_params()?).await?;
        rows.first().map_or(Ok(None), |row| row.get(0))
    }
}
