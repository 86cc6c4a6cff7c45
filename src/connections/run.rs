//! Runs a program and closes everything at its end.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt as _;

use super::Connections;
use crate::error::{Error, ErrorKind, Result};

impl Connections {
    /// Runs a program and then closes everything, as [`close_all`](Self::close_all) does: when it returns `Ok` or
    /// `Err`, when it panics (the panic continues afterwards), and when the user presses Ctrl-C or the system sends
    /// SIGTERM (Unix). On Ctrl-C or SIGTERM the program's future is dropped first, which rolls its transactions back.
    /// Tasks that it spawned get errors from then on. A second Ctrl-C does not wait for the closing.
    ///
    /// Handling Ctrl-C needs the Cargo feature `signal`, which is on by default. From the first call on, the process no
    /// longer ends by Ctrl-C or SIGTERM alone, as [`tokio::signal`](https://docs.rs/tokio/latest/tokio/signal/)
    /// describes. Therefore this should wrap the whole program.
    ///
    /// # Errors
    ///
    /// Those of the program; [`Interrupted`](ErrorKind::Interrupted) after Ctrl-C; those of closing, if the program
    /// itself succeeded.
    ///
    /// # Panics
    ///
    /// With the feature `signal`, on a tokio runtime without I/O (`enable_io`), as `tokio::signal` does.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, the program is dropped too and nothing is closed here. The sockets close with the last handle.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::Connections;
    ///
    /// let connections = Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:"}}))?;
    /// let answer = connections
    ///     .run(async |connections| {
    ///         let database = connections.get("default").await?;
    ///         database.fetch_value::<i64>("SELECT 42", ()).await
    ///     })
    ///     .await?;
    /// assert_eq!(answer, 42);
    /// # Ok(()) }
    /// ```
    pub async fn run<T, E, F>(&self, program: F) -> Result<T, E>
    where
        F: AsyncFnOnce(Self) -> Result<T, E>,
        E: From<Error>,
    {
        let ended = {
            let program = AssertUnwindSafe(program(self.clone())).catch_unwind();
            tokio::select! {
                biased;
                () = interrupted() => None,
                ended = program => Some(ended),
            }
        };
        let closed = tokio::select! {
            biased;
            // Listened for first, or a second Ctrl-C at the beginning of the closing would not be noticed.
            () = interrupted(), if ended.is_none() => Ok(()),
            closed = self.close_all() => closed,
        };
        match ended {
            Some(Ok(Ok(value))) => {
                closed?;
                Ok(value)
            }
            Some(Ok(Err(error))) => {
                warn(closed);
                Err(error)
            }
            Some(Err(panic)) => {
                warn(closed);
                resume_unwind(panic)
            }
            None => {
                warn(closed);
                Err(Error::new(
                    ErrorKind::Interrupted,
                    "the program was interrupted; uncommitted work was rolled back, and all connections are closed",
                )
                .into())
            }
        }
    }
}

/// Logs an error of closing. An earlier error is more useful and takes precedence.
fn warn(closed: Result<()>) {
    if let Err(error) = closed {
        tracing::warn!(%error, "cannot close the connections at the end");
    }
}

/// Waits for the user or the system to request the end; forever if signals are unavailable.
#[cfg(feature = "signal")]
async fn interrupted() {
    let ctrl_c = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "cannot listen for Ctrl-C");
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = ctrl_c => {}
        () = terminated() => {}
    }
}

#[cfg(all(feature = "signal", unix))]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(error) => {
            tracing::warn!(%error, "cannot listen for SIGTERM");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(all(feature = "signal", not(unix)))]
async fn terminated() {
    std::future::pending::<()>().await;
}

#[cfg(not(feature = "signal"))]
async fn interrupted() {
    std::future::pending::<()>().await;
}
