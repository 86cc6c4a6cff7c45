//! Creates, finds and drops PostgreSQL databases, while connected to another one.

use sqlx::AssertSqlSafe;

use super::admin::{Admin, CreateOptions, advise, with_connection};
use super::name;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// First version in which `DROP DATABASE … WITH (FORCE)` ends the other sessions itself and rejects new ones meanwhile.
const CAN_FORCE: i64 = 130_000;

/// Advice for a user whom no database accepts.
const GRANT: &str = "let an administrator run `GRANT CONNECT ON DATABASE postgres TO …`";

pub(super) async fn exists(admin: &Admin, name: &str) -> Result<bool> {
    match maintenance_connection(admin, None).await? {
        MaintenanceConnection::Open(server) => {
            let found = listed(&server, name).await;
            let _ = server.disconnect().await;
            found
        }
        MaintenanceConnection::Shut(refused) => lets_in(admin, name).await.ok_or(refused),
    }
}

/// Returns whether this database accepts the user, after every other one refused. `None` if the attempt proves nothing.
async fn lets_in(admin: &Admin, name: &str) -> Option<bool> {
    match with_connection(admin.seen_from(Some(name)), async |_| Ok(())).await {
        Ok(()) => Some(true),
        Err(error) if error.kind() == ErrorKind::DatabaseNotFound => Some(false),
        Err(_) => None,
    }
}

async fn listed(server: &Database, name: &str) -> Result<bool> {
    server
        .fetch_value(
            "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1::text)",
            (name,),
        )
        .await
}

pub(super) async fn create(
    admin: &Admin,
    name: &str,
    create_options: &CreateOptions,
    if_missing: bool,
) -> Result<bool> {
    let mut options = String::new();
    if let Some(template) = &create_options.template {
        name::check(Dialect::Postgres, template)?;
        options = format!(" TEMPLATE {}", Dialect::Postgres.quote_identifier(template));
    }
    let encoding = create_options.encoding.as_deref().map(name::word).transpose()?;
    let server = match maintenance_connection(admin, None).await? {
        MaintenanceConnection::Open(server) => server,
        MaintenanceConnection::Shut(_) if if_missing && lets_in(admin, name).await == Some(true) => return Ok(false),
        MaintenanceConnection::Shut(refused) => return Err(refused),
    };
    let work = async {
        // A user without the right to create databases may still use an existing one.
        if if_missing && listed(&server, name).await? {
            return Ok(false);
        }
        if let Some(encoding) = encoding {
            if create_options.template.is_none() && !is_usual(&server, encoding).await? {
                // The default template can only be copied in its own encoding; `template0` in any that the locale
                // allows.
                options.push_str(" TEMPLATE template0");
            }
            options = format!("{options} ENCODING '{encoding}'");
        }
        limit_statements(admin, &server).await?;
        let sql = format!("CREATE DATABASE {}{options}", Dialect::Postgres.quote_identifier(name));
        server.execute(AssertSqlSafe(sql), ()).await.map_err(explain_create)?;
        Ok(true)
    };
    let created = work.await;
    let _ = server.disconnect().await;
    created
}

/// Returns whether new databases have this encoding by default.
async fn is_usual(server: &Database, encoding: &str) -> Result<bool> {
    server
        .fetch_value(
            "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_database \
             WHERE datname = 'template1' AND encoding = pg_catalog.pg_char_to_encoding($1::name))",
            (encoding,),
        )
        .await
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

pub(super) async fn drop(admin: &Admin, name: &str) -> Result<bool> {
    // A session cannot drop the database it is connected to.
    let server = connect(admin, Some(name)).await?;
    let dropped = drop_from(admin, &server, name).await;
    let _ = server.disconnect().await;
    match dropped {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::DatabaseNotFound => Ok(false),
        Err(error) => Err(advise(error, ErrorKind::Permission, || {
            "only its owner and superusers can drop a database, and end the sessions of others in it".to_owned()
        })),
    }
}

async fn drop_from(admin: &Admin, server: &Database, name: &str) -> Result<()> {
    let version: i64 = server
        .fetch_value("SELECT current_setting('server_version_num')::bigint", ())
        .await?;
    limit_statements(admin, server).await?;
    let force = if version >= CAN_FORCE {
        " WITH (FORCE)"
    } else {
        server
            .execute(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
                 WHERE datname = $1::text AND pid <> pg_catalog.pg_backend_pid()",
                (name,),
            )
            .await?;
        ""
    };
    let sql = format!("DROP DATABASE {}{force}", Dialect::Postgres.quote_identifier(name));
    server.execute(AssertSqlSafe(sql), ()).await.map(std::mem::drop)
}

/// Limits the statement on the server to the caller's time limit. If it continued alone, it could hit a database
/// created later.
async fn limit_statements(admin: &Admin, server: &Database) -> Result<()> {
    let limit = admin.limit.as_millis().clamp(1, i32::MAX as u128);
    let sql = format!("SET statement_timeout = {limit}");
    server.execute(AssertSqlSafe(sql), ()).await.map(std::mem::drop)
}

/// A connection to the server, or the reason why every tried database refused this user.
enum MaintenanceConnection {
    Open(Database),
    Shut(Error),
}

/// Connects to a database that is not `other_than`.
pub(super) async fn connect(admin: &Admin, other_than: Option<&str>) -> Result<Database> {
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
        match Database::connect(admin.seen_from(Some(connection))).await {
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
