//! Connectors of connections that use a runtime thread.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::Handle;

use super::WorkerConnection;
use super::thread::RuntimeThread;
use crate::backend::{Connector, CopyRequest, NativeJob, RawConnection, ServerRules, Writers};
use crate::error::Result;
use crate::sql::{Dialect, RowsForm, SeenServer};

/// A connector whose connections any runtime can use.
#[derive(Debug)]
pub(crate) struct WorkerConnector {
    pub(crate) inner: Arc<dyn Connector>,
    pub(crate) runtime_thread: Arc<RuntimeThread>,
    pub(crate) on_thread: OnThread,
}

/// The work of a connection that is done on the runtime thread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OnThread {
    /// All of it.
    Everything {
        /// Time limit of one wait for the server (the setting `result_timeout`); `None` without a limit.
        limit: Option<Duration>,
    },
    /// Its cleanup alone: the driver has a thread of its own, so any runtime can use the connection already.
    Cleanup,
}

impl Connector for WorkerConnector {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn rules(&self) -> &'static dyn ServerRules {
        self.inner.rules()
    }

    fn seen(&self) -> &SeenServer {
        self.inner.seen()
    }

    fn runtime_bound(&self) -> bool {
        match self.on_thread {
            OnThread::Everything { .. } => false,
            OnThread::Cleanup => self.inner.runtime_bound(),
        }
    }

    fn runtime(&self) -> Result<Option<Handle>> {
        self.runtime_thread.handle().map(Some)
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        match self.on_thread {
            OnThread::Everything { limit } => Box::pin(async move {
                let connection = WorkerConnection::open(&self.inner, &self.runtime_thread, limit).await?;
                Ok(Box::new(connection) as Box<dyn RawConnection>)
            }),
            OnThread::Cleanup => self.inner.connect(),
        }
    }

    fn readers_block_writers(&self) -> bool {
        self.inner.readers_block_writers()
    }

    fn rows_form(&self) -> RowsForm {
        self.inner.rows_form()
    }

    fn writers(&self) -> Writers {
        self.inner.writers()
    }

    fn copy(&self, request: CopyRequest) -> Result<NativeJob> {
        self.inner.copy(request)
    }

    fn place(&self) -> String {
        self.inner.place()
    }
}
