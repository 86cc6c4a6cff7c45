//! Transactions in the sandbox that request another isolation level than it has.

use std::panic::Location;

use crate::config::{IsolationLevel, IsolationPolicy};
use crate::error::{Error, ErrorKind, Result};
use crate::session::level::Level;

impl Level {
    /// Refuses or logs a transaction that requests an isolation level which the sandbox does not have.
    pub(in crate::session) fn other_isolation(&self, level: IsolationLevel, place: &Location<'_>) -> Result<()> {
        let usual = self.engine.transactions.default_isolation;
        let has = self.state.lock().isolation.unwrap_or(usual);
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
}
