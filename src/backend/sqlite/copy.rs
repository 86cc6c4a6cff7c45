//! A private copy of a database, in memory.
//!
//! A database of SQLite has one writer, so two transactions that never commit would wait for each other. Here each
//! connection works on a copy of its own instead. The copy is the image of the file, page by page, so that nothing is
//! renumbered or lost. A second connection, which only reads, tells whether the original has changed since:
//! `PRAGMA data_version` differs when another connection has committed, in a file, under WAL and in memory alike
//! (<https://www.sqlite.org/pragma.html#pragma_data_version>).
//!
//! A copy takes as much memory as the database, and SQLite lets it grow to 1 GiB. A connection takes one image in UTF-16 only,
//! so with such a database a change of the original costs the connection: [`RawConnection::renew`] ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteOwnedBuf};
use sqlx::{ConnectOptions, Connection, Executor, SqlStr, Sqlite};

use super::errors::{connect_error, error};
use super::memory::Anchor;
use super::options::{copy_options, copy_pragmas};

use crate::backend::support::definitions::Definitions;
use crate::backend::support::sqlx::{Original, SqlxConnection, own_sql};
use crate::backend::{Connector, RawConnection};
use crate::config::{Config, SqliteMode};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// Where a file says whether it is read and written by way of a WAL.
const FORMAT_VERSIONS: std::ops::Range<usize> = 18..20;
/// The format of a file without a WAL, which a database in memory cannot have.
const WITHOUT_WAL: u8 = 1;

/// Makes connections that each have a copy of one database.
#[derive(Debug)]
pub(super) struct CopyConnector {
    config: Config,
    original: SqliteConnectOptions,
    copy: CopyOptions,
    /// Keeps an original in memory alive.
    _anchor: Option<Anchor>,
}

/// How a copy is opened and set.
#[derive(Clone, Debug)]
struct CopyOptions {
    connect: SqliteConnectOptions,
    pragmas: SqlStr,
    read_only: bool,
}

impl CopyConnector {
    /// Copies the database that `original` opens.
    pub(super) fn new(config: &Config, original: SqliteConnectOptions, anchor: Option<Anchor>) -> Result<Self> {
        let copy = CopyOptions {
            connect: copy_options(config),
            pragmas: own_sql(copy_pragmas(config)?),
            read_only: config.settings().sqlite_mode == SqliteMode::ReadOnly,
        };
        Ok(Self {
            config: config.clone(),
            // Only a handful of statements are run on it, and they must stay prepared.
            original: original
                .shared_cache(false)
                .statement_cache_capacity(8)
                .row_buffer_size(8),
            copy,
            _anchor: anchor,
        })
    }
}

impl Connector for CopyConnector {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn runtime_bound(&self) -> bool {
        false
    }

    fn place(&self) -> String {
        self.config.url().to_string()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let explain = |error| connect_error(&self.config, error);
            let original = self.original.connect().await.map_err(explain)?;
            let mut connection = self.copy.connect.connect().await.map_err(explain)?;
            let mut source = Source {
                original,
                copy: self.copy.clone(),
                copied: None,
                committed: note_commits(&mut connection).await?,
            };
            source.renew(&mut connection).await?;
            let persistent = self.config.settings().statement_cache_capacity > 0;
            let connection = SqlxConnection::<Sqlite>::new(connection, persistent, Definitions::default());
            let connection = connection.with_original(Box::new(source));
            Ok(Box::new(connection) as Box<dyn RawConnection>)
        })
    }
}

/// Sets the flag whenever something is committed on the connection. What a sandbox does is rolled back, which leaves the
/// copy as it was; a commit does not.
async fn note_commits(connection: &mut SqliteConnection) -> Result<Arc<AtomicBool>> {
    let committed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&committed);
    let mut handle = connection.lock_handle().await.map_err(error)?;
    handle.set_commit_hook(move || {
        flag.store(true, Ordering::Release);
        true
    });
    Ok(committed)
}

/// The original of one copy.
#[derive(Debug)]
struct Source {
    /// Looks at the original and never writes.
    original: SqliteConnection,
    copy: CopyOptions,
    /// Which version of the original was copied; `None` while the copy is being made.
    copied: Option<i64>,
    /// Whether something was committed to the copy.
    committed: Arc<AtomicBool>,
}

impl Source {
    async fn renew(&mut self, connection: &mut SqliteConnection) -> Result<()> {
        // Asked before the pages are read: what is committed in between is copied twice rather than never.
        let version = self.ask("PRAGMA data_version").await?;
        if self.copied == Some(version) && !self.committed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.copied = None;
        let image = self.image().await?;
        self.load(connection, image).await.map_err(not_copied)?;
        self.committed.store(false, Ordering::Release);
        self.copied = Some(version);
        Ok(())
    }

    async fn ask(&mut self, pragma: &'static str) -> Result<i64> {
        let answer = sqlx::query_scalar(pragma).fetch_one(&mut self.original).await;
        answer.map_err(error)
    }

    /// The pages of the original.
    async fn image(&mut self) -> Result<SqliteOwnedBuf> {
        if self.ask("PRAGMA page_count").await? == 0 {
            return self.empty_image().await;
        }
        let mut image = self.original.serialize(None).await.map_err(error)?;
        if let Some(versions) = image.get_mut(FORMAT_VERSIONS) {
            versions.fill(WITHOUT_WAL);
        }
        Ok(image)
    }

    /// An original without any page is left alone: to read it as an image would write its first page.
    async fn empty_image(&self) -> Result<SqliteOwnedBuf> {
        let mut blank = self.copy.connect.connect().await.map_err(error)?;
        blank.execute(self.copy.pragmas.clone()).await.map_err(error)?;
        let image = blank.serialize(None).await.map_err(error)?;
        blank.close().await.map_err(error)?;
        Ok(image)
    }

    async fn load(&self, connection: &mut SqliteConnection, image: SqliteOwnedBuf) -> Result<(), sqlx::Error> {
        // A statement is prepared for the pages it reads; the same number of schema changes can have led elsewhere.
        connection.clear_cached_statements().await?;
        connection.deserialize(None, image, self.copy.read_only).await?;
        // Some settings belong to the database and not to the connection.
        connection.execute(self.copy.pragmas.clone()).await?;
        Ok(())
    }
}

impl Original<Sqlite> for Source {
    fn renew<'a>(&'a mut self, copy: &'a mut SqliteConnection) -> BoxFuture<'a, Result<()>> {
        Box::pin(Source::renew(self, copy))
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { self.original.close().await.map_err(error) })
    }
}

/// The connection may have no copy at all now.
fn not_copied(why: sqlx::Error) -> Error {
    let message = format!("the private copy of the database could not be made: {why}");
    Error::new(ErrorKind::Database, message)
        .help("a copy is made outside of transactions and open streams, with room in memory for the whole database")
        .with_source(why)
        .fatal()
}

#[cfg(test)]
mod tests;
