//! A database for the time of one closure.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, resume_unwind};

use futures::FutureExt as _;

use super::{Database, IntoDatabase};
use crate::error::{Error, Result};
use crate::pool::Caller;

impl Database {
    /// Connects, runs a closure and disconnects: when the closure returns `Ok` or `Err`, and when it panics (the panic
    /// continues afterwards). The source is one of [`connect`](Self::connect); connecting a `&Database` is counted.
    ///
    /// # Errors
    ///
    /// Those of connecting and of the closure; those of disconnecting, if the closure itself succeeded.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, the closure is dropped too, which rolls its transactions back, and the database is disconnected,
    /// but sockets are closed without notifying the server, and `on_disconnect` does not run.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::Database;
    /// let answer = Database::with("sqlite::memory:", async |database| {
    ///     database.fetch_value::<i64>("SELECT 42", ()).await
    /// })
    /// .await?;
    /// assert_eq!(answer, 42);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn with<S, T, E, F>(source: S, work: F) -> impl Future<Output = Result<T, E>> + use<S, T, E, F>
    where
        S: IntoDatabase,
        F: AsyncFnOnce(Self) -> Result<T, E>,
        E: From<Error>,
    {
        let caller = Caller::at(Location::caller());
        let database = source.into_database();
        async move {
            let database = database?;
            database.connect_for(caller).await?;
            let connected = Connected(Some(&database));
            let ended = AssertUnwindSafe(work(database.clone())).catch_unwind().await;
            let disconnected = connected.end().await;
            match ended {
                Ok(Ok(value)) => {
                    disconnected?;
                    Ok(value)
                }
                Ok(Err(error)) => {
                    warn(disconnected);
                    Err(error)
                }
                Err(panic) => {
                    warn(disconnected);
                    resume_unwind(panic)
                }
            }
        }
    }

    /// Decrements the count of connects without waiting. With the last one, everything is closed as when the last handle
    /// is dropped.
    fn abandon(&self) {
        let mut state = self.core.state.write();
        state.count = state.count.saturating_sub(1);
        let live = if state.count == 0 { state.live.take() } else { None };
        drop(state);
        drop(live);
    }
}

/// A guard that disconnects if it is dropped early.
struct Connected<'d>(Option<&'d Database>);

impl Connected<'_> {
    async fn end(mut self) -> Result<bool> {
        match self.0.take() {
            Some(database) => database.disconnect().await,
            None => Ok(false),
        }
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        if let Some(database) = self.0 {
            database.abandon();
        }
    }
}

/// Logs an error of disconnecting. An earlier error is more useful and takes precedence.
fn warn(disconnected: Result<bool>) {
    if let Err(error) = disconnected {
        tracing::warn!(%error, "cannot disconnect at the end");
    }
}
