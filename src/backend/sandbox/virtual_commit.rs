//! The commit of a transaction that the application takes for an outermost one: as strict as a real one, though the
//! server takes it for a savepoint.

use super::SandboxedConnection;
use crate::backend::rules::CommitCheck;
use crate::backend::sqlx::own_sql;
use crate::error::Result;

impl SandboxedConnection {
    /// Commits the transaction: what a commit checks is checked, and what it ends is ended, in the same round trip.
    pub(super) async fn commit_virtual(&mut self) -> Result<()> {
        let first = match self.rules().commit_check {
            CommitCheck::Text { check, .. } => {
                let ends = self.ends_at_commit();
                Some(own_sql(format!("{check}{ends}")))
            }
            CommitCheck::Violations { list, code, .. } => {
                self.check_keys(list, code).await?;
                None
            }
            CommitCheck::Nothing => None,
        };
        self.inner.commit(first).await
    }
}
