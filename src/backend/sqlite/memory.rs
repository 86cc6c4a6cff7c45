//! A database in memory, one for the whole pool.
//!
//! SQLite's `memdb` VFS keeps a named database for all connections of the process, with the locks of an ordinary file.
//! A shared cache would lock tables instead, and let a reader wait without a limit
//! (<https://www.sqlite.org/inmemorydb.html>, <https://www.sqlite.org/sharedcache.html>).

use std::sync::Arc;

use futures::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Sqlite};
use tokio::sync::Mutex;

use super::memory_name::{MEMORY_VFS, new_memory_name};
use crate::backend::sqlx::SqlxConnector;
use crate::backend::{Connector, DatabaseIdentity, RawConnection, Writers};
use crate::error::Result;
use crate::sql::{Dialect, SeenServer};

/// Returns the options for a database in memory that no other `Database` sees.
pub(super) fn private(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .filename(new_memory_name())
        .vfs(MEMORY_VFS)
        .in_memory(false)
        .shared_cache(false)
        .create_if_missing(true)
}

/// A connection that is kept because the database is dropped with its last one.
pub(super) type KeepAlive = Arc<Mutex<Option<SqliteConnection>>>;

/// A connector for one database in memory, which lives as long as the connector.
#[derive(Debug)]
pub(super) struct MemoryConnector {
    inner: SqlxConnector<Sqlite>,
    keep_alive: KeepAlive,
}

impl MemoryConnector {
    pub(super) fn new(inner: SqlxConnector<Sqlite>, keep_alive: KeepAlive) -> Self {
        Self { inner, keep_alive }
    }
}

impl Connector for MemoryConnector {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn seen(&self) -> &SeenServer {
        self.inner.seen()
    }

    fn runtime_bound(&self) -> bool {
        self.inner.runtime_bound()
    }

    fn readers_block_writers(&self) -> bool {
        true
    }

    fn writers(&self) -> Writers {
        Writers::Of(DatabaseIdentity::Memory(
            self.inner.options.get_filename().display().to_string(),
        ))
    }

    fn private(&self) -> Option<Arc<dyn Connector>> {
        self.inner.private()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let mut keep_alive = self.keep_alive.lock().await;
            if keep_alive.is_none() {
                *keep_alive = Some(self.inner.options.connect().await.map_err(&self.inner.explain)?);
            }
            drop(keep_alive);
            self.inner.connect().await
        })
    }
}
