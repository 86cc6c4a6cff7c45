//! Read-only transactions.

use std::sync::Arc;

use super::Level;
use super::verdict::Sent;
use crate::error::Result;
use crate::pool::Lease;
use crate::session::statement::internal::run;
use crate::sql::Dialect;

impl Level {
    /// Sets the level above this one, just begun, to read-only.
    pub(super) async fn read_only(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        let made = read_only(lease, self.engine.dialect(), self.depth).await;
        self.heeded(lease, made, Sent::Boundary("SET TRANSACTION READ ONLY"))
            .await
    }

    /// Returns whether SQLite's connections are read-only by their settings. Then there is nothing to set and nothing
    /// to undo.
    pub(super) fn only_reads(&self) -> bool {
        let on = |value: &str| {
            !["0", "off", "false", "no"]
                .iter()
                .any(|off| value.eq_ignore_ascii_case(off))
        };
        let settings = &self.engine.settings.server_settings;
        let query_only = settings
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("query_only"));
        self.engine.dialect() == Dialect::Sqlite && query_only.is_some_and(|(_, value)| on(value))
    }
}

/// Makes the level just begun read-only.
async fn read_only(lease: &mut Lease, dialect: Dialect, below: usize) -> Result<()> {
    let sql = match dialect {
        Dialect::Postgres if below > 0 => "SET TRANSACTION READ ONLY",
        Dialect::Sqlite => {
            lease.undo_at(below, "PRAGMA query_only = 0");
            "PRAGMA query_only = 1"
        }
        _ => return Ok(()),
    };
    run(lease, sql).await
}
