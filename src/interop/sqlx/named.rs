//! A named lock on MySQL and MariaDB.

use std::any::Any;
use std::fmt::Write as _;

use md5::{Digest, Md5};
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{Arguments, MySql, MySqlConnection, Row, SqlSafeStr};

use super::native;
use crate::backend::{Parts, SqlxDatabase};
use crate::error::{Error, ErrorKind, Result};

/// Time limit for the lock: a year. MariaDB treats a negative time as zero.
const PATIENCE: i64 = 31_536_000;

/// Waits for the lock of the database that the connection uses.
pub(super) async fn take(connection: &mut (dyn Any + Send)) -> Result<()> {
    let connection = native::<MySql>(connection)?;
    let name = name(connection).await?;
    let mut arguments = arguments(name)?;
    arguments.add(PATIENCE).map_err(unsendable)?;
    match ask(connection, "SELECT GET_LOCK(?, ?)", Some(arguments)).await? {
        Some(row) if answer(&row)? == Some(1) => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Driver,
            "the lock that keeps two programs from migrating at once was not granted",
        )
        .help("does another program migrate this database (`SHOW PROCESSLIST`)? wait until it has finished, and run the migrations again")),
    }
}

/// Releases the lock.
pub(super) async fn release(connection: &mut (dyn Any + Send)) -> Result<()> {
    let connection = native::<MySql>(connection)?;
    let arguments = arguments(name(connection).await?)?;
    ask(connection, "SELECT RELEASE_LOCK(?)", Some(arguments))
        .await
        .map(drop)
}

/// Returns the name of the lock: one for each database, since these locks are server-wide.
async fn name(connection: &mut MySqlConnection) -> Result<String> {
    let database: Option<String> = match ask(connection, "SELECT DATABASE()", None).await? {
        Some(row) => row.try_get(0).map_err(MySql::explain)?,
        None => None,
    };
    Ok(name_for(&database.unwrap_or_default()))
}

/// Returns a name on which programs of different versions agree, whatever their features and the server's functions. So
/// the digest is computed here and never changes: MySQL 9 has no `MD5()`. It has to be short, not secure, because names
/// have at most 64 characters.
fn name_for(database: &str) -> String {
    let mut name = "ebbtide_migrate_".to_owned();
    for byte in Md5::digest(database) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

fn arguments(name: String) -> Result<MySqlArguments> {
    let mut arguments = MySqlArguments::default();
    arguments.add(name).map_err(unsendable)?;
    Ok(arguments)
}

fn unsendable(why: sqlx::error::BoxDynError) -> Error {
    MySql::explain(sqlx::Error::Encode(why))
}

fn answer(row: &MySqlRow) -> Result<Option<i64>> {
    row.try_get(0).map_err(MySql::explain)
}

async fn ask(
    connection: &mut MySqlConnection,
    sql: &'static str,
    arguments: Option<MySqlArguments>,
) -> Result<Option<MySqlRow>> {
    let parts = Parts::<MySql> {
        sql: sql.into_sql_str(),
        arguments,
        persistent: false,
    };
    MySql::fetch_optional(connection, parts).await.map_err(MySql::explain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q9_the_name_of_the_lock_never_changes_found_w13() {
        assert_eq!(name_for("shop"), "ebbtide_migrate_fb54f3c5992b96d001bb16e8e92d968d");
        assert_eq!(name_for(""), "ebbtide_migrate_d41d8cd98f00b204e9800998ecf8427e");
        assert!(name_for(&"long".repeat(100)).len() <= 64);
    }
}
