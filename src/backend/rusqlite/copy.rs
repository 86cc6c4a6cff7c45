//! A private copy of a database, in memory: see the one of sqlx's driver, which explains it.
//!
//! Here the pages are copied by a backup, which leaves what else the connection has. An image that is loaded into a
//! connection that was used before is a danger: what SQLite knows of its own virtual tables, such as `pragma_table_list`,
//! points to the definitions of the older image, which are freed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, MAIN_DB, ffi};

use super::errors::error;
use super::open_options::OpenOptions;
use crate::backend::sqlite::{not_copied, without_wal};
use crate::error::{Error, ErrorKind, Result};

/// The original of one copy.
#[derive(Debug)]
pub(super) struct CopiedDatabase {
    /// The connection that reads the original and never writes.
    original: Connection,
    /// The text that sets up the session of a copy.
    set_up: String,
    read_only: bool,
    /// The version of the original that was copied; `None` while a copy is created.
    copied: Option<i64>,
    /// Set once something was committed to the copy.
    committed: Arc<AtomicBool>,
}

impl CopiedDatabase {
    /// Opens the original, and copies it into a new connection.
    pub(super) fn open(
        original: &OpenOptions,
        copy: &OpenOptions,
        read_only: bool,
        connection: &mut Connection,
    ) -> Result<Self> {
        let committed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&committed);
        let note = move || {
            flag.store(true, Ordering::Release);
            // It is not to be rolled back.
            false
        };
        connection.commit_hook(Some(note)).map_err(error)?;
        let mut copied = Self {
            original: original.open().map_err(error)?,
            set_up: copy.set_up.clone(),
            read_only,
            copied: None,
            committed,
        };
        let version = copied.version()?;
        if read_only {
            copied.load(connection)?;
        } else {
            copied.copy(connection)?;
        }
        copied.committed.store(false, Ordering::Release);
        copied.copied = Some(version);
        Ok(copied)
    }

    /// Copies the original again, if the copy is outdated.
    pub(super) fn renew(&mut self, connection: &mut Connection) -> Result<()> {
        // Queried before the pages are read: a commit in between is copied twice rather than never.
        let version = self.version()?;
        let is_changed = !self.read_only && self.committed.load(Ordering::Acquire);
        if self.copied == Some(version) && !is_changed {
            return Ok(());
        }
        self.copied = None;
        if self.read_only {
            let message = "the original of a copy that is only read has changed";
            return Err(Error::new(ErrorKind::Database, message).fatal());
        }
        self.copy(connection)?;
        self.committed.store(false, Ordering::Release);
        self.copied = Some(version);
        Ok(())
    }

    pub(super) fn close(self) -> Result<()> {
        self.original.close().map_err(|(_, why)| error(why))
    }

    fn version(&self) -> Result<i64> {
        let version = self.original.query_row("PRAGMA data_version", (), |row| row.get(0));
        version.map_err(error)
    }

    /// Copies the pages of the original.
    fn copy(&self, connection: &mut Connection) -> Result<()> {
        let backup = Backup::new(&self.original, connection).map_err(not_copied)?;
        let step = backup.step(-1).map_err(not_copied)?;
        drop(backup);
        if step != StepResult::Done {
            let busy = ffi::Error {
                code: ErrorCode::DatabaseBusy,
                extended_code: ffi::SQLITE_BUSY,
            };
            let message = Some("the original is locked".to_owned());
            return Err(not_copied(rusqlite::Error::SqliteFailure(busy, message)));
        }
        // Some settings belong to the database, not to the connection.
        connection.execute_batch(&self.set_up).map_err(not_copied)
    }

    /// Loads an image of the original, which then cannot be written, into a new connection.
    fn load(&self, connection: &mut Connection) -> Result<()> {
        let mut image = self.original.serialize(MAIN_DB).map_err(not_copied)?.to_vec();
        without_wal(&mut image);
        let loaded = connection.deserialize_read_exact(MAIN_DB, &*image, image.len(), true);
        loaded.map_err(not_copied)?;
        connection.execute_batch(&self.set_up).map_err(not_copied)
    }
}
