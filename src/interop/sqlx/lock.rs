//! Locks for migrations where sqlx's own is missing or ineffective.

use sqlx::SqlSafeStr;
use sqlx_core::transaction::TransactionManager;

use crate::backend::SqlxDatabase;
use crate::error::Result;
use crate::sql::Dialect;

/// The lock that keeps two programs from migrating at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MigrationLock {
    /// sqlx's own.
    Own,
    /// A named lock, for MySQL and MariaDB. sqlx sends `GET_LOCK(…, -1)` and ignores the answer. MySQL then waits;
    /// MariaDB treats a negative time as zero and grants no lock.
    Named,
    /// A write transaction, for SQLite, where sqlx has no lock.
    Transaction,
}

impl MigrationLock {
    /// Returns the lock of a dialect, outside of a transaction.
    pub(super) fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Postgres => Self::Own,
            Dialect::MySql => Self::Named,
            Dialect::Sqlite => Self::Transaction,
        }
    }

    /// Waits for the lock. It ends with the connection.
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

    /// Releases the lock. `well` commits the changes made under it.
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
