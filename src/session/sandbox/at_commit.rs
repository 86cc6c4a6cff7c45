//! What a commit ends on PostgreSQL: settings, temporary tables and cursors. A virtual commit only releases a savepoint,
//! so it ends them by statements of its own; so does a statement outside of transactions, which commits by itself.

use std::fmt::Write;
use std::sync::Arc;

use crate::error::Result;
use crate::pool::Lease;
use crate::session::level::{Level, LevelKind};
use crate::session::statement::internal::ask;
use crate::session::statement::run::BoundStatement;
use crate::sql::{Dialect, Local, TemplateCache};
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
    dropped: Vec<i64>,
    /// Set if a cursor was declared.
    cursors: bool,
    /// The tables that the statement under way creates, and the oid of a table that had the name before.
    creating: Vec<(Local, Option<i64>)>,
}

impl AtCommit {
    /// Returns the SQL that ends it all, in the order in which PostgreSQL does; `emptied` are the tables that each
    /// commit empties.
    fn sql(&self, emptied: &[i64]) -> String {
        let mut sql = String::new();
        let tables = !(emptied.is_empty() && self.dropped.is_empty());
        if tables {
            // Tables with deferred checks could be neither emptied nor dropped.
            sql.push_str("SET CONSTRAINTS ALL IMMEDIATE; ");
        }
        if self.cursors {
            sql.push_str(CLOSE_CURSORS);
        }
        for_all(&mut sql, "TRUNCATE", emptied, "");
        for_all(&mut sql, "DROP TABLE", &self.dropped, " CASCADE");
        if self.constraints_set || tables {
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

/// Adds SQL that does something to those of the tables that still exist, all at once, because they may refer to each
/// other.
fn for_all(sql: &mut String, verb: &str, tables: &[i64], rest: &str) {
    if tables.is_empty() {
        return;
    }
    let oids: Vec<String> = tables.iter().map(ToString::to_string).collect();
    let oids = oids.join(", ");
    let _ = write!(
        sql,
        "DO $ebbtide$ DECLARE tables text; BEGIN \
         SELECT string_agg(oid::pg_catalog.regclass::text, ', ') INTO tables FROM pg_catalog.pg_class WHERE oid IN ({oids}); \
         IF tables IS NOT NULL THEN EXECUTE '{verb} ' || tables || '{rest}'; END IF; END $ebbtide$; "
    );
}

/// Returns the oid of the temporary table with this name.
async fn oid_of(lease: &mut Lease, templates: &TemplateCache, table: &str) -> Result<Option<i64>> {
    let params = (format!("pg_temp.{table}"),).into_params()?;
    let rows = ask(
        lease,
        templates,
        "SELECT pg_catalog.to_regclass($1)::oid::bigint",
        params,
    )
    .await?;
    rows.first().map_or(Ok(None), |row| row.get(0))
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
        let Some(outermost) = self.committing() else {
            return Ok(());
        };
        for local in &work.template.effect().local {
            if let Local::Dropped(table) | Local::Emptied(table) = local {
                let before = oid_of(lease, &self.engine.templates, table).await?;
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

    /// Returns whether a statement creates temporary tables that a commit ends.
    pub(in crate::session) fn creates_local_tables(&self, work: &BoundStatement) -> bool {
        self.engine.sandbox.is_some() && work.template.effect().local.iter().any(Local::is_table)
    }

    /// Notes the temporary tables that a statement has created, after it. They are known by their oids: the name may
    /// have belonged to another table before, and may again, if this one is rolled back or dropped.
    pub(in crate::session) async fn note_created(self: &Arc<Self>, lease: &mut Lease, failed: bool) -> Result<()> {
        let Some(outermost) = self.committing() else {
            return Ok(());
        };
        let creating = std::mem::take(&mut outermost.state.lock().at_commit.creating);
        for (local, before) in creating.into_iter().filter(|_| !failed) {
            let (Local::Dropped(table) | Local::Emptied(table)) = &local else {
                continue;
            };
            let now = oid_of(lease, &self.engine.templates, table).await?;
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
