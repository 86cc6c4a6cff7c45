//! Read-only transactions.

use std::sync::Arc;

use super::Level;
use super::verdict::Sent;
use crate::backend::rules::ReadOnly;
use crate::error::Result;
use crate::pool::Lease;
use crate::session::statement::internal::run;

impl Level {
    /// Sets the level above this one, just begun, to read-only.
    pub(super) async fn read_only(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        let made = read_only(lease, self.engine.transactions.read_only, self.depth).await;
        self.heeded(lease, made, Sent::Boundary("SET TRANSACTION READ ONLY"))
            .await
    }

    /// Returns whether the connections are read-only by their settings. Then there is nothing to set and nothing to
    /// undo.
    pub(super) fn only_reads(&self) -> bool {
        let ReadOnly::Setting { name: setting, .. } = self.engine.transactions.read_only else {
            return false;
        };
        let on = |value: &str| {
            !["0", "off", "false", "no"]
                .iter()
                .any(|off| value.eq_ignore_ascii_case(off))
        };
        let settings = &self.engine.settings.server_settings;
        let given = settings.iter().find(|(name, _)| name.eq_ignore_ascii_case(setting));
        given.is_some_and(|(_, value)| on(value))
    }
}

/// Makes the level just begun read-only.
async fn read_only(lease: &mut Lease, rule: ReadOnly, below: usize) -> Result<()> {
    let sql = match rule {
        ReadOnly::Text(sql) if below > 0 => sql,
        ReadOnly::Setting { set, restore, .. } => {
            lease.undo_at(below, restore);
            set
        }
        ReadOnly::Text(_) | ReadOnly::AtBegin => return Ok(()),
    };
    run(lease, sql).await
}
