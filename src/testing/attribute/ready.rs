//! A database with its content, made once: by the first test of the first process that wants it.

use super::content::Content;
use super::lock::Lock;
use crate::config::{Config, SqliteMode};
use crate::database::Database;
use crate::error::{ErrorKind, Result};
use crate::sql::Dialect;
use crate::testing::admin::{Admin, with_connection};
use crate::testing::{create_database, drop_database};

/// Holds one row from the moment the database is complete.
const MARKER: &str = "_ebbtide_setup";

/// Makes the database that `config` names, unless it is there and complete. Other processes wait meanwhile; one that was
/// left half-made is dropped and made again.
pub(super) async fn ready(config: &Config, content: &Content, digest: &str) -> Result<()> {
    // Without a lock: that it is complete never changes. Whatever goes wrong here is told below.
    if is_complete(config, digest).await.unwrap_or(false) {
        return Ok(());
    }
    let lock = Lock::take(config, "setup").await?;
    let result = async {
        if is_complete(config, digest).await? {
            return Ok(());
        }
        drop_database(config).if_exists().await?;
        made(config, content, digest).await
    };
    let result = result.await;
    lock.release().await;
    result.map_err(|error| error.context(format_args!("cannot prepare {} for the tests", config.url())))
}

/// A new database with the content.
pub(super) async fn made(config: &Config, content: &Content, digest: &str) -> Result<()> {
    create_database(config).await?;
    let completed = with_connection(plain(config)?, async |database| {
        complete(database, content, digest).await
    });
    let completed = completed.await;
    if completed.is_err() {
        // What was wrong with the content is mended now, which gives it another name: nobody comes back to this one. That
        // the migration failed says more than what may fail at tidying up.
        let _ = drop_database(config).if_exists().await;
    }
    completed
}

/// Makes the content, and says so last.
async fn complete(database: &Database, content: &Content, digest: &str) -> Result<()> {
    content.apply(database).await?;
    database
        .execute(
            "CREATE TABLE _ebbtide_setup (hash VARCHAR(64) NOT NULL, done_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
            (),
        )
        .await?;
    database
        .execute("INSERT INTO _ebbtide_setup (hash) VALUES (?)", (digest,))
        .await
        .map(std::mem::drop)
}

async fn is_complete(config: &Config, digest: &str) -> Result<bool> {
    let mut config = plain(config)?;
    if config.dialect() == Dialect::Sqlite {
        // Looking for a file must not make it.
        config = config.sqlite_mode(SqliteMode::ReadWrite);
    }
    let found = with_connection(config, async |database| {
        database
            .fetch_optional("SELECT hash FROM _ebbtide_setup", ())
            .value::<String>()
            .await
    });
    match found.await {
        Ok(found) => Ok(found.as_deref() == Some(digest)),
        Err(error) if matches!(error.kind(), ErrorKind::DatabaseNotFound | ErrorKind::UndefinedObject) => Ok(false),
        Err(error) => Err(error),
    }
}

/// One connection, without what only the application wants.
fn plain(config: &Config) -> Result<Config> {
    let admin = Admin::new(config)?;
    Ok(admin.seen_from(config.url().database()))
}

/// Whether a table is the runner's or sqlx's own.
pub(super) fn is_ours(table: &str) -> bool {
    table == MARKER || table == "_sqlx_migrations"
}
