//! The options for opening a database, from the configuration to sqlx's options.

use std::path::Path;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::pragma::{literal, named};
use crate::config::{Config, SqliteMode};
use crate::error::{Error, ErrorKind, Result};

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

/// Returns the options for a connection to a copy in memory, without what [`copy_pragmas`] sets.
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

/// Returns the text that gives a copy the settings of the configuration. It leaves out how a file is shared and its
/// journal kept: a copy has one connection, and without its journal in memory it could not be rolled back.
pub(super) fn copy_pragmas(config: &Config) -> Result<String> {
    let synchronous = config.effective_synchronous().map(|when| ("synchronous", when));
    let settings = &config.settings().server_settings;
    let given = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let of_a_file = ["journal_mode", "locking_mode"];
    synchronous
        .into_iter()
        .chain(given)
        .filter(|(name, _)| !of_a_file.iter().any(|left_out| name.eq_ignore_ascii_case(left_out)))
        .map(|(name, value)| Ok(format!("PRAGMA {} = {}; ", named(name)?, literal(value))))
        .collect()
}

fn unknown(name: &str, value: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{name}: SQLite does not support {value:?}"))
}

/// Returns the database that is opened, for messages.
pub(super) fn place(config: &Config) -> String {
    match config.url().sqlite_path() {
        // A path relative to the working directory does not help someone who looks for the file.
        Some(path) => std::path::absolute(&path).unwrap_or(path).display().to_string(),
        None => "the database in memory".to_owned(),
    }
}

/// Returns the reason why a file could not be opened, as far as the file system shows it.
pub(super) fn missing_help(config: &Config) -> &'static str {
    let Some(path) = config.url().sqlite_path() else {
        return "see the error message of the operating system";
    };
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    if path.is_dir() {
        "the path is a directory"
    } else if !directory.is_dir() {
        "its directory does not exist"
    } else if !path.exists() && config.settings().sqlite_mode != SqliteMode::ReadWriteCreate {
        "the file does not exist, and `mode=ro` and `mode=rw` do not create it; `mode=rwc` does"
    } else {
        "may this program read and write the file and its directory?"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Config {
        Config::from_url(url).unwrap()
    }

    #[test]
    fn u6_errors_print_the_whole_path_that_was_tried() {
        let place = place(&config("sqlite://data/app.db"));
        assert!(place.ends_with("data/app.db") && place.starts_with('/'), "{place}");
        assert!(missing_help(&config("sqlite:///nowhere/app.db")).contains("directory does not exist"));
        assert!(missing_help(&config("sqlite://no-such-file.db?mode=rw")).contains("mode=rwc"));
    }

    #[test]
    fn f10_a_copy_has_the_settings_but_for_those_of_a_file() {
        let settings = "sqlite:app.db?journal_mode=off&synchronous=off&cache_size=-7&locking_mode=exclusive";
        let pragmas = copy_pragmas(&config(settings)).unwrap();
        assert_eq!(
            pragmas.to_lowercase(),
            "pragma synchronous = 'off'; pragma cache_size = -7; "
        );
    }

    #[test]
    fn u6_the_file_is_the_one_of_the_url() {
        let options = connect_options(&config("sqlite://data/app.db?journal_mode=delete&busy_timeout=1s")).unwrap();
        assert_eq!(options.get_filename(), Path::new("data/app.db"));
    }
}
