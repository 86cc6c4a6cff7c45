//! SQLite: a database is a file, with up to three others beside it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sqlx::AssertSqlSafe;

use super::admin::{Admin, Wishes, with_connection};
use super::name;
use crate::config::{Config, SqliteMode};
use crate::error::{Error, ErrorKind, Result};

/// What every file of SQLite begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What SQLite puts beside a file.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

pub(super) async fn exists(admin: &Admin) -> Result<bool> {
    let path = path(&admin.config)?;
    blocking(move || match fs::metadata(&path) {
        Ok(found) if found.is_dir() => Err(is_directory(&path)),
        Ok(_) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(told(&path, error)),
    })
    .await
}

pub(super) async fn create(admin: &Admin, wishes: &Wishes) -> Result<bool> {
    let path = path(&admin.config)?;
    let encoding = wishes.encoding.as_deref().map(encoding).transpose()?;
    if encoding.is_some() && wishes.template.is_some() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "a copy of a SQLite file has the encoding of its template",
        )
        .help("leave `encoding` or `template` out"));
    }
    let reserved = path.clone();
    blocking(move || reserve(&reserved)).await?;
    let filled = match &wishes.template {
        Some(template) => copy(admin, template, &path).await,
        None => begin(admin, encoding).await,
    };
    if filled.is_err() {
        // What is left of it is of no use; why it was left is in the error.
        let _ = blocking(move || remove(&path)).await;
    }
    filled.map(|()| true)
}

/// Makes the empty file, so that of two who make it at once one is told that it is there.
fn reserve(path: &Path) -> Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(_) if path.is_dir() => Err(is_directory(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("the file {} is there already", path.display());
            Err(Error::new(ErrorKind::DuplicateObject, message)
                .help("`if_missing()` takes it as it is")
                .with_source(error))
        }
        Err(error) if is_missing(&error) => {
            let message = format!("cannot make the file {}: {error}", path.display());
            Err(Error::new(ErrorKind::DatabaseNotFound, message)
                .help("its directory does not exist")
                .with_source(error))
        }
        Err(error) => Err(told(path, error)),
    }
}

/// Writes the head of a new database, which fixes its encoding. The journal mode is left to whoever opens it.
async fn begin(admin: &Admin, encoding: Option<&'static str>) -> Result<()> {
    let mut config = admin
        .seen_from(admin.config.url().database())
        .sqlite_mode(SqliteMode::ReadWriteCreate)
        .immutable(false)
        .journal_mode("delete");
    config.settings.server_settings.clear();
    let sql = match encoding {
        None => "PRAGMA user_version = 0".to_owned(),
        // Only a table has the encoding written.
        Some(encoding) => {
            format!("PRAGMA encoding = '{encoding}'; CREATE TABLE first (x); DROP TABLE first; VACUUM")
        }
    };
    with_connection(config, async |file| {
        file.execute(AssertSqlSafe(sql), ()).await.map(std::mem::drop)
    })
    .await
}

/// Copies a database as it is at this moment, with what is still in its write-ahead log.
async fn copy(admin: &Admin, template: &str, path: &Path) -> Result<()> {
    let mut config = admin
        .seen_from(Some(template))
        .sqlite_mode(SqliteMode::ReadWrite)
        .immutable(false);
    config.settings.journal_mode = None;
    config.settings.server_settings.clear();
    if config.url().is_memory() {
        return Err(name::unusable(format!("the template {template:?} is no file")).help("name the path of a file"));
    }
    let path = path.to_string_lossy().into_owned();
    with_connection(config, async |file| {
        file.execute("VACUUM INTO ?", (path,)).await.map(std::mem::drop)
    })
    .await
}

pub(super) async fn drop(admin: &Admin) -> Result<bool> {
    let path = path(&admin.config)?;
    blocking(move || {
        match is_database(&path) {
            Ok(true) => {}
            Ok(false) => {
                let message = format!("{} is not a SQLite database; it was left alone", path.display());
                return Err(Error::new(ErrorKind::DatabaseNotFound, message).help("is the path right?"));
            }
            Err(error) if is_missing(&error) => return Ok(false),
            Err(_) if path.is_dir() => return Err(is_directory(&path)),
            Err(error) => return Err(told(&path, error)),
        }
        remove(&path).map(|()| true)
    })
    .await
}

/// Whether a file is one of SQLite's: a wrong path must not cost anyone another file.
fn is_database(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok(head.is_empty() || head == MAGIC)
}

/// Removes a file and those beside it: left there, they would be taken for those of the next one.
fn remove(path: &Path) -> Result<()> {
    // They lie beside the file itself, not beside a link to it.
    let file = fs::canonicalize(path).map_err(|error| told(path, error))?;
    remove_one(&file)?;
    for end in BESIDE {
        let mut beside = OsString::from(&file);
        beside.push(end);
        remove_one(Path::new(&beside))?;
    }
    // If it was a link, that is left.
    remove_one(path)
}

fn remove_one(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(told(path, error)),
        _ => Ok(()),
    }
}

fn path(config: &Config) -> Result<PathBuf> {
    let path = config
        .url()
        .sqlite_path()
        .ok_or_else(|| name::unusable(format!("{} names no file", config.url())))?;
    // Someone who looks for the file is helped by the whole path only.
    Ok(std::path::absolute(&path).unwrap_or(path))
}

/// SQLite's word for an encoding.
fn encoding(wanted: &str) -> Result<&'static str> {
    const KNOWN: [&str; 4] = ["UTF-8", "UTF-16", "UTF-16le", "UTF-16be"];
    let plain = |word: &str| word.replace('-', "").to_ascii_lowercase();
    KNOWN
        .into_iter()
        .find(|known| plain(known) == plain(wanted))
        .ok_or_else(|| {
            name::unusable(format!("SQLite has no encoding {wanted:?}")).help(format!("it has {}", KNOWN.join(", ")))
        })
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn is_directory(path: &Path) -> Error {
    let message = format!("{} is a directory", path.display());
    Error::new(ErrorKind::DatabaseNotFound, message).help("name the file in it")
}

/// What the file system says.
fn told(path: &Path, error: io::Error) -> Error {
    let (kind, help) = match error.kind() {
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Permission,
            "may this program read and write the file and its directory?",
        ),
        io::ErrorKind::ReadOnlyFilesystem => (ErrorKind::ReadOnly, "the file system can only be read"),
        io::ErrorKind::NotFound => (ErrorKind::DatabaseNotFound, "is the path right?"),
        _ => (ErrorKind::Database, "see the error of the system"),
    };
    Error::new(kind, format!("{}: {error}", path.display()))
        .help(help)
        .with_source(error)
}

/// Keeps the file system's waiting off the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::new(ErrorKind::Driver, "the runtime was shut down meanwhile").with_source(error)),
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
