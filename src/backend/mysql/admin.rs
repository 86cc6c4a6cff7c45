//! Creates, finds and drops MySQL and MariaDB databases. A connection needs no database there.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::backend::rules::{
    Admin, AdminSession, Administration, CreateOptions, advise, database_name, encoding_word, is_utf8,
};
#[cfg(feature = "macros")]
use crate::backend::rules::{DatabaseLock, LOCK_LIMIT, LockName, held_too_long};
#[cfg(feature = "macros")]
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;
#[cfg(feature = "macros")]
use crate::value::IntoParams;
use crate::value::Params;

/// Length of the longest name, in characters.
const LONGEST: usize = 64;

#[derive(Debug)]
pub(super) struct MySqlAdministration;

impl Administration for MySqlAdministration {
    fn wrong_name(&self, name: &str) -> Option<String> {
        if name.chars().count() > LONGEST {
            return Some(format!(
                "it has {} characters, and MySQL allows at most {LONGEST}",
                name.chars().count()
            ));
        }
        if name.ends_with(' ') {
            return Some("it ends with a space, which MySQL does not allow".to_owned());
        }
        let wide = name.chars().any(|character| character > '\u{FFFF}');
        wide.then(|| "it holds a character beyond U+FFFF, which MySQL does not allow".to_owned())
    }

    fn exists<'a>(&'a self, admin: &'a Admin) -> BoxFuture<'a, Result<bool>> {
        async { exists(admin, database_name(&admin.config)?).await }.boxed()
    }

    fn create<'a>(
        &'a self,
        admin: &'a Admin,
        options: &'a CreateOptions,
        if_missing: bool,
    ) -> BoxFuture<'a, Result<bool>> {
        async move { create(admin, database_name(&admin.config)?, options, if_missing).await }.boxed()
    }

    fn drop<'a>(&'a self, admin: &'a Admin) -> BoxFuture<'a, Result<bool>> {
        async { drop(admin, database_name(&admin.config)?).await }.boxed()
    }

    #[cfg(feature = "macros")]
    fn copies(&self) -> bool {
        false
    }

    #[cfg(feature = "macros")]
    fn lock<'a>(&'a self, admin: &'a Admin, name: &'a LockName<'a>) -> BoxFuture<'a, Result<DatabaseLock>> {
        lock(admin, name).boxed()
    }

    #[cfg(feature = "macros")]
    fn tables(&self) -> &'static str {
        "SELECT CAST(table_schema AS CHAR), CAST(table_name AS CHAR) FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY 1, 2"
    }

    #[cfg(feature = "macros")]
    fn empty<'a>(
        &'a self,
        session: &'a dyn AdminSession,
        _settings: &'a Settings,
        tables: &'a [String],
    ) -> BoxFuture<'a, Result<()>> {
        let sql = format!(
            "SET foreign_key_checks = 0; TRUNCATE TABLE {}; SET foreign_key_checks = 1",
            tables.join("; TRUNCATE TABLE ")
        );
        session.run(sql, Params::default())
    }
}

/// Returns whether the database exists, by connecting to it. The server's list of databases hides those that the user
/// may not access. Connecting tells three cases apart: accepted, missing, and access denied.
async fn exists(admin: &Admin, name: &str) -> Result<bool> {
    let looked = match admin.opens(name).await {
        // Another client that drops the database ends the sessions in it, including this one.
        Err(error) if matches!(error.kind(), ErrorKind::Connect | ErrorKind::ConnectionLost) => admin.opens(name).await,
        looked => looked,
    };
    match looked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::DatabaseNotFound => Ok(false),
        Err(error) => Err(error),
    }
}

async fn create(admin: &Admin, name: &str, create_options: &CreateOptions, if_missing: bool) -> Result<bool> {
    if create_options.template.is_some() {
        return Err(
            Error::new(ErrorKind::Unsupported, "MySQL cannot create a database from a template")
                .help("leave `template` out and run the migrations on the new database"),
        );
    }
    let options = match create_options.encoding.as_deref().map(encoding_word).transpose()? {
        None => String::new(),
        // MySQL's own `utf8` lacks the characters beyond U+FFFF.
        Some(encoding) if is_utf8(encoding) => " CHARACTER SET utf8mb4".to_owned(),
        Some(collation) if collation.contains('_') => format!(" COLLATE {collation}"),
        Some(charset) => format!(" CHARACTER SET {charset}"),
    };
    // A user without the right to create databases may still use an existing one.
    if if_missing && exists(admin, name).await? {
        return Ok(false);
    }
    let sql = format!("CREATE DATABASE {}{options}", Dialect::MySql.quote_identifier(name));
    let server = admin.session(None).await.map_err(|error| explain(name, error))?;
    let created = async {
        limit_locks(admin, &*server).await?;
        server.run(sql, Params::default()).await
    };
    let created = created.await;
    server.close().await;
    created.map(|()| true).map_err(|error| explain(name, error))
}

async fn drop(admin: &Admin, name: &str) -> Result<bool> {
    let server = admin.session(None).await?;
    let dropped = drop_from(admin, &*server, name).await;
    server.close().await;
    dropped
}

async fn drop_from(admin: &Admin, server: &dyn AdminSession, name: &str) -> Result<bool> {
    limit_locks(admin, server).await?;
    end_sessions(server, name).await?;
    let sql = format!("DROP DATABASE {}", Dialect::MySql.quote_identifier(name));
    match server.run(sql, Params::default()).await {
        Ok(()) => Ok(true),
        // The statement names no other object.
        Err(error) if error.kind() == ErrorKind::UndefinedObject => Ok(false),
        Err(error) => Err(explain(name, error)),
    }
}

/// Ends the sessions in the database as far as the user's rights allow. The locks of a forgotten transaction would
/// block the statement.
async fn end_sessions(server: &dyn AdminSession, name: &str) -> Result<()> {
    let sql = "SELECT CAST(id AS SIGNED), db FROM information_schema.processlist WHERE id <> connection_id()";
    for row in server.rows(sql, Params::default()).await? {
        let (id, database): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
        if database.as_deref() != Some(name) {
            continue;
        }
        match server.run(format!("KILL {id}"), Params::default()).await {
            Err(error) if error.is_fatal() => return Err(error),
            // The session has ended or belongs to another user. If it blocks the statement, the statement fails.
            _ => {}
        }
    }
    Ok(())
}

/// Limits the statement on the server to the caller's time limit. If it continued alone, it could hit a database
/// created later.
async fn limit_locks(admin: &Admin, server: &dyn AdminSession) -> Result<()> {
    let seconds = admin.limit.as_secs().clamp(1, 31_536_000);
    let sql = format!("SET SESSION lock_wait_timeout = {seconds}");
    server.run(sql, Params::default()).await
}

fn explain(name: &str, error: Error) -> Error {
    advise(error, ErrorKind::Permission, || {
        let name = Dialect::MySql.quote_identifier(name);
        format!("let an administrator run GRANT ALL ON {name}.* TO this user")
    })
}

/// Takes a named lock.
#[cfg(feature = "macros")]
async fn lock(admin: &Admin, name: &LockName<'_>) -> Result<DatabaseLock> {
    let session = admin.session(None).await?;
    // MySQL's limit is 64 characters.
    let name = format!("ebbtide:{:032x}", name.number);
    let params = (name, LOCK_LIMIT.as_secs() as i64).into_params()?;
    let rows = session.rows("SELECT GET_LOCK(?, ?)", params).await?;
    match rows.first().map_or(Ok(None), |row| row.get::<Option<i64>>(0))? {
        Some(1) => Ok(DatabaseLock::Session(session)),
        _ => Err(held_too_long()),
    }
}
