//! A private copy of a database, in memory.
//!
//! A database of SQLite has one writer, so two transactions that never commit would wait for each other. Here each
//! connection uses its own copy instead. The copy is the image of the file, page by page, so that nothing is renumbered
//! or lost. A second connection, which only reads, detects changes of the original: `PRAGMA data_version` differs after
//! a commit of another connection, in a file, under WAL and in memory alike
//! (<https://www.sqlite.org/pragma.html#pragma_data_version>).
//!
//! A copy takes as much memory as the database, and SQLite lets it grow to 1 GiB. A connection can load only one image
//! in UTF-16. So a change of such an original costs the connection: [`RawConnection::renew`] ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteOwnedBuf};
use sqlx::{ConnectOptions, Connection, Executor, SqlStr, Sqlite};

use super::errors::{connect_error, error};
use super::image::{not_copied, without_wal};
use super::memory::KeepAlive;
use super::options::copy_options;
use super::pragma::copy_pragmas;
use crate::backend::sqlx::schema_changes::Definitions;
use crate::backend::sqlx::{Keeping, Native, Original, SqlxConnection, own_sql};
use crate::backend::{Connector, RawConnection};
use crate::config::{Config, SqliteMode};
use crate::error::Result;
use crate::sql::{Dialect, SeenServer};

/// A connector whose connections each have a copy of one database.
#[derive(Debug)]
pub(super) struct CopyConnector {
    config: Config,
    original: SqliteConnectOptions,
    copy: CopyOptions,
    seen: SeenServer,
    /// The connection that keeps an original in memory alive.
    _keep_alive: Option<KeepAlive>,
}

/// The options and settings of a copy.
#[derive(Clone, Debug)]
struct CopyOptions {
    connect: SqliteConnectOptions,
    pragmas: SqlStr,
    read_only: bool,
}

impl CopyConnector {
    /// Creates a connector for copies of the database that `original` opens.
    pub(super) fn new(config: &Config, original: SqliteConnectOptions, keep_alive: Option<KeepAlive>) -> Result<Self> {
        let copy = CopyOptions {
            connect: copy_options(config),
            pragmas: own_sql(copy_pragmas(config)?),
            read_only: config.settings().sqlite_mode == SqliteMode::ReadOnly,
        };
        Ok(Self {
            config: config.clone(),
            // It runs only a handful of statements, and they must stay prepared.
            original: original
                .shared_cache(false)
                .statement_cache_capacity(8)
                .row_buffer_size(8),
            copy,
            seen: SeenServer::default(),
            _keep_alive: keep_alive,
        })
    }
}

impl Connector for CopyConnector {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn seen(&self) -> &SeenServer {
        &self.seen
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
            if let Some(server) = Sqlite::set_up(&mut connection, None).await.map_err(explain)? {
                self.seen.set(server);
            }
            let mut source = Source {
                original,
                copy: self.copy.clone(),
                copied: None,
                committed: note_commits(&mut connection).await?,
            };
            source.renew(&mut connection).await?;
            let interrupt = Sqlite::interrupt(&mut connection).await?;
            let keeping = Keeping::cached(self.config.settings().statement_cache_capacity);
            let connection = SqlxConnection::<Sqlite>::new(connection, keeping, Definitions::default());
            let connection = connection
                .with_original(Box::new(source))
                .with_interrupt(interrupt.as_ref());
            Ok(Box::new(connection) as Box<dyn RawConnection>)
        })
    }
}

/// Returns a flag that is set whenever something is committed on the connection. The changes of a sandbox are rolled
/// back, which leaves the copy as it was; a commit does not.
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
    /// The connection that reads the original and never writes.
    original: SqliteConnection,
    copy: CopyOptions,
    /// The version of the original that was copied; `None` while a copy is created.
    copied: Option<i64>,
    /// Set once something was committed to the copy.
    committed: Arc<AtomicBool>,
}

impl Source {
    async fn renew(&mut self, connection: &mut SqliteConnection) -> Result<()> {
        // Queried before the pages are read: a commit in between is copied twice rather than never.
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

    /// Returns the pages of the original.
    async fn image(&mut self) -> Result<SqliteOwnedBuf> {
        if self.ask("PRAGMA page_count").await? == 0 {
            return self.empty_image().await;
        }
        let mut image = self.original.serialize(None).await.map_err(error)?;
        without_wal(&mut image);
        Ok(image)
    }

    /// Returns the image of an empty database. An original without any page is left alone: to read it as an image would
    /// write its first page.
    async fn empty_image(&self) -> Result<SqliteOwnedBuf> {
        let mut blank = self.copy.connect.connect().await.map_err(error)?;
        blank.execute(self.copy.pragmas.clone()).await.map_err(error)?;
        let image = blank.serialize(None).await.map_err(error)?;
        blank.close().await.map_err(error)?;
        Ok(image)
    }

    async fn load(&self, connection: &mut SqliteConnection, image: SqliteOwnedBuf) -> Result<(), sqlx::Error> {
        // Statements are prepared for the pages they read. The same number of schema changes can have led to another
        // schema.
        connection.clear_cached_statements().await?;
        connection.deserialize(None, image, self.copy.read_only).await?;
        // Some settings belong to the database, not to the connection.
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

#[cfg(test)]
mod tests;
