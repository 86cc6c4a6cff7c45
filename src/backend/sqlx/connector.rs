//! The connector for databases of sqlx.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::future::BoxFuture;
use sqlx::{ConnectOptions, Connection, Executor};

use super::schema_changes::Definitions;
use super::{Native, SqlxConnection};
use crate::backend::{Connector, RawConnection};
use crate::error::{Error, Result};
use crate::sql::Dialect;

/// A connector for a database that sqlx supports.
pub(crate) struct SqlxConnector<DB: Native> {
    pub(crate) options: <DB::Connection as Connection>::Options,
    pub(crate) dialect: Dialect,
    /// `true` if the driver uses the reactor of the runtime, `false` if it has its own thread.
    pub(crate) runtime_bound: bool,
    /// The URL without its password.
    pub(crate) place: String,
    /// `true` if statements are kept prepared.
    pub(crate) persistent: bool,
    /// The conversion of an error while connecting into a readable one.
    pub(crate) explain: Box<dyn Fn(sqlx::Error) -> Error + Send + Sync>,
    /// The connector whose connections each see their own copy.
    pub(crate) private: Option<Arc<dyn Connector>>,
    /// Number of changes of definitions made through its connections.
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
            let mut connection = self.options.connect().await.map_err(&self.explain)?;
            let interrupt = DB::interrupt(&mut connection).await?;
            let definitions = Definitions::new(&self.definitions);
            let connection = SqlxConnection::<DB>::new(connection, self.persistent, definitions);
            let connection = connection.with_interrupt(interrupt.as_ref());
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
