//! A database in a file, which other databases of this process may have too, under any of its names.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use sqlx::Sqlite;

use super::database_file::DatabaseFile;
use crate::backend::sqlx::SqlxConnector;
use crate::backend::{Connector, RawConnection, Writers};
use crate::error::Result;
use crate::sql::{Dialect, SeenServer};

/// A connector for one file.
#[derive(Debug)]
pub(super) struct FileConnector {
    inner: SqlxConnector<Sqlite>,
    file: DatabaseFile,
    read_only: bool,
}

impl FileConnector {
    pub(super) fn new(inner: SqlxConnector<Sqlite>, path: PathBuf, read_only: bool) -> Self {
        Self {
            inner,
            file: DatabaseFile::new(path),
            read_only,
        }
    }
}

impl Connector for FileConnector {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn seen(&self) -> &SeenServer {
        self.inner.seen()
    }

    fn runtime_bound(&self) -> bool {
        self.inner.runtime_bound()
    }

    fn writers(&self) -> Writers {
        if self.read_only {
            return Writers::Many;
        }
        self.file.writers()
    }

    fn private(&self) -> Option<Arc<dyn Connector>> {
        self.inner.private()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        self.inner.connect()
    }
}
