//! The beginning of the outer transaction, and of those in it.

use super::{SandboxedConnection, StatementSavepoint};
use crate::backend::Begin;
use crate::backend::rules::StatementSavepoints;
use crate::backend::sqlx::own_sql;
use crate::error::Result;
use crate::value::Params;

impl SandboxedConnection {
    /// Asks for what the sandbox has to know of the database's definitions, if that is not known.
    pub(super) async fn look_at_definitions(&mut self) -> Result<()> {
        let rules = self.rules();
        let names_matter = rules.statement_savepoints == StatementSavepoints::Always;
        let known = &self.outer.deferred;
        let changed = names_matter && known.writing.current().is_none();
        // Asked each time where that costs no round trip, because another user may have created one meanwhile.
        if rules.commit_check.lists() || known.get().is_none() || changed {
            let counted = known.writing.changes();
            let (found, names) = self.find_definitions().await?;
            let known = &self.outer.deferred;
            // A constraint that one sandbox created is not visible to another.
            if found || known.get().is_none() {
                known.set(found);
            }
            if let Some(names) = names {
                known.writing.learn(counted, names);
            }
        }
        self.writing = self.outer.deferred.writing.current();
        self.redefined = false;
        Ok(())
    }

    /// Returns whether a database has constraints that are checked only at the commit, and the names that write when
    /// they are read, where they matter.
    async fn find_definitions(&mut self) -> Result<(bool, Option<Vec<String>>)> {
        let Some(sql) = self.rules().commit_check.find() else {
            return Ok((false, None));
        };
        let rows = self.ask(sql, Params::default()).await?;
        let Some(row) = rows.first() else {
            return Ok((false, None));
        };
        // As one text, because not every driver knows the types of lists.
        let names = if row.len() > 1 {
            let names = row.get::<String>(1)?;
            Some(
                names
                    .split('\u{1}')
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect(),
            )
        } else {
            None
        };
        Ok((row.get::<i64>(0)? > 0, names))
    }

    /// Begins the outer transaction.
    pub(super) async fn begin_outer(&mut self, begin: Option<Begin>) -> Result<()> {
        let begin = self.outer_begin(begin);
        self.inner.begin(begin).await?;
        let rules = self.rules();
        if rules.statement_savepoints == StatementSavepoints::Always {
            self.savepoint = StatementSavepoint::Set;
        }
        if rules.commit_check.lists() && self.defers() {
            self.note_violations().await?;
        }
        Ok(())
    }

    /// Returns the beginning of the outer transaction. Where every statement needs a savepoint, it sets the first one.
    fn outer_begin(&self, begin: Option<Begin>) -> Option<Begin> {
        let rules = self.rules();
        let sessions = self.outer.rules.named_sessions();
        let label = self.outer.label.as_deref();
        let name = sessions.zip(label).map(|(sessions, label)| (sessions.name)(label));
        let lift = sessions.map(|sessions| sessions.lift_limits.to_owned());
        let savepoint = (rules.statement_savepoints == StatementSavepoints::Always)
            .then(|| rules.statement_savepoint.set.to_owned());
        if sessions.is_none() && savepoint.is_none() {
            return begin;
        }
        let texts: Vec<String> = [name, lift, savepoint].into_iter().flatten().collect();
        let mut begin = begin.unwrap_or_default();
        begin.first = Some(own_sql(texts.join("; ")));
        Some(begin)
    }

    /// Begins a transaction that the application takes for an outermost one: a savepoint.
    pub(super) async fn begin_virtual(&mut self) -> Result<()> {
        self.verify().await?;
        self.inner.begin(None).await?;
        if self.savepoint != StatementSavepoint::Absent {
            self.savepoint = StatementSavepoint::Behind;
        }
        Ok(())
    }
}
