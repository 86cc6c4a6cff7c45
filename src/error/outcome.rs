//! What is known of work whose answer did not come: that nothing of it stayed, or not even that.

use std::panic::Location;

use super::{Error, ErrorKind, LOST};

const SANDBOX_LOST: &str =
    "everything done in the sandbox is undone with it; disconnect and connect again to start a new one";

const UNKNOWN: &str = "do not run it again blindly: look first whether what it wrote is there, best by a key of your own \
                       choosing; docs/TRANSACTIONS.md has more under \"When nobody knows\"";

impl Error {
    /// Whether the server may have done what this error reports, and nobody knows: the kind is
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), or that of a [`Hook`](ErrorKind::Hook) which has returned such an error.
    ///
    /// The connection broke, the time limit ran out, or the answer could not be read after a commit was sent, or a statement
    /// outside of transactions that may write. Such work is never run again by this crate, and
    /// [`is_retryable`](Self::is_retryable) is `false`: look at the data first.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE payment (id TEXT PRIMARY KEY)", ()).await?;
    /// async fn pay(database: &ebbtide::Database, id: &str) -> ebbtide::Result<bool> {
    ///     match database.execute("INSERT INTO payment VALUES (?)", (id,)).await {
    ///         Ok(_) => Ok(true),
    ///         // The key is our own, so it tells whether the row is there.
    ///         Err(error) if error.outcome_unknown() => {
    ///             let sql = "SELECT id FROM payment WHERE id = ?";
    ///             Ok(database.fetch_optional(sql, (id,)).await?.is_some())
    ///         }
    ///         Err(error) => Err(error),
    ///     }
    /// }
    /// assert!(pay(&database, "a7").await?);
    /// # Ok(()) }
    /// ```
    pub fn outcome_unknown(&self) -> bool {
        match self.kind() {
            ErrorKind::OutcomeUnknown => true,
            ErrorKind::Hook => {
                let cause = self.0.source.as_ref().and_then(|cause| cause.downcast_ref::<Self>());
                cause.is_some_and(Self::outcome_unknown)
            }
            _ => false,
        }
    }

    /// Marks an error after which the connection ends although the server has told, or could not be asked: nothing was done.
    pub(crate) fn refusing(mut self) -> Self {
        self.0.refusing = true;
        self
    }

    /// Whether an answer is missing: of what was sent nobody knows what became.
    pub(crate) fn leaves_open(&self) -> bool {
        self.0.fatal && !self.0.refusing
    }

    /// The error where `what` at `place` may have been done.
    #[cold]
    pub(crate) fn unknown(mut self, what: &str, place: &Location<'_>) -> Self {
        let told = std::mem::take(&mut self.0.message);
        self.0.message = format!("{what} at {place} may have been done, nobody knows: {told}").into();
        self.0.kind = ErrorKind::OutcomeUnknown;
        self.0.help = Some(UNKNOWN.into());
        self.0.retryable = false;
        self.0.of_replica = false;
        self
    }

    /// The error where nothing of the work that was under way stayed: it may be run again from its beginning, though not in
    /// a sandbox, which is lost with its connection.
    #[cold]
    pub(crate) fn undone(mut self, sandboxed: bool) -> Self {
        self.0.refusing = true;
        if self.kind() == ErrorKind::ConnectionLost {
            self.0.help = Some(if sandboxed { SANDBOX_LOST } else { LOST }.into());
            self.0.retryable = !sandboxed;
        }
        self
    }
}
