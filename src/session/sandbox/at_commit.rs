//! What a commit ends on PostgreSQL: settings, temporary tables and cursors. A virtual commit only releases a savepoint,
//! so it ends them by statements of its own; so does a statement outside of transactions, which commits by itself.

use std::fmt::Write;
use std::sync::Arc;

use crate::error::Result;
use crate::pool::Lease;
use crate::session::level::{Level, LevelKind};
use crate::session::statement::internal::ask;
use crate::session::statement::run::BoundStatement;
use crate::sql::{Dialect, Local};
use crate::value::{IntoParams, Value};

/// SQL that undoes SET CONSTRAINTS: each is checked when its definition says so.
const USUAL_CONSTRAINTS: &str = "DO $ebbtide$ DECLARE names text; BEGIN \
    SET CONSTRAINTS ALL IMMEDIATE; \
    SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO names \
    FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE c.condeferred; \
    IF names IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || names || ' DEFERRED'; END IF; END $ebbtide$; ";

/// SQL that closes the cursors that a commit closes.
const CLOSE_CURSORS: &str = "DO $ebbtide$ DECLARE closing text; BEGIN \
    SELECT string_agg(format('CLOSE %I', name), '; ') INTO closing FROM pg_catalog.pg_cursors \
    WHERE NOT is_holdable AND name <> '' AND name NOT LIKE '<unnamed%'; \
    IF closing IS NOT NULL THEN EXECUTE closing; END IF; END $ebbtide$; ";

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
    /// Returns the SQL that ends it all, in the order in which PostgreSQL does; `emptied` are the tables that each
    /// commit empties.
    fn sql(&self, emptied: &[Box<str>]) -> String {
        let mut sql = String::new();
        if self.cursors {
            sql.push_str(CLOSE_CURSORS);
        }
        for table in emptied {
            let name = Dialect::Postgres.quote_text(&format!("pg_temp.{table}"));
            let _ = write!(
                sql,
                "DO $ebbtide$ BEGIN IF pg_catalog.to_regclass({name}) IS NOT NULL THEN DELETE FROM pg_temp.{table}; \
                 END IF; END $ebbtide$; "
            );
        }
        for table in &self.dropped {
            let _ = write!(sql, "DROP TABLE IF EXISTS pg_temp.{table}; ");
        }
        if self.constraints_set {
            sql.push_str(USUAL_CONSTRAINTS);
        }
        for (name, before) in &self.settings {
            let quoted = |text: &str| Dialect::Postgres.quote_text(text);
            let (name, before) = (quoted(name), quoted(before.as_deref().unwrap_or_default()));
            let _ = write!(sql, "SELECT pg_catalog.set_config({name}, {before}, true); ");
        }
        sql
    }
}

impl Level {
    /// Returns the SQL that ends what the commit of this level ends, and forgets it.
    pub(in crate::session) fn ends_at_commit(&self) -> String {
        let ending = std::mem::take(&mut self.state.lock().at_commit);
        match self.sandbox() {
            Some(sandbox) => ending.sql(&sandbox.emptied.lock()),
            None => ending.sql(&[]),
        }
    }

    /// Notes what a statement creates or changes until the transaction ends; outside of a transaction, until the
    /// statement ends.
    pub(in crate::session) async fn note_local(
        self: &Arc<Self>,
        lease: &mut Lease,
        work: &BoundStatement,
    ) -> Result<()> {
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
            let rows = ask(
                lease,
                &self.engine.templates,
                "SELECT current_setting($1, true)",
                params,
            )
            .await?;
            let before = rows.first().map_or(Ok(None), |row| row.get(0))?;
            outermost.state.lock().at_commit.settings.push((setting, before));
        }
        Ok(())
    }
}
