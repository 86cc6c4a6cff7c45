//! The locks under which migrations run where sqlx's own does not hold.

use sqlx::SqlSafeStr;
use sqlx_core::transaction::TransactionManager;

use crate::backend::{Parts, SqlxDatabase};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// A name of its own for each database, since these locks are the server's. It waits for a year.
const TAKE: &str =
    "SELECT 1 FROM DUAL WHERE GET_LOCK(CONCAT('ebbtide_migrate_', MD5(COALESCE(DATABASE(), ''))), 31536000) = 1";
const RELEASE: &str =
    "SELECT 1 FROM DUAL WHERE RELEASE_LOCK(CONCAT('ebbtide_migrate_', MD5(COALESCE(DATABASE(), '')))) = 1";

/// What keeps two programs from migrating at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// sqlx's own.
    Own,
    /// sqlx asks for `GET_LOCK(…, -1)` and does not look at the answer. MySQL waits then; MariaDB takes that time for none
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
            Self::Named if has_answer::<DB>(connection, TAKE).await? => Ok(()),
            Self::Named => Err(Error::new(
                ErrorKind::Driver,
                "the lock that keeps two programs from migrating at once was not given",
            )
            .help("does another program migrate this database (`SHOW PROCESSLIST`)? wait for its end and run again")),
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
            Self::Named => has_answer::<DB>(connection, RELEASE).await.map(drop),
            Self::Transaction if well => DB::TransactionManager::commit(connection).await.map_err(DB::explain),
            Self::Transaction => DB::TransactionManager::rollback(connection).await.map_err(DB::explain),
        }
    }
}

async fn has_answer<DB: SqlxDatabase>(connection: &mut DB::Connection, sql: &'static str) -> Result<bool> {
    let parts = Parts::<DB> {
        sql: sql.into_sql_str(),
        arguments: None,
        persistent: false,
    };
    let row = DB::fetch_optional(connection, parts).await.map_err(DB::explain)?;
    Ok(row.is_some())
}
