//! Connections whose session variables are set before their first use.

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::{MySql, SqlStr};

use crate::backend::sqlx::SqlxConnector;
use crate::backend::{Connector, RawConnection};
use crate::error::Result;
use crate::sql::Dialect;

#[derive(Debug)]
pub(super) struct SessionConnector {
    pub(super) inner: SqlxConnector<MySql>,
    /// The statement that sets the variables.
    pub(super) variables: SqlStr,
}

impl Connector for SessionConnector {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn runtime_bound(&self) -> bool {
        self.inner.runtime_bound()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        async move {
            let mut connection = self.inner.connect().await?;
            connection.run_script(self.variables.clone()).await?;
            Ok(connection)
        }
        .boxed()
    }
}
