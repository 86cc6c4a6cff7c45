//! Transactions in the sandbox: as strict as real ones, though the server takes them for savepoints.

use std::fmt::Write;
use std::panic::Location;
use std::sync::Arc;

use sqlx::SqlStr;

use super::ask::ask;
use super::shield::CHECK;
use super::{Kind, Node, Work};
use crate::backend::support::sqlx::own_sql;
use crate::config::{IsolationLevel, IsolationPolicy};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Lease;
use crate::sql::{Dialect, Local};
use crate::value::{IntoParams, Value};

/// Undoes SET CONSTRAINTS: each is checked when its definition says so.
const USUAL_CONSTRAINTS: &str = "DO $ebbtide$ DECLARE names text; BEGIN \
    SET CONSTRAINTS ALL IMMEDIATE; \
    SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO names \
    FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE c.condeferred; \
    IF names IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || names || ' DEFERRED'; END IF; END $ebbtide$; ";

impl Node {
    /// A transaction in the sandbox asks for an isolation level that the sandbox does not have.
    pub(super) fn other_isolation(&self, level: IsolationLevel, place: &Location<'_>) -> Result<()> {
        let dialect = self.ground.dialect();
        let has = self.state.lock().isolation.unwrap_or(usual(dialect));
        let Some(sandbox) = self.sandbox().filter(|_| has != level) else {
            return Ok(());
        };
        let policy = sandbox.plan.policy.unwrap_or(self.ground.settings.isolation_policy);
        if policy == IsolationPolicy::Deny {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the transaction begun at {place} asks for {level}, and the sandbox it runs in has {has}"),
            )
            .help("the level of a sandbox is that of its first transaction; give this test a sandbox of its own, or set `isolation_policy` to `record`"));
        }
        if let Some(journal) = self.ground.journal() {
            journal.note(&format!(
                "-- the transaction begun at {place} asks for {level}; the sandbox has {has}"
            ));
        }
        tracing::debug!(%level, %has, %place, "a transaction in the sandbox asks for another isolation level");
        Ok(())
    }

    /// What is sent before a virtual commit, so that it is as strict as a real one, and leaves as little behind.
    pub(super) async fn check_virtually(&self, lease: &mut Lease) -> Result<Option<SqlStr>> {
        if !self.is_virtual() {
            return Ok(None);
        }
        match self.ground.dialect() {
            Dialect::Postgres => {
                let restore = self.restored_settings();
                Ok(Some(own_sql(format!("{CHECK}{restore}"))))
            }
            Dialect::Sqlite => self.check_keys(lease).await.map(|()| None),
            Dialect::MySql => Ok(None),
        }
    }

    /// What sets the settings back that were changed until the transaction ends.
    pub(super) fn restored_settings(&self) -> String {
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

    /// Notes what the settings are that a statement changes until the transaction ends; outside of a transaction, until
    /// the statement ends.
    pub(super) async fn keep_settings(self: &Arc<Self>, lease: &mut Lease, work: &Work) -> Result<()> {
        let mut outermost = Arc::clone(self);
        while !outermost.is_virtual() && outermost.kind != Kind::Sandbox {
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
                &self.ground.templates,
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

/// The level a server has if nobody chose another.
fn usual(dialect: Dialect) -> IsolationLevel {
    match dialect {
        Dialect::Postgres => IsolationLevel::ReadCommitted,
        Dialect::MySql => IsolationLevel::RepeatableRead,
        Dialect::Sqlite => IsolationLevel::Serializable,
    }
}
