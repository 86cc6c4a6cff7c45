//! Transactions of a connection, as sqlx manages them.

use sqlx::SqlStr;
use sqlx_core::transaction::TransactionManager;

use super::connection::AnyConnection;
use crate::any::Any;
use crate::error::{Error, ErrorKind};

/// The transactions of an [`AnyConnection`](crate::any::AnyConnection): those of this library, savepoints inside.
#[derive(Debug)]
pub struct AnyTransactionManager;

impl TransactionManager for AnyTransactionManager {
    type Database = Any;

    async fn begin(connection: &mut AnyConnection, statement: Option<SqlStr>) -> Result<(), sqlx::Error> {
        if statement.is_some() {
            connection.refuse_level();
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a transaction on any database cannot begin with a statement of its own",
            )
            .help("call `begin()`, or choose options at `database.transaction()`, such as `.isolation(…)` and `.immediate()`")
            .into());
        }
        Ok(connection.push().await?)
    }

    async fn commit(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        connection.pop(true).await
    }

    async fn rollback(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        connection.pop(false).await
    }

    fn start_rollback(connection: &mut AnyConnection) {
        connection.give_up();
    }

    fn get_transaction_depth(connection: &AnyConnection) -> usize {
        connection.depth()
    }
}
