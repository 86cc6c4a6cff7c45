//! A database in memory, one for the whole pool.
//!
//! SQLite's `memdb` VFS keeps a named database for all connections of the process, with the locks of an ordinary file;
//! a shared cache would lock tables instead and let a reader wait without a limit
//! (<https://www.sqlite.org/inmemorydb.html>, <https://www.sqlite.org/sharedcache.html>).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Sqlite};
use tokio::sync::Mutex;

use crate::backend::support::sqlx::SqlxConnector;
use crate::backend::{Connector, One, RawConnection, Writers};
use crate::error::Result;
use crate::sql::Dialect;

/// The options for a database in memory that no other `Database` sees.
pub(super) fn private(options: SqliteConnectOptions) -> SqliteConnectOptions {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let name = format!("/ebbtide-memory-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    options
        .filename(name)
        .vfs("memdb")
        .in_memory(false)
        .shared_cache(false)
        .create_if_missing(true)
}

/// The database is gone with its last connection, so one is kept.
pub(super) type Anchor = Arc<Mutex<Option<SqliteConnection>>>;

/// Makes connections to one database in memory, which lives as long as this does.
#[derive(Debug)]
pub(super) struct MemoryConnector {
    inner: SqlxConnector<Sqlite>,
    anchor: Anchor,
}

impl MemoryConnector {
    pub(super) fn new(inner: SqlxConnector<Sqlite>, anchor: Anchor) -> Self {
        Self { inner, anchor }
    }
}

impl Connector for MemoryConnector {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn runtime_bound(&self) -> bool {
        self.inner.runtime_bound()
    }

    fn readers_block_writers(&self) -> bool {
        true
    }

    fn writers(&self) -> Writers {
        Writers::Of(One::Memory(self.inner.options.get_filename().display().to_string()))
    }

    fn private(&self) -> Option<Arc<dyn Connector>> {
        self.inner.private()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let mut anchor = self.anchor.lock().await;
            if anchor.is_none() {
                *anchor = Some(self.inner.options.connect().await.map_err(&self.inner.explain)?);
            }
            drop(anchor);
            self.inner.connect().await
        })
    }
}
