//! A database with its content, created once, by the first test of the first process that needs it.

use super::content::TestContent;
use super::lock::NameLock;
use crate::config::{Config, SqliteMode};
use crate::database::Database;
use crate::error::{ErrorKind, Result};
use crate::testing::admin::{Admin, with_connection};
use crate::testing::{create_database, drop_database};

/// Name of the table that contains one row as soon as the database is complete.
const MARKER: &str = "_ebbtide_setup";

/// Creates the database that `config` names, unless it exists and is complete. Other processes wait meanwhile. An
/// incomplete one is dropped and recreated.
pub(super) async fn ready(config: &Config, content: &TestContent, digest: &str) -> Result<()> {
    // No lock is needed: a complete database stays complete. The code below reports any error of this check.
    if is_complete(config, digest).await.unwrap_or(false) {
        return Ok(());
    }
    let lock = NameLock::take(config, "setup").await?;
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

/// Creates a new database with the content.
pub(super) async fn made(config: &Config, content: &TestContent, digest: &str) -> Result<()> {
    create_database(config).await?;
    let completed = with_connection(plain(config)?, async |database| {
        complete(database, content, digest).await
    });
    let completed = completed.await;
    if completed.is_err() {
        // Once the content is fixed, its database has another name, so this one would never be used again. The error of
        // the migration is more useful than one of this cleanup.
        let _ = drop_database(config).if_exists().await;
    }
    completed
}

/// Creates the content, and marks the database as complete at the end.
async fn complete(database: &Database, content: &TestContent, digest: &str) -> Result<()> {
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
    if !config.url().is_served() {
        // The check must not create the file.
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

/// Returns settings for one connection, without the application's own.
fn plain(config: &Config) -> Result<Config> {
    let admin = Admin::new(config)?;
    Ok(admin.seen_from(config.url().database()))
}

/// Returns whether a table belongs to the runner or to sqlx.
pub(super) fn is_ours(table: &str) -> bool {
    table == MARKER || table == "_sqlx_migrations"
}
