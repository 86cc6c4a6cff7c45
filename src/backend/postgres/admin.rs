//! Creates, finds and drops PostgreSQL databases, while connected to another one.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::backend::rules::{
    Admin, AdminSession, Administration, CreateOptions, advise, check_name, database_name, encoding_word,
};
#[cfg(feature = "macros")]
use crate::backend::rules::{DatabaseLock, LOCK_LIMIT, LockName, held_too_long};
#[cfg(feature = "macros")]
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;
use crate::value::{IntoParams, Params};

/// First version in which `DROP DATABASE … WITH (FORCE)` ends the other sessions itself and rejects new ones meanwhile.
const CAN_FORCE: i64 = 130_000;

/// Length of the longest name, in bytes. The server truncates longer ones and reports that only in a notice.
const LONGEST: usize = 63;

/// Advice for a user whom no database accepts.
const GRANT: &str = "let an administrator run `GRANT CONNECT ON DATABASE postgres TO …`";

#[derive(Debug)]
pub(super) struct PostgresAdministration;

impl Administration for PostgresAdministration {
    fn wrong_name(&self, name: &str) -> Option<String> {
        (name.len() > LONGEST).then(|| format!("it has {} bytes, and PostgreSQL allows at most {LONGEST}", name.len()))
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
        true
    }

    #[cfg(feature = "macros")]
    fn lock<'a>(&'a self, admin: &'a Admin, name: &'a LockName<'a>) -> BoxFuture<'a, Result<DatabaseLock>> {
        lock(admin, name).boxed()
    }

    #[cfg(feature = "macros")]
    fn tables(&self) -> &'static str {
        "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') \
         ORDER BY 1, 2"
    }

    #[cfg(feature = "macros")]
    fn empty<'a>(
        &'a self,
        session: &'a dyn AdminSession,
        _settings: &'a Settings,
        tables: &'a [String],
    ) -> BoxFuture<'a, Result<()>> {
        let sql = format!("TRUNCATE {} RESTART IDENTITY CASCADE", tables.join(", "));
        session.run(sql, Params::default())
    }
}

async fn exists(admin: &Admin, name: &str) -> Result<bool> {
    match maintenance_connection(admin, None).await? {
        MaintenanceConnection::Open(server) => {
            let found = listed(&*server, name).await;
            server.close().await;
            found
        }
        MaintenanceConnection::Shut(refused) => lets_in(admin, name).await.ok_or(refused),
    }
}

/// Returns whether this database accepts the user, after every other one refused. `None` if the attempt proves nothing.
async fn lets_in(admin: &Admin, name: &str) -> Option<bool> {
    match admin.opens(name).await {
        Ok(()) => Some(true),
        Err(error) if error.kind() == ErrorKind::DatabaseNotFound => Some(false),
        Err(_) => None,
    }
}

async fn listed(server: &dyn AdminSession, name: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1::text)";
    is_true(server, sql, name).await
}

/// Returns the answer to a question about one text.
async fn is_true(server: &dyn AdminSession, sql: &'static str, text: &str) -> Result<bool> {
    let rows = server.rows(sql, (text,).into_params()?).await?;
    rows.first().map_or(Ok(false), |row| row.get(0))
}

async fn create(admin: &Admin, name: &str, create_options: &CreateOptions, if_missing: bool) -> Result<bool> {
    let mut options = String::new();
    if let Some(template) = &create_options.template {
        check_name(&PostgresAdministration, template)?;
        options = format!(" TEMPLATE {}", Dialect::Postgres.quote_identifier(template));
    }
    let encoding = create_options.encoding.as_deref().map(encoding_word).transpose()?;
    let server = match maintenance_connection(admin, None).await? {
        MaintenanceConnection::Open(server) => server,
        MaintenanceConnection::Shut(_) if if_missing && lets_in(admin, name).await == Some(true) => return Ok(false),
        MaintenanceConnection::Shut(refused) => return Err(refused),
    };
    let work = async {
        // A user without the right to create databases may still use an existing one.
        if if_missing && listed(&*server, name).await? {
            return Ok(false);
        }
        if let Some(encoding) = encoding {
            if create_options.template.is_none() && !is_usual(&*server, encoding).await? {
                // The default template can only be copied in its own encoding; `template0` in any that the locale
                // allows.
                options.push_str(" TEMPLATE template0");
            }
            options = format!("{options} ENCODING '{encoding}'");
        }
        limit_statements(admin, &*server).await?;
        let sql = format!("CREATE DATABASE {}{options}", Dialect::Postgres.quote_identifier(name));
        server.run(sql, Params::default()).await.map_err(explain_create)?;
        Ok(true)
    };
    let created = work.await;
    server.close().await;
    created
}

/// Returns whether new databases have this encoding by default.
async fn is_usual(server: &dyn AdminSession, encoding: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_database \
               WHERE datname = 'template1' AND encoding = pg_catalog.pg_char_to_encoding($1::name))";
    is_true(server, sql, encoding).await
}

fn explain_create(error: Error) -> Error {
    match error.sqlstate() {
        // Two concurrent creations of the same database collide in a unique index of the catalog.
        Some("23505") => {
            let message = error.message().to_owned();
            Error::new(ErrorKind::DuplicateObject, message)
                .with_code("42P04")
                .with_source(error)
        }
        Some("55006") => error.help("a template must have no connections while it is copied; close them"),
        Some("22023") => error.help(
            "the locale of the template must match the encoding; leave the encoding out, or name another template",
        ),
        _ => advise(error, ErrorKind::Permission, || {
            "let an administrator run `ALTER ROLE … CREATEDB`, or create the database by hand and use it as it is"
                .to_owned()
        }),
    }
}

async fn drop(admin: &Admin, name: &str) -> Result<bool> {
    // A session cannot drop the database it is connected to.
    let server = connect(admin, Some(name)).await?;
    let dropped = drop_from(admin, &*server, name).await;
    server.close().await;
    match dropped {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::DatabaseNotFound => Ok(false),
        Err(error) => Err(advise(error, ErrorKind::Permission, || {
            "only its owner and superusers can drop a database, and end the sessions of others in it".to_owned()
        })),
    }
}

async fn drop_from(admin: &Admin, server: &dyn AdminSession, name: &str) -> Result<()> {
    let sql = "SELECT current_setting('server_version_num')::bigint";
    let rows = server.rows(sql, Params::default()).await?;
    let version: i64 = rows.first().map_or(Ok(0), |row| row.get(0))?;
    limit_statements(admin, server).await?;
    let force = if version >= CAN_FORCE {
        " WITH (FORCE)"
    } else {
        let sql = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
                   WHERE datname = $1::text AND pid <> pg_catalog.pg_backend_pid()";
        server.run(sql.to_owned(), (name,).into_params()?).await?;
        ""
    };
    let sql = format!("DROP DATABASE {}{force}", Dialect::Postgres.quote_identifier(name));
    server.run(sql, Params::default()).await
}

/// Limits the statement on the server to the caller's time limit. If it continued alone, it could hit a database
/// created later.
async fn limit_statements(admin: &Admin, server: &dyn AdminSession) -> Result<()> {
    let limit = admin.limit.as_millis().clamp(1, i32::MAX as u128);
    let sql = format!("SET statement_timeout = {limit}");
    server.run(sql, Params::default()).await
}

/// A connection to the server, or the reason why every tried database refused this user.
enum MaintenanceConnection {
    Open(Box<dyn AdminSession>),
    Shut(Error),
}

/// Connects to a database that is not `other_than`.
async fn connect(admin: &Admin, other_than: Option<&str>) -> Result<Box<dyn AdminSession>> {
    match maintenance_connection(admin, other_than).await? {
        MaintenanceConnection::Open(server) => Ok(server),
        MaintenanceConnection::Shut(refused) => Err(refused),
    }
}

async fn maintenance_connection(admin: &Admin, other_than: Option<&str>) -> Result<MaintenanceConnection> {
    // The template is last: while a session is connected to it, no other session can copy it.
    let user = admin.config.url().username();
    let candidates = [Some("postgres"), admin.beside.as_deref(), user, Some("template1")];
    let (mut tried, mut refused) = (Vec::new(), None::<Error>);
    for connection in candidates
        .into_iter()
        .flatten()
        .filter(|connection| Some(*connection) != other_than)
    {
        if tried.contains(&connection) {
            continue;
        }
        tried.push(connection);
        match admin.session(Some(connection)).await {
            // A refusal is more informative than a missing database.
            Err(error) if is_elsewhere(&error) => {
                let known = refused.filter(|known| known.kind() != ErrorKind::DatabaseNotFound);
                refused = known.or(Some(error));
            }
            result => return result.map(MaintenanceConnection::Open),
        }
    }
    Ok(MaintenanceConnection::Shut(shut(&tried, refused)))
}

/// Returns the error for a server on which no database accepts the user. Those tried are not the requested one, so
/// their absence does not answer the request.
fn shut(tried: &[&str], refused: Option<Error>) -> Error {
    let message = format!(
        "the user cannot connect to any database from which to do so; tried {}",
        tried.join(", ")
    );
    let Some(refused) = refused else {
        return Error::new(ErrorKind::Connect, message).help(GRANT);
    };
    let (kind, help) = match refused.kind() {
        ErrorKind::DatabaseNotFound => (ErrorKind::Connect, GRANT),
        ErrorKind::Permission => (ErrorKind::Permission, GRANT),
        kind => (kind, refused.advice().unwrap_or(GRANT)),
    };
    let mut error = Error::new(kind, format!("{message}: {}", refused.message())).help(help.to_owned());
    if let Some(code) = refused.sqlstate() {
        error = error.with_code(code.to_owned());
    }
    error.with_source(refused)
}

/// Returns whether another database of the same server may accept the user: this one is missing, closed to the user
/// (also by `pg_hba.conf`), or closed to all.
fn is_elsewhere(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::DatabaseNotFound | ErrorKind::Permission)
        || matches!(error.sqlstate(), Some("28000" | "55000"))
}

/// Takes an advisory lock.
#[cfg(feature = "macros")]
async fn lock(admin: &Admin, name: &LockName<'_>) -> Result<DatabaseLock> {
    // Advisory locks are per database, so all processes have to connect to the same one.
    let session = connect(admin, None).await?;
    let sql = format!(
        "SET lock_timeout = {}; SELECT pg_catalog.pg_advisory_lock({})",
        LOCK_LIMIT.as_millis(),
        name.number as i64
    );
    session.run(sql, Params::default()).await.map_err(|error| {
        if error.kind() == ErrorKind::LockTimeout {
            return held_too_long();
        }
        error
    })?;
    Ok(DatabaseLock::Session(session))
}
