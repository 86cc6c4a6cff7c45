//! The options for opening a database.

use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::backend::sqlite::{MEMORY_VFS, copy_pragmas, new_memory_name, opening};
use crate::config::{Config, SqliteMode};
use crate::error::Result;
use crate::url::percent_encoded;

/// The options for opening a database.
#[derive(Clone, Debug)]
pub(super) struct OpenOptions {
    /// A path, or a URI.
    pub(super) name: String,
    flags: OpenFlags,
    vfs: Option<String>,
    pub(super) busy_timeout: Duration,
    pub(super) statement_cache_capacity: usize,
    /// The text that sets up the session.
    pub(super) set_up: String,
    /// Whether the database has no file.
    pub(super) in_memory: bool,
}

impl OpenOptions {
    /// Returns the options of a configuration. A database in memory gets a name that no other `Database` has.
    pub(super) fn of(config: &Config) -> Result<Self> {
        let settings = config.settings();
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut options = if config.url().is_memory() {
            flags |= OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
            Self::named(config, new_memory_name(), Some(MEMORY_VFS.to_owned()))
        } else {
            let path = config.url().sqlite_path().unwrap_or_default();
            flags |= match settings.sqlite_mode {
                SqliteMode::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
                SqliteMode::ReadWriteCreate => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
                _ => OpenFlags::SQLITE_OPEN_READ_WRITE,
            };
            if settings.shared_cache {
                flags |= OpenFlags::SQLITE_OPEN_SHARED_CACHE;
            }
            let mut name = path.to_string_lossy().into_owned();
            if settings.immutable {
                flags |= OpenFlags::SQLITE_OPEN_URI;
                name = format!("file:{}?immutable=1", percent_encoded(&name));
            }
            Self::named(config, name, settings.vfs.as_deref().map(str::to_owned))
        };
        options.flags = flags;
        options.in_memory = config.url().is_memory();
        options.set_up = opening(config)?;
        Ok(options)
    }

    /// Returns the options of a copy in memory of the database that a configuration names.
    pub(super) fn of_copy(config: &Config) -> Result<Self> {
        let mut options = Self::named(config, ":memory:".to_owned(), None);
        let foreign_keys = if config.settings().foreign_keys { "ON" } else { "OFF" };
        options.set_up = format!("PRAGMA foreign_keys = {foreign_keys}; {}", copy_pragmas(config)?);
        Ok(options)
    }

    /// Returns the options for reading the original of copies: with a cache of its own.
    pub(super) fn for_original(&self) -> Self {
        let mut options = self.clone();
        options.flags.remove(OpenFlags::SQLITE_OPEN_SHARED_CACHE);
        options
    }

    /// Returns whether the connection uses the cache of others.
    pub(super) fn shares_cache(&self) -> bool {
        self.flags.contains(OpenFlags::SQLITE_OPEN_SHARED_CACHE)
    }

    /// Returns the options for checkpoints of the file.
    pub(super) fn for_checkpoints(&self, config: &Config) -> Self {
        let mut options = self.clone();
        // A file that was removed meanwhile must not come back.
        options.flags.remove(OpenFlags::SQLITE_OPEN_CREATE);
        options.flags.remove(OpenFlags::SQLITE_OPEN_SHARED_CACHE);
        options.busy_timeout = Duration::ZERO;
        options.set_up = match config.effective_synchronous() {
            Some(synchronous) => format!("PRAGMA synchronous = {synchronous}"),
            None => String::new(),
        };
        options
    }

    fn named(config: &Config, name: String, vfs: Option<String>) -> Self {
        let settings = config.settings();
        Self {
            name,
            flags: OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            vfs,
            busy_timeout: settings.busy_timeout,
            statement_cache_capacity: settings.statement_cache_capacity,
            set_up: String::new(),
            in_memory: true,
        }
    }

    /// Opens the database and sets up the session.
    pub(super) fn open(&self) -> rusqlite::Result<Connection> {
        let connection = self.open_bare()?;
        connection.execute_batch(&self.set_up)?;
        Ok(connection)
    }

    /// Opens the database without setting up the session.
    pub(super) fn open_bare(&self) -> rusqlite::Result<Connection> {
        let connection = match &self.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(&self.name, self.flags, vfs.as_str())?,
            None => Connection::open_with_flags(&self.name, self.flags)?,
        };
        connection.busy_timeout(self.busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(self.statement_cache_capacity);
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> OpenOptions {
        OpenOptions::of(&Config::from_url(url).unwrap()).unwrap()
    }

    #[test]
    fn d1_the_session_has_the_settings_in_the_order_that_sqlite_needs() {
        let options = options("sqlite+rusqlite://a.db?foreign_keys=off&cache_size=-7&page_size=8192");
        assert_eq!(
            options.set_up,
            "PRAGMA page_size = 8192; PRAGMA journal_mode = 'wal'; PRAGMA foreign_keys = 'OFF'; \
             PRAGMA synchronous = 'normal'; PRAGMA cache_size = -7; "
        );
        assert_eq!(options.name, "a.db");
    }

    #[test]
    fn d1_checkpoints_and_copies_have_caches_of_their_own() {
        let config = Config::from_url("sqlite+rusqlite://a.db?shared_cache=true").unwrap();
        let options = OpenOptions::of(&config).unwrap();
        assert!(options.shares_cache());
        assert!(!options.for_original().shares_cache() && !options.for_checkpoints(&config).shares_cache());
    }

    #[test]
    fn d1_a_database_in_memory_has_a_name_of_its_own() {
        let (one, other) = (options("sqlite+rusqlite::memory:"), options("sqlite+rusqlite::memory:"));
        assert_ne!(one.name, other.name);
        assert_eq!(one.vfs.as_deref(), Some(MEMORY_VFS));
    }
}
