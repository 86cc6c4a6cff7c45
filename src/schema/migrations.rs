//! The interface of a schema to migrations that another crate runs.

use std::fmt;

use futures::future::BoxFuture;

use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, ObjectName};
use crate::value::Value;

/// One migration of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemaMigration {
    pub(crate) version: i64,
    pub(crate) description: String,
    /// SQL that applies it.
    pub(crate) sql: String,
    /// `true` if the migration has an undo script.
    pub(crate) reversible: bool,
}

impl fmt::Display for SchemaMigration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "migration {} ({})", self.version, self.description)
    }
}

/// Migrations, and the table that records the applied ones.
pub(crate) trait SchemaMigrations: fmt::Debug + Send + Sync {
    /// Returns the name of that table, as written in SQL.
    fn table(&self) -> &str;

    /// Returns whether that table may contain migrations of others.
    fn shares_table(&self) -> bool;

    /// Returns all migrations, in order.
    fn all(&self) -> Vec<SchemaMigration>;

    /// Applies the migrations that the database lacks.
    fn run(&self, connection: &Connection) -> BoxFuture<'static, Result<()>>;

    /// Undoes the applied migrations, the last first.
    fn undo(&self, connection: &Connection) -> BoxFuture<'static, Result<()>>;
}

/// Returns the name of the table that records the applied migrations.
pub(super) fn migrations_table(dialect: Dialect, migrations: &dyn SchemaMigrations) -> Result<ObjectName> {
    let name = migrations.table();
    ObjectName::read(dialect, name).ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            format!("the table of migrations cannot have the name `{name}`"),
        )
        .help("write a name with characters other than letters, digits and `_` in quotes")
    })
}

/// Returns the applied migrations. Their table must exist.
pub(super) async fn applied(
    connection: &Connection,
    migrations: &dyn SchemaMigrations,
) -> Result<Vec<SchemaMigration>> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT version FROM {}", migrations.table()));
    let versions: Vec<i64> = connection.fetch_all(sql, ()).value().await?;
    let mut applied = migrations.all();
    applied.retain(|migration| versions.contains(&migration.version));
    Ok(applied)
}

/// Returns an error if one of the applied migrations cannot be undone.
pub(super) fn check_reversible(applied: &[SchemaMigration], app: &str) -> Result<()> {
    let Some(last) = applied.iter().rev().find(|migration| !migration.reversible) else {
        return Ok(());
    };
    let message = format!("{last} of the app `{app}` cannot be undone; nothing was dropped");
    Err(Error::new(ErrorKind::Unsupported, message).help(
        "add a script that undoes it (`1_name.up.sql` and `1_name.down.sql`), or give the statements that drop \
         everything the migrations create: `Ddl::from(&MIGRATOR).dropped_by(\"DROP TABLE IF EXISTS …\")`",
    ))
}

/// Deletes the records of the applied migrations.
pub(super) async fn forget(connection: &Connection, migrations: &dyn SchemaMigrations) -> Result<()> {
    let versions: Vec<_> = migrations.all().iter().map(|migration| migration.version).collect();
    let sql = format!("DELETE FROM {} WHERE version IN (:versions)", migrations.table());
    let versions = [("versions", Value::from(versions))];
    connection.execute(sqlx::AssertSqlSafe(sql), versions).await.map(drop)
}

/// Drops the table of the migrations, unless it contains those of others.
pub(super) async fn drop_migrations_table(connection: &Connection, migrations: &dyn SchemaMigrations) -> Result<()> {
    let name = migrations.table();
    let count = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {name}"));
    if connection.fetch_value::<i64>(count, ()).await? > 0 {
        return Ok(());
    }
    let sql = sqlx::AssertSqlSafe(format!("DROP TABLE {name}"));
    connection.execute(sql, ()).await.map(drop)
}
