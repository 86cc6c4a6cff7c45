//! The driver's connection, and what belongs to it. One thread at a time uses it.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::checkpoint::{self, Checkpoints, checkpoint};
use super::copy::CopiedDatabase;
use super::errors::error;
use super::gate::is_plain;
use super::known::KnownStatements;
use super::open_options::OpenOptions;
use super::quick_commit::{commits_quickly, may_change_settings};
use super::session_state::{STEPS, SessionState};
use crate::error::Result;

/// The driver's connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(super) struct SqliteSession {
    pub(super) connection: Connection,
    pub(super) state: Arc<SessionState>,
    /// Largest number of statements that stay prepared.
    pub(super) capacity: usize,
    pub(super) known: KnownStatements,
    /// Whether a commit is short, by the settings of the session.
    pub(super) commits_quickly: bool,
    /// The checkpoints of its file, if they are this driver's.
    pub(super) checkpoints: Option<Arc<Checkpoints>>,
    /// Set if the write-ahead log has become too long.
    pub(super) is_lagging: bool,
    /// Set as long as the open transaction has done nothing but short statements.
    pub(super) is_light: bool,
    /// Number of short writes in the open transaction.
    pub(super) short_writes: u32,
    /// Time for which it waits for a lock.
    busy_timeout: Duration,
    waits_for_locks: bool,
    in_memory: bool,
    /// The original of which its database is a copy.
    pub(super) original: Option<CopiedDatabase>,
}

impl SqliteSession {
    /// Opens a connection, for whose commits `checkpoints` are made.
    pub(super) fn open(options: &OpenOptions, checkpoints: Option<Arc<Checkpoints>>) -> Result<Self> {
        let connection = options.open().map_err(error)?;
        let state = Arc::<SessionState>::default();
        let looked_at = Arc::clone(&state);
        let handler = move || looked_at.is_to_stop();
        connection.progress_handler(STEPS, Some(handler)).map_err(error)?;
        let changed = Arc::clone(&state);
        let hook = move |action, _: &str, table: &str, _| changed.changed(action, table);
        connection.update_hook(Some(hook)).map_err(error)?;
        if checkpoints.is_some() {
            connection.wal_hook(Some(checkpoint::note));
        }
        let mut session = Self {
            connection,
            state,
            capacity: options.statement_cache_capacity,
            known: KnownStatements::default(),
            commits_quickly: false,
            checkpoints,
            is_lagging: false,
            is_light: true,
            short_writes: 0,
            busy_timeout: options.busy_timeout,
            waits_for_locks: true,
            in_memory: options.in_memory,
            original: None,
        };
        session.read_settings()?;
        Ok(session)
    }

    /// Opens a connection to a copy of a database.
    pub(super) fn open_copy(original: &OpenOptions, copy: &OpenOptions, read_only: bool) -> Result<Self> {
        let mut session = Self::open(copy, None)?;
        let copied = CopiedDatabase::open(original, copy, read_only, &mut session.connection)?;
        session.original = Some(copied);
        Ok(session)
    }

    /// Copies the original again, if the database is a copy that is outdated.
    pub(super) fn renew(&mut self) -> Result<()> {
        match &mut self.original {
            Some(original) => original.renew(&mut self.connection),
            None => Ok(()),
        }
    }

    /// Prepares for work on the connection's thread, which may take long.
    pub(super) fn enter_thread(&mut self) -> Result<()> {
        self.wait_for_locks(true)?;
        if self.is_lagging && self.connection.is_autocommit() {
            // What fails is left to the next one: the log loses nothing.
            let _ = checkpoint(&self.connection);
            self.is_lagging = false;
        }
        Ok(())
    }

    /// Sets whether it waits for locks.
    pub(super) fn wait_for_locks(&mut self, waits: bool) -> Result<()> {
        if self.waits_for_locks != waits {
            let timeout = if waits { self.busy_timeout } else { Duration::ZERO };
            self.connection.busy_timeout(timeout).map_err(error)?;
            self.waits_for_locks = waits;
        }
        Ok(())
    }

    /// Runs text of this library without parameters, whose rows nobody wants.
    pub(super) fn run_own(&self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(error)
    }

    /// Notes that a text ran that is not known to be short, and may have changed the settings.
    pub(super) fn note_long(&mut self, sql: &str) -> Result<()> {
        self.is_light = false;
        if !is_plain(sql) && may_change_settings(sql) {
            self.read_settings()?;
        }
        Ok(())
    }

    fn read_settings(&mut self) -> Result<()> {
        let hooked = self.checkpoints.is_some();
        self.commits_quickly = commits_quickly(&self.connection, self.in_memory, hooked).map_err(error)?;
        let timeout = self
            .connection
            .query_row("PRAGMA busy_timeout", (), |row| row.get::<_, u32>(0));
        self.busy_timeout = Duration::from_millis(timeout.map_err(error)?.into());
        Ok(())
    }

    /// Closes it, which may take a while: the last connection to a file writes its write-ahead log back.
    pub(super) fn close(self) -> Result<()> {
        let closed = self.connection.close().map_err(|(_, why)| error(why));
        let original = self.original.map_or(Ok(()), CopiedDatabase::close);
        closed.and(original)
    }
}
