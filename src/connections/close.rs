//! Closing of a registry.

use std::future::Future;

use futures::future::join_all;

use super::Connections;
use crate::error::{Error, Result};

impl Connections {
    /// Closes and forgets every database that was connected through this registry, all at the same time. An error on
    /// one does not stop the others. Unused databases are not created for it. The next [`get`](Self::get) creates new
    /// ones.
    ///
    /// A database of the registry is closed even if others still use it. A [set](Self::set) one is closed only if the
    /// registry connected it and it has no other users.
    ///
    /// # Errors
    ///
    /// If one failed, its error with the alias. If several did, one error of the first one's kind that lists all. All
    /// were closed nevertheless.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, the databases are still closed, but sockets are closed without notifying the server.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # use ebbtide::Connections;
    /// # let connections = Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:"}}))?;
    /// let database = connections.get("default").await?;
    /// connections.close_all().await?;
    /// assert!(!database.is_connected());
    /// # Ok(()) }
    /// ```
    pub fn close_all(&self) -> impl Future<Output = Result<()>> + Send + use<'_> {
        self.close(true)
    }

    /// Closes every database as [`close_all`](Self::close_all) does, but keeps them: the next [`get`](Self::get)
    /// connects the same ones again.
    ///
    /// # Errors
    ///
    /// As [`close_all`](Self::close_all).
    ///
    /// # Cancel safety
    ///
    /// As [`close_all`](Self::close_all).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # use ebbtide::Connections;
    /// # let connections = Connections::init("sqlite::memory:")?;
    /// let database = connections.get("default").await?;
    /// connections.disconnect_all().await?;
    /// assert!(!database.is_connected());
    /// connections.get("default").await?;
    /// assert!(database.is_connected());
    /// # Ok(()) }
    /// ```
    pub fn disconnect_all(&self) -> impl Future<Output = Result<()>> + Send + use<'_> {
        self.close(false)
    }

    async fn close(&self, forget: bool) -> Result<()> {
        let opened = std::mem::take(&mut *self.registry.opened.lock());
        if forget {
            self.registry.made.lock().clear();
        }
        let closed = join_all(opened.iter().map(|slot| slot.close())).await;
        together(closed.into_iter().filter_map(Result::err).collect())
    }
}

/// Combines the errors into one.
fn together(mut errors: Vec<Error>) -> Result<()> {
    if errors.len() < 2 {
        return errors.pop().map_or(Ok(()), Err);
    }
    let list: Vec<String> = errors.iter().map(|error| format!("\n  {}", error.message())).collect();
    let message = format!("{} connections did not close cleanly:{}", errors.len(), list.concat());
    let first = errors.swap_remove(0);
    Err(Error::new(first.kind(), message).with_source(first))
}
