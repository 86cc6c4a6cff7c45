//! Transactions in the sandbox: as strict as real ones, though the server takes them for savepoints.

use std::fmt::Write;
use std::panic::Location;
use std::sync::Arc;

use sqlx::SqlStr;

use super::statement_savepoint::CHECK;
use crate::backend::sqlx::own_sql;
use crate::config::{IsolationLevel, IsolationPolicy};
use crate::error::{Error, ErrorKind, Result};
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

impl Level {
    /// Refuses or logs a transaction that requests an isolation level which the sandbox does not have.
    pub(in crate::session) fn other_isolation(&self, level: IsolationLevel, place: &Location<'_>) -> Result<()> {
        let dialect = self.engine.dialect();
        let has = self.state.lock().isolation.unwrap_or(usual(dialect));
        let Some(sandbox) = self.sandbox().filter(|_| has != level) else {
            return Ok(());
        };
        let policy = sandbox.plan.policy.unwrap_or(self.engine.settings.isolation_policy);
        if policy == IsolationPolicy::Deny {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the transaction begun at {place} requests {level}, but its sandbox has {has}"),
            )
            .help("a sandbox has the isolation level of its first transaction; give this test a sandbox of its own, or set `isolation_policy` to `record`"));
        }
        if let Some(statement_log) = self.engine.statement_log() {
            statement_log.note(&format!(
                "-- the transaction begun at {place} requests {level}; the sandbox has {has}"
            ));
        }
        tracing::debug!(%level, %has, %place, "a transaction in the sandbox requests another isolation level");
        Ok(())
    }

    /// Prepares a virtual commit, so that it is as strict as a real one and leaves as little behind. Returns the SQL to
    /// send before it.
    pub(in crate::session) async fn check_virtually(&self, lease: &mut Lease) -> Result<Option<SqlStr>> {
        if !self.is_virtual() {
            return Ok(None);
        }
        match self.engine.dialect() {
            Dialect::Postgres => {
                let restore = self.restored_settings();
                Ok(Some(own_sql(format!("{CHECK}{restore}"))))
            }
            Dialect::Sqlite => self.check_keys(lease).await.map(|()| None),
            Dialect::MySql => Ok(None),
        }
    }

    /// Returns the SQL that restores the settings changed until the transaction ends.
    pub(in crate::session) fn restored_settings(&self) -> String {
        let mut sql = String::new();
        let (settings, constraints_set) = {
            let mut state = self.state.lock();
            (
                std::mem::take(&mut state.settings),
                std::mem::take(&mut state.constraints_set),
            )
        };
        if constraints_set {
            sql.push_str(USUAL_CONSTRAINTS);
        }
        for (name, before) in settings {
            let quoted = |text: &str| Dialect::Postgres.quote_text(text);
            let (name, before) = (quoted(&name), quoted(&before.unwrap_or_default()));
            let _ = write!(sql, "SELECT pg_catalog.set_config({name}, {before}, true); ");
        }
        sql
    }

    /// Notes the settings that a statement changes until the transaction ends; outside of a transaction, until the
    /// statement ends.
    pub(in crate::session) async fn keep_settings(
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
            let name = match local {
                Local::Named(name) => name.to_string(),
                Local::Slot(slot) => match work.bound.values.get(*slot) {
                    Some(Value::Text(name)) => name.clone(),
                    _ => continue,
                },
                Local::Constraints => {
                    outermost.state.lock().constraints_set = true;
                    continue;
                }
            };
            if outermost.state.lock().settings.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let params = (name.as_str(),).into_params()?;
            let rows = ask(
                lease,
                &self.engine.templates,
                "SELECT current_setting($1, true)",
                params,
            )
            .await?;
            let before = rows.first().map_or(Ok(None), |row| row.get(0))?;
            outermost.state.lock().settings.push((name, before));
        }
        Ok(())
    }
}

/// Returns the level that a server has by default.
fn usual(dialect: Dialect) -> IsolationLevel {
    match dialect {
        Dialect::Postgres => IsolationLevel::ReadCommitted,
        Dialect::MySql => IsolationLevel::RepeatableRead,
        Dialect::Sqlite => IsolationLevel::Serializable,
    }
}
