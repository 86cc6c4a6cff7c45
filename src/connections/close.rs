//! Closing.

use futures::future::join_all;

use super::Connections;
use crate::error::{Error, Result};

impl Connections {
    /// Closes every database that was connected through this registry, all at the same time; one that fails does not stop
    /// the others, and none is made for it. With `discard` they are forgotten too, and the next [`get`](Self::get) makes
    /// new ones; else it connects the same ones again.
    ///
    /// A database of the registry is closed also if others still count on it. One that was [set](Self::set) is closed only
    /// if the registry connected it and nobody else counts on it.
    ///
    /// # Errors
    ///
    /// If one failed, its error with the alias; if several did, one of the first's kind that tells of all. Everything was
    /// closed all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the databases are closed all the same; sockets are then closed without a good-bye.
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

/// One error for all of them.
fn together(mut errors: Vec<Error>) -> Result<()> {
    if errors.len() < 2 {
        return errors.pop().map_or(Ok(()), Err);
    }
    let list: Vec<String> = errors.iter().map(|error| format!("\n  {}", error.message())).collect();
    let message = format!("{} connections did not close cleanly:{}", errors.len(), list.concat());
    let first = errors.swap_remove(0);
    Err(Error::new(first.kind(), message).with_source(first))
}
