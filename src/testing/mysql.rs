//! Creates, finds and drops MySQL and MariaDB databases. A connection needs no database there.

use sqlx::AssertSqlSafe;

use super::admin::{Admin, CreateOptions, advise, with_connection};
use super::name;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// Returns whether the database exists, by connecting to it. The server's list of databases hides those that the user
/// may not access. Connecting tells three cases apart: accepted, missing, and access denied.
pub(super) async fn exists(admin: &Admin, name: &str) -> Result<bool> {
    let look = || with_connection(admin.seen_from(Some(name)), async |_| Ok(()));
    let looked = match look().await {
        // Another client that drops the database ends the sessions in it, including this one.
        Err(error) if matches!(error.kind(), ErrorKind::Connect | ErrorKind::ConnectionLost) => look().await,
        looked => looked,
    };
    match looked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::DatabaseNotFound => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) async fn create(
    admin: &Admin,
    name: &str,
    create_options: &CreateOptions,
    if_missing: bool,
) -> Result<bool> {
    if create_options.template.is_some() {
        return Err(
            Error::new(ErrorKind::Unsupported, "MySQL cannot create a database from a template")
                .help("leave `template` out and run the migrations on the new database"),
        );
    }
    let options = match create_options.encoding.as_deref().map(name::word).transpose()? {
        None => String::new(),
        // MySQL's own `utf8` lacks the characters beyond U+FFFF.
        Some(encoding) if name::is_utf8(encoding) => " CHARACTER SET utf8mb4".to_owned(),
        Some(collation) if collation.contains('_') => format!(" COLLATE {collation}"),
        Some(charset) => format!(" CHARACTER SET {charset}"),
    };
    // A user without the right to create databases may still use an existing one.
    if if_missing && exists(admin, name).await? {
        return Ok(false);
    }
    let sql = format!("CREATE DATABASE {}{options}", Dialect::MySql.quote_identifier(name));
    with_connection(admin.seen_from(None), async |server| {
        limit_locks(admin, server).await?;
        server.execute(AssertSqlSafe(sql), ()).await
    })
    .await
    .map_err(|error| explain(name, error))?;
    Ok(true)
}

pub(super) async fn drop(admin: &Admin, name: &str) -> Result<bool> {
    let sql = format!("DROP DATABASE {}", Dialect::MySql.quote_identifier(name));
    with_connection(admin.seen_from(None), async |server| {
        limit_locks(admin, server).await?;
        end_sessions(server, name).await?;
        match server.execute(AssertSqlSafe(sql), ()).await {
            Ok(_) => Ok(true),
            // The statement names no other object.
            Err(error) if error.kind() == ErrorKind::UndefinedObject => Ok(false),
            Err(error) => Err(explain(name, error)),
        }
    })
    .await
}

/// Ends the sessions in the database as far as the user's rights allow. The locks of a forgotten transaction would
/// block the statement.
async fn end_sessions(server: &Database, name: &str) -> Result<()> {
    let sessions: Vec<(i64, Option<String>)> = server
        .fetch_all(
            "SELECT CAST(id AS SIGNED), db FROM information_schema.processlist WHERE id <> connection_id()",
            (),
        )
        .decode()
        .await?;
    for (id, _) in sessions
        .iter()
        .filter(|(_, database)| database.as_deref() == Some(name))
    {
        match server.execute(AssertSqlSafe(format!("KILL {id}")), ()).await {
            Err(error) if error.is_fatal() => return Err(error),
            // The session has ended or belongs to another user. If it blocks the statement, the statement fails.
            _ => {}
        }
    }
    Ok(())
}

/// Limits the statement on the server to the caller's time limit. If it continued alone, it could hit a database
/// created later.
async fn limit_locks(admin: &Admin, server: &Database) -> Result<()> {
    let seconds = admin.limit.as_secs().clamp(1, 31_536_000);
    let sql = format!("SET SESSION lock_wait_timeout = {seconds}");
    server.execute(AssertSqlSafe(sql), ()).await.map(std::mem::drop)
}

fn explain(name: &str, error: Error) -> Error {
    advise(error, ErrorKind::Permission, || {
        let name = Dialect::MySql.quote_identifier(name);
        format!("let an administrator run GRANT ALL ON {name}.* TO this user")
    })
}
