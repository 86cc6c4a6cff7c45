//! Makes the connections.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::future::BoxFuture;
use sqlx::{ConnectOptions, Connection, Executor};

use super::{Native, SqlxConnection};
use crate::backend::support::definitions::Definitions;
use crate::backend::{Connector, RawConnection};
use crate::error::{Error, Result};
use crate::sql::Dialect;

/// Makes connections of a database that sqlx knows.
pub(crate) struct SqlxConnector<DB: Native> {
    pub(crate) options: <DB::Connection as Connection>::Options,
    pub(crate) dialect: Dialect,
    /// Whether the driver uses the reactor of the runtime (and not a thread of its own).
    pub(crate) runtime_bound: bool,
    /// The URL, without its password.
    pub(crate) place: String,
    /// Whether statements are kept prepared.
    pub(crate) persistent: bool,
    /// Makes a readable error of one that came while connecting.
    pub(crate) explain: Box<dyn Fn(sqlx::Error) -> Error + Send + Sync>,
    /// Makes the connections that see a copy of their own.
    pub(crate) private: Option<Arc<dyn Connector>>,
    /// Counts the changes of definitions that are made through its connections.
    pub(crate) definitions: Arc<AtomicU64>,
}

impl<DB> Connector for SqlxConnector<DB>
where
    DB: Native,
    DB::Row: 'static,
    DB::Connection: Send + Sync,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn runtime_bound(&self) -> bool {
        self.runtime_bound
    }

    fn private(&self) -> Option<Arc<dyn Connector>> {
        self.private.clone()
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let connection = self.options.connect().await.map_err(&self.explain)?;
            let definitions = Definitions::new(&self.definitions);
            let connection = SqlxConnection::<DB>::new(connection, self.persistent, definitions);
            Ok(Box::new(connection) as Box<dyn RawConnection>)
        })
    }
}

impl<DB: Native> Debug for SqlxConnector<DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlxConnector")
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}
