//! The locks under which migrations run. sqlx's own is missing on SQLite, has no effect on MariaDB, and disturbs
//! `CREATE INDEX CONCURRENTLY` on PostgreSQL.

use sqlx::SqlSafeStr;
use sqlx_core::transaction::TransactionManager;

#[cfg(feature = "postgres")]
use super::advisory::{self, AdvisoryScope};
use crate::backend::SqlxDatabase;
use crate::error::Result;
use crate::sql::Dialect;

/// The lock that keeps two programs from migrating at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MigrationLock {
    /// An advisory lock of the session, for PostgreSQL.
    Advisory,
    /// An advisory lock of the open transaction, for PostgreSQL behind a pooler.
    AdvisoryInTransaction,
    /// A transaction with that lock, for the same outside of a transaction.
    AdvisoryTransaction,
    /// A transaction without a lock, for the same if no lock is wanted: the driver's statements must not be separated.
    PooledTransaction,
    /// A named lock, for MySQL and MariaDB. sqlx sends `GET_LOCK(…, -1)` and ignores the answer. MySQL then waits;
    /// MariaDB treats a negative time as zero and grants no lock.
    Named,
    /// A write transaction, for SQLite, where sqlx has no lock.
    Transaction,
}

impl MigrationLock {
    /// Returns the lock of a dialect, outside of a transaction. Behind a pooler a session lasts for one transaction.
    pub(super) fn of(dialect: Dialect, pooled: bool) -> Self {
        match dialect {
            Dialect::Postgres => {
                if pooled {
                    Self::AdvisoryTransaction
                } else {
                    Self::Advisory
                }
            }
            Dialect::MySql => Self::Named,
            Dialect::Sqlite | Dialect::SqlServer | Dialect::Generic => Self::Transaction,
        }
    }

    /// Returns the lock in an open transaction, where it replaces sqlx's.
    pub(super) fn inside(dialect: Dialect, pooled: bool) -> Option<Self> {
        match dialect {
            Dialect::Postgres => Some(if pooled {
                Self::AdvisoryInTransaction
            } else {
                Self::Advisory
            }),
            Dialect::MySql | Dialect::Sqlite | Dialect::SqlServer | Dialect::Generic => None,
        }
    }

    /// Returns what is left of it if migrations are to run without a lock.
    pub(super) fn without(self) -> Option<Self> {
        match self {
            Self::AdvisoryTransaction => Some(Self::PooledTransaction),
            _ => None,
        }
    }

    /// Returns whether the migrations run in one transaction that the lock opens.
    pub(super) fn is_transaction(self) -> bool {
        matches!(
            self,
            Self::Transaction | Self::AdvisoryTransaction | Self::PooledTransaction
        )
    }

    /// Waits for the lock. It ends with the connection.
    pub(super) async fn take<DB: SqlxDatabase>(self, connection: &mut DB::Connection) -> Result<()> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Advisory => advisory::take(connection, AdvisoryScope::Session).await,
            #[cfg(feature = "postgres")]
            Self::AdvisoryInTransaction => advisory::take(connection, AdvisoryScope::Transaction).await,
            #[cfg(feature = "postgres")]
            Self::AdvisoryTransaction => {
                let begun = DB::TransactionManager::begin(connection, None).await;
                begun.map_err(DB::explain)?;
                advisory::take(connection, AdvisoryScope::Transaction).await
            }
            #[cfg(not(feature = "postgres"))]
            Self::Advisory | Self::AdvisoryInTransaction | Self::AdvisoryTransaction => Ok(()),
            Self::PooledTransaction => {
                let begun = DB::TransactionManager::begin(connection, None).await;
                begun.map_err(DB::explain)
            }
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
            #[cfg(feature = "postgres")]
            Self::Advisory => advisory::release(connection, AdvisoryScope::Session).await,
            #[cfg(feature = "mysql")]
            Self::Named => super::named::release(connection).await,
            #[cfg(not(feature = "postgres"))]
            Self::Advisory => Ok(()),
            #[cfg(not(feature = "mysql"))]
            Self::Named => Ok(()),
            #[cfg(feature = "postgres")]
            Self::AdvisoryTransaction | Self::PooledTransaction => {
                // The next transaction may be in another session, which does not know them.
                advisory::close_statements(connection).await?;
                end::<DB>(connection, well).await
            }
            #[cfg(not(feature = "postgres"))]
            Self::AdvisoryTransaction | Self::PooledTransaction => Ok(()),
            Self::AdvisoryInTransaction => Ok(()),
            Self::Transaction => end::<DB>(connection, well).await,
        }
    }

    /// Returns the unusable indexes of the database, where migrations can leave some.
    pub(super) async fn invalid_indexes<DB: SqlxDatabase>(connection: &mut DB::Connection) -> Option<String> {
        match DB::DIALECT {
            #[cfg(feature = "postgres")]
            Dialect::Postgres => advisory::invalid_indexes(connection).await.unwrap_or_default(),
            #[cfg(not(feature = "postgres"))]
            Dialect::Postgres => None,
            Dialect::MySql | Dialect::Sqlite | Dialect::SqlServer | Dialect::Generic => None,
        }
    }
}

async fn end<DB: SqlxDatabase>(connection: &mut DB::Connection, well: bool) -> Result<()> {
    let ended = if well {
        DB::TransactionManager::commit(connection).await
    } else {
        DB::TransactionManager::rollback(connection).await
    };
    ended.map_err(DB::explain)
}
