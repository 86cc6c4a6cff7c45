//! The database that a configuration names, and why it cannot be opened.

use std::path::Path;

use crate::config::{Config, SqliteMode};
use crate::error::{Error, ErrorKind};

/// Returns the database that is opened, for messages.
fn place(config: &Config) -> String {
    match config.url().sqlite_path() {
        // A path relative to the working directory does not help someone who looks for the file.
        Some(path) => std::path::absolute(&path).unwrap_or(path).display().to_string(),
        None => "the database in memory".to_owned(),
    }
}

/// Returns the error for a database that could not be opened because of `error`.
pub(in crate::backend) fn not_opened(config: &Config, error: Error) -> Error {
    let place = place(config);
    if error.kind() != ErrorKind::DatabaseNotFound {
        return error.context(format!("opening {place} failed"));
    }
    let message = format!("cannot open {place}: {}", error.message());
    let code = error.sqlstate().unwrap_or_default().to_owned();
    let opened = Error::new(ErrorKind::DatabaseNotFound, message).with_code(code);
    opened.help(missing_help(config)).with_source(error)
}

/// Returns the reason why a file could not be opened, as far as the file system shows it.
fn missing_help(config: &Config) -> &'static str {
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
}
