//! Locks between processes: one creates or empties a database while the others wait.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha384};
use sqlx::AssertSqlSafe;

use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;
use crate::testing::admin::Admin;
use crate::testing::postgres;

/// Time limit for waiting for other processes.
const PATIENCE: Duration = Duration::from_mins(2);

/// A lock on a name. It ends with the process at the latest.
pub(super) enum NameLock {
    /// An advisory lock, held by the only session of this database.
    Session(Database),
    /// A lock on a file that serves only as a lock.
    File(#[allow(dead_code, reason = "held until it is dropped")] File),
    /// No lock: other processes cannot see a database in memory.
    None,
}

impl NameLock {
    /// Takes the lock of this database for this purpose.
    pub(super) async fn take(config: &Config, purpose: &str) -> Result<Self> {
        let taken = if config.url().is_memory() {
            Ok(Self::None)
        } else {
            match config.dialect() {
                Dialect::Postgres => advisory(config, purpose).await,
                Dialect::MySql => named(config, purpose).await,
                Dialect::Sqlite => file(config, purpose).await,
            }
        };
        taken.map_err(|error| error.context(format_args!("cannot lock {} for {purpose}", config.url())))
    }

    pub(super) async fn release(self) {
        if let Self::Session(session) = self {
            // The lock ends with the session, even if closing it fails.
            let _ = session.disconnect_now().await;
        }
    }
}

/// Returns the number of the lock.
fn digest(config: &Config, purpose: &str) -> u128 {
    let name = config.url().database().unwrap_or_default();
    let hash = Sha384::digest(format!("ebbtide {purpose} {name}"));
    hash.iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte))
}

async fn advisory(config: &Config, purpose: &str) -> Result<NameLock> {
    // Advisory locks are per database, so all processes have to connect to the same one.
    let session = postgres::connect(&held(config)?, None).await?;
    let sql = format!(
        "SET lock_timeout = {}; SELECT pg_catalog.pg_advisory_lock({})",
        PATIENCE.as_millis(),
        digest(config, purpose) as i64
    );
    session.execute(AssertSqlSafe(sql), ()).await.map_err(|error| {
        if error.kind() == ErrorKind::LockTimeout {
            return held_too_long();
        }
        error
    })?;
    Ok(NameLock::Session(session))
}

async fn named(config: &Config, purpose: &str) -> Result<NameLock> {
    let session = Database::connect(held(config)?.seen_from(None)).await?;
    // MySQL's limit is 64 characters.
    let name = format!("ebbtide:{:032x}", digest(config, purpose));
    let taken: Option<i64> = session
        .fetch_value("SELECT GET_LOCK(?, ?)", (name, PATIENCE.as_secs() as i64))
        .await?;
    match taken {
        Some(1) => Ok(NameLock::Session(session)),
        _ => Err(held_too_long()),
    }
}

/// Returns settings for a session that lasts as long as the lock.
fn held(config: &Config) -> Result<Admin> {
    Admin::new(config.clone().idle_timeout(None).pool_recycle(None))
}

async fn file(config: &Config, purpose: &str) -> Result<NameLock> {
    let mut path = config.url().sqlite_path().unwrap_or_default().into_os_string();
    path.push(format!(".{purpose}.lock"));
    let path = PathBuf::from(path);
    let place = path.display().to_string();
    let waiting = tokio::task::spawn_blocking(move || {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    });
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(Ok(Ok(file))) => Ok(NameLock::File(file)),
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

fn held_too_long() -> Error {
    Error::new(
        ErrorKind::LockTimeout,
        format!("another process has held the lock for {PATIENCE:?}"),
    )
    .help("is another run of the tests stopped in a debugger? end that run to release its locks")
}
