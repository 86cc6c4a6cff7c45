//! A database of the registry, and whether the registry connected it.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::pool::Asker;

pub(super) struct Slot {
    alias: String,
    database: Database,
    /// Made by the registry, not set by a user who has it elsewhere too.
    own: bool,
    /// Whether the registry counts among those who connected it. Held while that changes, so that one connects and the
    /// others wait.
    counted: Mutex<bool>,
}

impl Slot {
    pub(super) fn own(alias: &str, database: Database) -> Self {
        Self::new(alias.to_owned(), database, true)
    }

    pub(super) fn set(alias: String, database: Database) -> Self {
        Self::new(alias, database, false)
    }

    fn new(alias: String, database: Database, own: bool) -> Self {
        Self {
            alias,
            database,
            own,
            counted: Mutex::new(false),
        }
    }

    pub(super) fn alias(&self) -> &str {
        &self.alias
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Connects the database unless somebody has, and tells `note` at once if it did.
    pub(super) async fn connect(self: &Arc<Self>, asker: Asker, note: impl FnOnce(&Arc<Self>)) -> Result<()> {
        if self.database.is_connected() {
            return Ok(());
        }
        let mut counted = self.counted.lock().await;
        if !self.database.is_connected() {
            self.database
                .connect_for(asker)
                .await
                .map_err(|error| self.failed("cannot be connected", error))?;
            *counted = true;
            note(self);
        }
        Ok(())
    }

    /// Disconnects what the registry connected. A database of its own is closed whoever counts on it.
    pub(super) async fn close(&self) -> Result<()> {
        let mut counted = self.counted.lock().await;
        if !std::mem::take(&mut *counted) {
            return Ok(());
        }
        let closed = if self.own {
            self.database.disconnect_now().await
        } else {
            self.database.disconnect().await
        };
        closed
            .map(drop)
            .map_err(|error| self.failed("did not close cleanly", error))
    }

    /// The same error, with the alias.
    fn failed(&self, what: &str, error: Error) -> Error {
        error.context(format_args!("the connection `{}` {what}", self.alias))
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("alias", &self.alias)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}
