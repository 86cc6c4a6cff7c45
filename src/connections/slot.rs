//! A database of the registry, and whether the registry connected it.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::pool::Caller;

pub(super) struct Slot {
    alias: String,
    database: Database,
    /// `true` if the registry created it; `false` if a user set it.
    own: bool,
    /// `true` if the registry has connected it. Locked while that changes, so that one caller connects and the others
    /// wait.
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

    /// Connects the database unless it is connected. Calls `note` at once after connecting.
    pub(super) async fn connect(self: &Arc<Self>, caller: Caller, note: impl FnOnce(&Arc<Self>)) -> Result<()> {
        if self.database.is_connected() {
            return Ok(());
        }
        let mut counted = self.counted.lock().await;
        if !self.database.is_connected() {
            self.database
                .connect_for(caller)
                .await
                .map_err(|error| self.failed("cannot be connected", error))?;
            *counted = true;
            note(self);
        }
        Ok(())
    }

    /// Disconnects the database if the registry connected it. One created by the registry is closed even if others
    /// still use it.
    pub(super) async fn close(&self) -> Result<()> {
        let mut counted = self.counted.lock().await;
        if !std::mem::take(&mut *counted) {
            return Ok(());
        }
        let closed = if self.own {
            self.database.disconnect_whole().await
        } else {
            self.database.disconnect().await
        };
        closed
            .map(drop)
            .map_err(|error| self.failed("did not close cleanly", error))
    }

    /// Adds the alias to an error.
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
