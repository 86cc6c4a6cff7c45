//! Creates, finds and drops databases of SQL Server, from the database `master`.

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
use crate::value::{IntoParams, Params};

/// Length of the longest name, in UTF-16 units.
const LONGEST: usize = 128;

/// The database in which the others are administered.
const MASTER: &str = "master";

#[derive(Debug)]
pub(super) struct SqlServerAdministration;

impl Administration for SqlServerAdministration {
    fn wrong_name(&self, name: &str) -> Option<String> {
        let length = name.encode_utf16().count();
        if length > LONGEST {
            return Some(format!(
                "it has {length} characters, and SQL Server allows at most {LONGEST}"
            ));
        }
        name.ends_with(' ')
            .then(|| "it ends with a space, which SQL Server does not tell apart".to_owned())
    }

    fn exists<'a>(&'a self, admin: &'a Admin) -> BoxFuture<'a, Result<bool>> {
        async {
            let name = database_name(&admin.config)?;
            let server = admin.session(Some(MASTER)).await?;
            let exists = has(&*server, name).await;
            server.close().await;
            exists
        }
        .boxed()
    }

    fn create<'a>(
        &'a self,
        admin: &'a Admin,
        options: &'a CreateOptions,
        if_missing: bool,
    ) -> BoxFuture<'a, Result<bool>> {
        async move {
            let name = database_name(&admin.config)?;
            if options.template.is_some() {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "SQL Server cannot create a database from a template",
                )
                .help("leave `template` out and run the migrations on the new database"));
            }
            let collation = collation(options)?;
            // A user without the right to create databases may still use an existing one.
            if if_missing && self.exists(admin).await? {
                return Ok(false);
            }
            let sql = format!(
                "CREATE DATABASE {}{collation}",
                Dialect::SqlServer.quote_identifier(name)
            );
            let server = admin.session(Some(MASTER)).await?;
            let created = server.run(sql, Params::default()).await;
            server.close().await;
            created.map(|()| true).map_err(explain)
        }
        .boxed()
    }

    fn drop<'a>(&'a self, admin: &'a Admin) -> BoxFuture<'a, Result<bool>> {
        async {
            let name = database_name(&admin.config)?;
            let server = admin.session(Some(MASTER)).await?;
            let dropped = match has(&*server, name).await {
                Ok(true) => drop_in(&*server, name).await,
                absent => absent,
            };
            server.close().await;
            dropped
        }
        .boxed()
    }

    #[cfg(feature = "macros")]
    fn copies(&self) -> bool {
        false
    }

    #[cfg(feature = "macros")]
    fn lock<'a>(&'a self, admin: &'a Admin, name: &'a LockName<'a>) -> BoxFuture<'a, Result<DatabaseLock>> {
        async {
            let session = admin.session(Some(MASTER)).await?;
            let sql = "DECLARE @taken INT; EXEC @taken = sp_getapplock @Resource = ?, @LockMode = 'Exclusive', \
                       @LockOwner = 'Session', @LockTimeout = ?; SELECT @taken";
            let params = (format!("ebbtide:{:032x}", name.number), LOCK_LIMIT.as_millis() as i32).into_params()?;
            let rows = session.rows(sql, params).await?;
            // 1 was granted after a wait; a negative number was not granted.
            match rows.first().map_or(Ok(-1), |row| row.get::<i32>(0))? {
                0 | 1 => Ok(DatabaseLock::Session(session)),
                _ => Err(held_too_long()),
            }
        }
        .boxed()
    }

    #[cfg(feature = "macros")]
    fn tables(&self) -> &'static str {
        "SELECT s.name, t.name FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id \
         WHERE t.is_ms_shipped = 0 ORDER BY 1, 2"
    }

    #[cfg(feature = "macros")]
    fn empty<'a>(
        &'a self,
        session: &'a dyn AdminSession,
        _settings: &'a Settings,
        tables: &'a [String],
    ) -> BoxFuture<'a, Result<()>> {
        session.run(emptied(tables), Params::default())
    }
}

/// Returns whether the server has a database.
async fn has(server: &dyn AdminSession, name: &str) -> Result<bool> {
    let rows = server.rows("SELECT DB_ID(?)", (name,).into_params()?).await?;
    let id = rows.first().map_or(Ok(None), |row| row.get::<Option<i64>>(0))?;
    Ok(id.is_some())
}

/// Drops a database, and returns whether that was done here.
async fn drop_in(server: &dyn AdminSession, name: &str) -> Result<bool> {
    let quoted = Dialect::SqlServer.quote_identifier(name);
    let set = |what: &str| server.run(format!("ALTER DATABASE {quoted} SET {what}"), Params::default());
    // Ends the sessions in it. It fails if the database is gone, or if the user may not do that; then the next statement
    // tells.
    let alone = set("SINGLE_USER WITH ROLLBACK IMMEDIATE").await;
    if alone.as_ref().is_err_and(Error::is_fatal) {
        return alone.map(|()| false);
    }
    let Err(error) = server.run(format!("DROP DATABASE {quoted}"), Params::default()).await else {
        return Ok(true);
    };
    // Its number does not tell whether the database is gone or may not be dropped by this user.
    if matches!(has(server, name).await, Ok(false)) {
        return Ok(false);
    }
    if alone.is_ok() {
        // The first error is the one to show.
        let _ = set("MULTI_USER").await;
    }
    Err(match error.kind() {
        ErrorKind::UndefinedObject => {
            error.help("the database exists: let an administrator give this user the right to drop it")
        }
        _ => explain(error),
    })
}

/// Returns the text that empties tables. A table that foreign keys name cannot be truncated, so that the keys are
/// switched off, and the numbers of rows begin again by themselves. A table without rows so far keeps its first number.
#[cfg(feature = "macros")]
fn emptied(tables: &[String]) -> String {
    let mut texts = Vec::with_capacity(4 * tables.len());
    texts.extend(
        tables
            .iter()
            .map(|table| format!("ALTER TABLE {table} NOCHECK CONSTRAINT ALL")),
    );
    texts.extend(tables.iter().map(|table| format!("DELETE FROM {table}")));
    texts.extend(tables.iter().enumerate().map(|(index, table)| {
        let text = Dialect::SqlServer.quote_text(table);
        format!(
            "DECLARE @seed{index} BIGINT; SELECT @seed{index} = CAST(seed_value AS BIGINT) - CAST(increment_value AS BIGINT) \
             FROM sys.identity_columns WHERE object_id = OBJECT_ID({text}) AND last_value IS NOT NULL; \
             IF @seed{index} IS NOT NULL DBCC CHECKIDENT({text}, RESEED, @seed{index}) WITH NO_INFOMSGS"
        )
    }));
    texts.extend(
        tables
            .iter()
            .map(|table| format!("ALTER TABLE {table} WITH CHECK CHECK CONSTRAINT ALL")),
    );
    texts.join("; ")
}

/// Returns the collation of a new database. `UTF-8` is what text is sent in anyway.
fn collation(options: &CreateOptions) -> Result<String> {
    match options.encoding.as_deref().map(encoding_word).transpose()? {
        None => Ok(String::new()),
        Some(encoding) if is_utf8(encoding) => Ok(String::new()),
        Some(collation) => Ok(format!(" COLLATE {collation}")),
    }
}

fn explain(error: Error) -> Error {
    advise(error, ErrorKind::Permission, || {
        "let an administrator add this user to the role `dbcreator`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k2_names_that_sql_server_would_not_take_are_refused() {
        let wrong = |name: &str| SqlServerAdministration.wrong_name(name).is_some();
        assert!(wrong(&"x".repeat(129)) && wrong(&"\u{1F980}".repeat(65)) && wrong("a "));
        assert!(!wrong(&"x".repeat(128)) && !wrong("a]b 'c"));
    }

    #[cfg(feature = "macros")]
    #[test]
    fn b1_tables_are_emptied_while_their_keys_are_off() {
        let text = emptied(&["[dbo].[a]".to_owned(), "[dbo].[b]".to_owned()]);
        let place = |what: &str| text.find(what).unwrap();
        assert!(place("[b] NOCHECK") < place("DELETE FROM [dbo].[a]"));
        assert!(place("DELETE FROM [dbo].[b]") < place("[a] WITH CHECK"));
    }
}
