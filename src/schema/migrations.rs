//! Migrations that another crate runs, as a schema sees them.

use std::fmt;

use futures::future::BoxFuture;

use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, ObjectName};
use crate::value::Value;

/// One migration of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) description: String,
    /// What applies it.
    pub(crate) sql: String,
    /// Whether something is known that undoes it.
    pub(crate) reversible: bool,
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "migration {} ({})", self.version, self.description)
    }
}

/// Migrations, and the table in which is kept which of them were applied.
pub(crate) trait Migrations: fmt::Debug + Send + Sync {
    /// The name of that table, as it is written in SQL.
    fn journal(&self) -> &str;

    /// Whether that table may hold migrations of others.
    fn shares_journal(&self) -> bool;

    /// All of them, in order.
    fn all(&self) -> Vec<Migration>;

    /// Applies those that the database does not have yet.
    fn run(&self, connection: &Connection) -> BoxFuture<'static, Result<()>>;

    /// Undoes those that the database has, the last first.
    fn undo(&self, connection: &Connection) -> BoxFuture<'static, Result<()>>;
}

/// The name of the table in which migrations are kept.
pub(super) fn journal(dialect: Dialect, migrations: &dyn Migrations) -> Result<ObjectName> {
    let name = migrations.journal();
    ObjectName::read(dialect, name).ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            format!("the table of migrations cannot have the name `{name}`"),
        )
        .help("a name with other characters than letters, digits and `_` is written in quotes")
    })
}

/// Those of the migrations that the database has. Its table of them must be there.
pub(super) async fn applied(connection: &Connection, migrations: &dyn Migrations) -> Result<Vec<Migration>> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT version FROM {}", migrations.journal()));
    let versions: Vec<i64> = connection.fetch_all(sql, ()).value().await?;
    let mut applied = migrations.all();
    applied.retain(|migration| versions.contains(&migration.version));
    Ok(applied)
}

/// An error if one of those that were applied cannot be undone.
pub(super) fn check_reversible(applied: &[Migration], app: &str) -> Result<()> {
    let Some(last) = applied.iter().rev().find(|migration| !migration.reversible) else {
        return Ok(());
    };
    let message = format!("{last} of the app `{app}` cannot be undone; nothing was dropped");
    Err(Error::new(ErrorKind::Unsupported, message).help(
        "write beside it what undoes it (`1_name.up.sql` and `1_name.down.sql`), or give the statements that drop what \
         all of them make: `Ddl::from(&MIGRATOR).dropped_by(\"DROP TABLE IF EXISTS …\")`",
    ))
}

/// Has the database forget that the migrations were applied.
pub(super) async fn forget(connection: &Connection, migrations: &dyn Migrations) -> Result<()> {
    let versions: Vec<_> = migrations.all().iter().map(|migration| migration.version).collect();
    let sql = format!("DELETE FROM {} WHERE version IN (:versions)", migrations.journal());
    let versions = [("versions", Value::from(versions))];
    connection.execute(sqlx::AssertSqlSafe(sql), versions).await.map(drop)
}

/// Drops the table of the migrations, unless those of others are in it.
pub(super) async fn drop_journal(connection: &Connection, migrations: &dyn Migrations) -> Result<()> {
    let name = migrations.journal();
    let count = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {name}"));
    if connection.fetch_value::<i64>(count, ()).await? > 0 {
        return Ok(());
    }
    let sql = sqlx::AssertSqlSafe(format!("DROP TABLE {name}"));
    connection.execute(sql, ()).await.map(drop)
}
