//! Connections whose driver has a thread of its own: they need no other, but a runtime on which to be cleaned.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::runtime::Handle;

use super::harbour::Harbour;
use crate::backend::{Connector, RawConnection};
use crate::error::Result;
use crate::sql::Dialect;

/// Makes connections that any runtime may use already, and leaves what is to be done after their users to a harbour.
#[derive(Debug)]
pub(crate) struct Moored {
    pub(crate) inner: Arc<dyn Connector>,
    pub(crate) harbour: Arc<Harbour>,
}

impl Connector for Moored {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn runtime_bound(&self) -> bool {
        self.inner.runtime_bound()
    }

    fn runtime(&self) -> Result<Option<Handle>> {
        self.harbour.handle().map(Some)
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        self.inner.connect()
    }

    fn readers_block_writers(&self) -> bool {
        self.inner.readers_block_writers()
    }

    fn place(&self) -> String {
        self.inner.place()
    }
}
