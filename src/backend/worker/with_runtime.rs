//! Connections whose driver has its own thread: they need no other, only a runtime for their cleanup.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::runtime::Handle;

use super::thread::RuntimeThread;
use crate::backend::{Connector, RawConnection, Writers};
use crate::error::Result;
use crate::sql::Dialect;

/// A connector whose connections any runtime can use already; it leaves their cleanup to a runtime thread.
#[derive(Debug)]
pub(crate) struct WithRuntime {
    pub(crate) inner: Arc<dyn Connector>,
    pub(crate) runtime_thread: Arc<RuntimeThread>,
}

impl Connector for WithRuntime {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn runtime_bound(&self) -> bool {
        self.inner.runtime_bound()
    }

    fn runtime(&self) -> Result<Option<Handle>> {
        self.runtime_thread.handle().map(Some)
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        self.inner.connect()
    }

    fn readers_block_writers(&self) -> bool {
        self.inner.readers_block_writers()
    }

    fn writers(&self) -> Writers {
        self.inner.writers()
    }

    fn place(&self) -> String {
        self.inner.place()
    }
}
