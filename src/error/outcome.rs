//! The outcome of work whose answer is missing: nothing of it remains, or even that is unknown.

use std::panic::Location;

use super::{Error, ErrorKind, LOST};

const SANDBOX_LOST: &str =
    "everything done in the sandbox was rolled back; disconnect and connect again to start a new one";

const UNKNOWN: &str = "do not run it again blindly: first check whether its changes are there, ideally by a key that \
                       you chose; see \"When the outcome is unknown\" in `ebbtide::guides::transactions`";

impl Error {
    /// Returns whether the outcome is unknown, so that the server may have done what this error reports. The kind is
    /// then [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), or [`Hook`](ErrorKind::Hook) if a hook returned such an
    /// error.
    ///
    /// The connection broke, the time limit expired, or the answer could not be read. Before that, a commit or a
    /// statement outside of transactions that may write was sent. This crate never runs such work again, and
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

    /// Marks an error after which the connection ends, but nothing was done: the server said so, or could not be asked.
    pub(crate) fn refusing(mut self) -> Self {
        self.0.refusing = true;
        self
    }

    /// Returns whether an answer is missing, so that the outcome of what was sent is unknown.
    pub(crate) fn leaves_open(&self) -> bool {
        self.0.fatal && !self.0.refusing
    }

    /// Converts this into the error that `what` at `place` may have been done.
    #[cold]
    pub(crate) fn unknown(mut self, what: &str, place: &Location<'_>) -> Self {
        let message = std::mem::take(&mut self.0.message);
        self.0.message = format!("{what} at {place} may have taken effect, the outcome is unknown: {message}").into();
        self.0.kind = ErrorKind::OutcomeUnknown;
        self.0.help = Some(UNKNOWN.into());
        self.0.retryable = false;
        self.0.of_replica = false;
        self
    }

    /// Converts this into the error for work of which nothing remains. The work may run again from its beginning,
    /// except in a sandbox, which is lost with its connection.
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
