//! The locks under which migrations run where sqlx's own does not hold.

use sqlx::SqlSafeStr;
use sqlx_core::transaction::TransactionManager;

use crate::backend::SqlxDatabase;
use crate::error::Result;
use crate::sql::Dialect;

/// What keeps two programs from migrating at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// sqlx's own.
    Own,
    /// On MySQL and MariaDB. sqlx asks for `GET_LOCK(…, -1)` and does not look at the answer. MySQL waits then; MariaDB takes that time for none
    /// and gives no lock.
    Named,
    /// On SQLite sqlx has none. The transaction of a writer is one.
    Transaction,
}

impl Lock {
    /// That of the database, outside of a transaction.
    pub(super) fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Postgres => Self::Own,
            Dialect::MySql => Self::Named,
            Dialect::Sqlite => Self::Transaction,
        }
    }

    /// Waits for it. It ends with the connection.
    pub(super) async fn take<DB: SqlxDatabase>(self, connection: &mut DB::Connection) -> Result<()> {
        match self {
            Self::Own => Ok(()),
            #[cfg(feature = "mysql")]
            Self::Named => super::named::take(connection).await,
            #[cfg(not(feature = "mysql"))]
            Self::Named => Ok(()),
            Self::Transaction => {
                let sql = "BEGIN IMMEDIATE".into_sql_str();
                let begun = DB::TransactionManager::begin(connection, Some(sql)).await;
                begun.map_err(DB::explain)
            }
        }
    }

    /// Gives it back; what was done under it is kept if it went well.
    pub(super) async fn release<DB: SqlxDatabase>(self, connection: &mut DB::Connection, well: bool) -> Result<()> {
        match self {
            Self::Own => Ok(()),
            #[cfg(feature = "mysql")]
            Self::Named => super::named::release(connection).await,
            #[cfg(not(feature = "mysql"))]
            Self::Named => Ok(()),
            Self::Transaction if well => DB::TransactionManager::commit(connection).await.map_err(DB::explain),
            Self::Transaction => DB::TransactionManager::rollback(connection).await.map_err(DB::explain),
        }
    }
}
