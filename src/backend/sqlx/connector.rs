//! The connector for databases of sqlx.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use sqlx::{ConnectOptions, Connection, Executor, SqlStr};

use super::schema_changes::Definitions;
use super::{Keeping, Native, SqlxConnection, TlsFiles};
use crate::backend::{Connector, CopyRequest, NativeJob, NotificationSource, RawConnection};
use crate::error::{Error, Result};
use crate::sql::{Dialect, RowsForm, SeenServer};

/// A connector for a database that sqlx supports.
pub(crate) struct SqlxConnector<DB: Native> {
    pub(crate) options: <DB::Connection as Connection>::Options,
    /// The text that sets up a session, if there is one.
    pub(crate) session: Option<SqlStr>,
    pub(crate) dialect: Dialect,
    /// `true` if the driver uses the reactor of the runtime, `false` if it has its own thread.
    pub(crate) runtime_bound: bool,
    /// The URL without its password.
    pub(crate) place: String,
    pub(crate) keeping: Keeping,
    /// The files that TLS needs.
    pub(crate) files: TlsFiles,
    /// The conversion of an error while connecting into a readable one.
    pub(crate) explain: Box<dyn Fn(sqlx::Error) -> Error + Send + Sync>,
    /// The connector whose connections each see their own copy.
    pub(crate) private: Option<Arc<dyn Connector>>,
    /// Number of changes of definitions made through its connections.
    pub(crate) definitions: Arc<AtomicU64>,
    /// Whether the server answers questions about types, once that is known.
    pub(crate) answers: Arc<OnceLock<bool>>,
    /// The server seen last.
    pub(crate) seen: SeenServer,
}

/// The number of ways in which a connection is tried.
const WAYS: usize = 3;

impl<DB> SqlxConnector<DB>
where
    DB: Native,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Opens the driver's connection, in another way if one has failed and another is left.
    async fn open(&self) -> Result<DB::Connection> {
        self.files.check()?;
        let mut options = Cow::Borrowed(&self.options);
        let mut first = None;
        for _ in 0..WAYS {
            let error = match options.connect().await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            let Some(other) = DB::another_way(&options, &error) else {
                // A server without TLS has refused for another reason.
                let no_tls = matches!(error, sqlx::Error::Tls(_));
                return Err((self.explain)(first.filter(|_| no_tls).unwrap_or(error)));
            };
            first.get_or_insert(error);
            options = Cow::Owned(other);
        }
        Err((self.explain)(first.unwrap_or(sqlx::Error::PoolTimedOut)))
    }
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

    fn seen(&self) -> &SeenServer {
        &self.seen
    }

    fn runtime_bound(&self) -> bool {
        self.runtime_bound
    }

    fn rows_form(&self) -> RowsForm {
        DB::ROWS
    }

    fn private(&self) -> Option<Arc<dyn Connector>> {
        self.private.clone()
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn listen(&self, channels: Vec<String>) -> BoxFuture<'_, Result<Box<dyn NotificationSource>>> {
        Box::pin(async move {
            // sqlx's listener tries again and again without a word; this tells what is wrong.
            let connection = Box::pin(self.open()).await?;
            let _ = connection.close().await;
            DB::listen(self.options.clone(), channels).await
        })
    }

    fn copy(&self, request: CopyRequest) -> Result<NativeJob> {
        DB::copy(request)
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let mut connection = Box::pin(self.open()).await?;
            let server = DB::set_up(&mut connection, self.session.clone()).await;
            if let Some(server) = server.map_err(&self.explain)? {
                self.seen.set(server);
            }
            let interrupt = DB::interrupt(&mut connection).await?;
            let definitions = Definitions::new(&self.definitions);
            let connection = SqlxConnection::<DB>::new(connection, self.keeping, definitions);
            let mut connection = connection
                .with_interrupt(interrupt.as_ref())
                .with_answering(&self.answers);
            connection.check_pooler().await?;
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
