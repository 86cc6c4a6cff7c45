//! Closing of a registry.

use futures::future::join_all;

use super::Connections;
use crate::error::{Error, Result};

impl Connections {
    /// Closes every database that was connected through this registry, all at the same time. An error on one does not
    /// stop the others. Unused databases are not created for it. With `discard` they are forgotten too, and the next
    /// [`get`](Self::get) creates new ones; otherwise it connects the same ones again.
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
    /// connections.close_all(true).await?;
    /// assert!(!database.is_connected());
    /// # Ok(()) }
    /// ```
    pub async fn close_all(&self, discard: bool) -> Result<()> {
        let opened = std::mem::take(&mut *self.registry.opened.lock());
        if discard {
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
