//! The options for opening a database, from the configuration to sqlx's options.

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::pragma::{literal, named, unknown};
use crate::config::{Config, SqliteMode};
use crate::error::Result;

/// Number of rows that the thread of the connection reads ahead. With fewer it waits for the reader again and again.
const ROWS_AHEAD: usize = 1024;

/// Returns the options to open the database with. A database in memory gets its name from the connector.
pub(super) fn connect_options(config: &Config) -> Result<SqliteConnectOptions> {
    let settings = config.settings();
    let mut options = SqliteConnectOptions::new()
        .read_only(settings.sqlite_mode == SqliteMode::ReadOnly)
        .create_if_missing(settings.sqlite_mode == SqliteMode::ReadWriteCreate)
        .foreign_keys(settings.foreign_keys)
        .busy_timeout(settings.busy_timeout)
        .statement_cache_capacity(settings.statement_cache_capacity)
        .shared_cache(settings.shared_cache)
        .immutable(settings.immutable)
        .row_buffer_size(ROWS_AHEAD)
        .disable_statement_logging();
    if let Some(path) = config.url().sqlite_path() {
        options = options.filename(path);
    }
    if let Some(vfs) = &settings.vfs {
        options = options.vfs(vfs.clone());
    }
    if let Some(mode) = config.effective_journal_mode() {
        options = options.journal_mode(
            mode.parse::<SqliteJournalMode>()
                .map_err(|_| unknown("journal_mode", mode))?,
        );
    }
    if let Some(when) = config.effective_synchronous() {
        options = options.synchronous(
            when.parse::<SqliteSynchronous>()
                .map_err(|_| unknown("synchronous", when))?,
        );
    }
    for (name, value) in &settings.server_settings {
        options = options.pragma(named(name)?.to_owned(), literal(value));
    }
    Ok(options)
}

/// Returns the options for a connection to a copy in memory, without what [`copy_pragmas`](super::pragma::copy_pragmas) sets.
pub(super) fn copy_options(config: &Config) -> SqliteConnectOptions {
    let settings = config.settings();
    SqliteConnectOptions::new()
        .filename(":memory:")
        .foreign_keys(settings.foreign_keys)
        .busy_timeout(settings.busy_timeout)
        .statement_cache_capacity(settings.statement_cache_capacity)
        .row_buffer_size(ROWS_AHEAD)
        .disable_statement_logging()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(url: &str) -> Config {
        Config::from_url(url).unwrap()
    }

    #[test]
    fn u6_the_file_is_the_one_of_the_url() {
        let options = connect_options(&config("sqlite://data/app.db?journal_mode=delete&busy_timeout=1s")).unwrap();
        assert_eq!(options.get_filename(), Path::new("data/app.db"));
    }
}
