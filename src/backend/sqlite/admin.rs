//! Creates, finds and drops SQLite databases: a file, with up to three side files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::backend::rules::{Admin, Administration, CreateOptions, unusable};
#[cfg(feature = "macros")]
use crate::backend::rules::{AdminSession, DatabaseLock, LOCK_LIMIT, LockName, held_too_long};
#[cfg(feature = "macros")]
use crate::config::Settings;
use crate::config::{Config, SqliteMode};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{IntoParams, Params};

/// First bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Suffixes of the files that SQLite creates next to a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

#[derive(Debug)]
pub(super) struct SqliteAdministration;

impl Administration for SqliteAdministration {
    fn wrong_name(&self, _name: &str) -> Option<String> {
        // It is the path of a file; the file system answers.
        None
    }

    fn exists<'a>(&'a self, admin: &'a Admin) -> BoxFuture<'a, Result<bool>> {
        exists(admin).boxed()
    }

    fn create<'a>(
        &'a self,
        admin: &'a Admin,
        options: &'a CreateOptions,
        _if_missing: bool,
    ) -> BoxFuture<'a, Result<bool>> {
        create(admin, options).boxed()
    }

    fn drop<'a>(&'a self, admin: &'a Admin) -> BoxFuture<'a, Result<bool>> {
        drop(admin).boxed()
    }

    #[cfg(feature = "macros")]
    fn copies(&self) -> bool {
        true
    }

    #[cfg(feature = "macros")]
    fn lock<'a>(&'a self, admin: &'a Admin, name: &'a LockName<'a>) -> BoxFuture<'a, Result<DatabaseLock>> {
        lock(&admin.config, name.purpose).boxed()
    }

    #[cfg(feature = "macros")]
    fn tables(&self) -> &'static str {
        "SELECT schema, name FROM pragma_table_list \
         WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1, 2"
    }

    #[cfg(feature = "macros")]
    fn empty<'a>(
        &'a self,
        session: &'a dyn AdminSession,
        settings: &'a Settings,
        tables: &'a [String],
    ) -> BoxFuture<'a, Result<()>> {
        empty(session, settings, tables).boxed()
    }
}

async fn exists(admin: &Admin) -> Result<bool> {
    let path = path(&admin.config)?;
    blocking(move || match fs::metadata(&path) {
        Ok(found) if found.is_dir() => Err(is_directory(&path)),
        Ok(_) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(io_error(&path, error)),
    })
    .await
}

async fn create(admin: &Admin, create_options: &CreateOptions) -> Result<bool> {
    let path = path(&admin.config)?;
    let encoding = create_options.encoding.as_deref().map(encoding).transpose()?;
    if encoding.is_some() && create_options.template.is_some() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "a copy of a SQLite file has the encoding of its template",
        )
        .help("leave `encoding` or `template` out"));
    }
    let reserved = path.clone();
    blocking(move || reserve(&reserved)).await?;
    let filled = match &create_options.template {
        Some(template) => copy(admin, template, &path).await,
        None => begin(admin, encoding).await,
    };
    if filled.is_err() {
        // The incomplete file is useless. The error says why it is incomplete.
        let _ = blocking(move || remove(&path)).await;
    }
    filled.map(|()| true)
}

/// Creates the empty file. If two callers create it at the same time, one gets the error that it exists.
fn reserve(path: &Path) -> Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(_) if path.is_dir() => Err(is_directory(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("the file {} already exists", path.display());
            Err(Error::new(ErrorKind::DuplicateObject, message)
                .help("`if_missing()` accepts it as it is")
                .with_source(error))
        }
        Err(error) if is_missing(&error) => {
            let message = format!("cannot create the file {}: {error}", path.display());
            Err(Error::new(ErrorKind::DatabaseNotFound, message)
                .help("its directory does not exist")
                .with_source(error))
        }
        Err(error) => Err(io_error(path, error)),
    }
}

/// Writes the header of a new database, which fixes its encoding. The journal mode is left to the first user.
async fn begin(admin: &Admin, encoding: Option<&'static str>) -> Result<()> {
    let mut config = admin
        .seen_from(admin.config.url().database())
        .sqlite_mode(SqliteMode::ReadWriteCreate)
        .immutable(false)
        .journal_mode("delete");
    config.settings.server_settings.clear();
    let sql = match encoding {
        None => "PRAGMA user_version = 0".to_owned(),
        // SQLite writes the encoding only when a table is created.
        Some(encoding) => {
            format!("PRAGMA encoding = '{encoding}'; CREATE TABLE first (x); DROP TABLE first; VACUUM")
        }
    };
    once(admin, config, sql, Params::default()).await
}

/// Runs one statement in a session of its own.
async fn once(admin: &Admin, config: Config, sql: String, params: Params) -> Result<()> {
    let session = (admin.open)(config).await?;
    let ran = session.run(sql, params).await;
    session.close().await;
    ran
}

/// Copies the current state of a database, including the contents of its write-ahead log.
async fn copy(admin: &Admin, template: &str, path: &Path) -> Result<()> {
    let mut config = admin
        .seen_from(Some(template))
        .sqlite_mode(SqliteMode::ReadWrite)
        .immutable(false);
    config.settings.journal_mode = None;
    config.settings.server_settings.clear();
    if config.url().is_memory() {
        return Err(unusable(format!("the template {template:?} is not a file")).help("give the path of a file"));
    }
    let path = path.to_string_lossy().into_owned();
    once(admin, config, "VACUUM INTO ?".to_owned(), (path,).into_params()?).await
}

async fn drop(admin: &Admin) -> Result<bool> {
    let path = path(&admin.config)?;
    blocking(move || {
        match is_database(&path) {
            Ok(true) => {}
            Ok(false) => {
                let message = format!("{} is not a SQLite database; it was not changed", path.display());
                return Err(Error::new(ErrorKind::DatabaseNotFound, message).help("is the path right?"));
            }
            Err(error) if is_missing(&error) => return Ok(false),
            Err(_) if path.is_dir() => return Err(is_directory(&path)),
            Err(error) => return Err(io_error(&path, error)),
        }
        remove(&path).map(|()| true)
    })
    .await
}

/// Returns whether a file is a SQLite database: a wrong path must not delete another file.
fn is_database(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok(head.is_empty() || head == MAGIC)
}

/// Removes a file and its side files: SQLite would take leftover side files for those of a new database.
fn remove(path: &Path) -> Result<()> {
    // The side files are next to the file itself, not next to a link to it.
    let file = fs::canonicalize(path).map_err(|error| io_error(path, error))?;
    remove_one(&file)?;
    for end in BESIDE {
        let mut beside = OsString::from(&file);
        beside.push(end);
        remove_one(Path::new(&beside))?;
    }
    // If the path is a link, the link is left.
    remove_one(path)
}

fn remove_one(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path, error)),
        _ => Ok(()),
    }
}

fn path(config: &Config) -> Result<PathBuf> {
    let path = config
        .url()
        .sqlite_path()
        .ok_or_else(|| unusable(format!("{} names no file", config.url())))?;
    // Only the absolute path helps a user to find the file.
    Ok(std::path::absolute(&path).unwrap_or(path))
}

/// Returns SQLite's name of an encoding.
fn encoding(wanted: &str) -> Result<&'static str> {
    const KNOWN: [&str; 4] = ["UTF-8", "UTF-16", "UTF-16le", "UTF-16be"];
    let plain = |word: &str| word.replace('-', "").to_ascii_lowercase();
    KNOWN
        .into_iter()
        .find(|known| plain(known) == plain(wanted))
        .ok_or_else(|| {
            unusable(format!("SQLite does not support the encoding {wanted:?}"))
                .help(format!("it supports {}", KNOWN.join(", ")))
        })
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn is_directory(path: &Path) -> Error {
    let message = format!("{} is a directory", path.display());
    Error::new(ErrorKind::DatabaseNotFound, message).help("name the file in it")
}

/// Converts an error of the file system.
fn io_error(path: &Path, error: io::Error) -> Error {
    let (kind, help) = match error.kind() {
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Permission,
            "may this program read and write the file and its directory?",
        ),
        io::ErrorKind::ReadOnlyFilesystem => (ErrorKind::ReadOnly, "the file system is read-only"),
        io::ErrorKind::NotFound => (ErrorKind::DatabaseNotFound, "is the path right?"),
        _ => (ErrorKind::Database, "see the error message of the operating system"),
    };
    Error::new(kind, format!("{}: {error}", path.display()))
        .help(help)
        .with_source(error)
}

/// Runs file system calls outside the runtime's threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::new(ErrorKind::Driver, "the runtime was shut down meanwhile").with_source(error)),
    }
}

#[cfg(feature = "macros")]
async fn empty(session: &dyn AdminSession, settings: &Settings, tables: &[String]) -> Result<()> {
    let counted = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'";
    let counted = session.rows(counted, Params::default()).await?;
    let counted: i64 = counted.first().map_or(Ok(0), |row| row.get(0))?;
    // The pragma has no effect inside a transaction.
    let mut sql = "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; ".to_owned();
    for table in tables {
        sql.extend(["DELETE FROM ", table, "; "]);
    }
    if counted > 0 {
        sql += "DELETE FROM sqlite_sequence; ";
    }
    sql += "COMMIT; ";
    if settings.foreign_keys {
        sql += "PRAGMA foreign_keys = ON";
    }
    session.run(sql, Params::default()).await
}

/// Locks a file next to the database.
#[cfg(feature = "macros")]
async fn lock(config: &Config, purpose: &str) -> Result<DatabaseLock> {
    let mut path = config.url().sqlite_path().unwrap_or_default().into_os_string();
    path.push(format!(".{purpose}.lock"));
    let path = PathBuf::from(path);
    let place = path.display().to_string();
    let waiting = tokio::task::spawn_blocking(move || {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok::<_, io::Error>(file)
    });
    match tokio::time::timeout(LOCK_LIMIT, waiting).await {
        Ok(Ok(Ok(file))) => Ok(DatabaseLock::File(file)),
        Ok(Ok(Err(error))) => {
            let message = format!("the file {place} cannot be locked: {error}");
            Err(Error::new(ErrorKind::DatabaseNotFound, message)
                .help("does its folder exist, and may this program write there?")
                .with_source(error))
        }
        Ok(Err(error)) => Err(Error::new(ErrorKind::Driver, "the runtime was shut down meanwhile").with_source(error)),
        Err(_) => Err(held_too_long()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k2_encodings_are_known_by_any_spelling() {
        assert_eq!(encoding("utf8").unwrap(), "UTF-8");
        assert_eq!(encoding("Utf-16LE").unwrap(), "UTF-16le");
        assert_eq!(encoding("latin1").unwrap_err().kind(), ErrorKind::Config);
    }
}
