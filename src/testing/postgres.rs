//! PostgreSQL: databases are made and dropped from another one.

use sqlx::AssertSqlSafe;

use super::admin::{Admin, Wishes, advise, with_connection};
use super::name;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// From here on `DROP DATABASE … WITH (FORCE)` ends the other sessions itself, and lets no new one in between.
const CAN_FORCE: i64 = 130_000;

pub(super) async fn exists(admin: &Admin, name: &str) -> Result<bool> {
    let refused = match connect(admin, None).await {
        Ok(server) => {
            let found = listed(&server, name).await;
            let _ = server.disconnect().await;
            return found;
        }
        Err(error) if is_elsewhere(&error) => error,
        Err(error) => return Err(error),
    };
    // Then the user may at least be let into the database itself.
    match with_connection(admin.seen_from(Some(name)), async |_| Ok(())).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::DatabaseNotFound => Ok(false),
        Err(_) => Err(refused),
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

pub(super) async fn create(admin: &Admin, name: &str, wishes: &Wishes, if_missing: bool) -> Result<bool> {
    let mut options = String::new();
    if let Some(template) = &wishes.template {
        name::check(Dialect::Postgres, template)?;
        options = format!(" TEMPLATE {}", Dialect::Postgres.quote_identifier(template));
    }
    let encoding = wishes.encoding.as_deref().map(name::word).transpose()?;
    let server = connect(admin, None).await?;
    let work = async {
        // Who may not make databases may well use one that is there.
        if if_missing && listed(&server, name).await? {
            return Ok(false);
        }
        if let Some(encoding) = encoding {
            if wishes.template.is_none() && !is_usual(&server, encoding).await? {
                // The usual template can only be copied in its own encoding; this one in any that goes with the locale.
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

/// Whether databases have this encoding when nothing is said.
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
        // Two that make the same database at once meet in the catalogue's index.
        Some("23505") => {
            let message = error.message().to_owned();
            Error::new(ErrorKind::DuplicateObject, message)
                .with_code("42P04")
                .with_source(error)
        }
        Some("55006") => {
            error.help("nobody may be connected to a template while it is copied; close those connections")
        }
        Some("22023") => error.help(
            "the locale of the template must go with the encoding; leave the encoding out, or name another template",
        ),
        _ => advise(error, ErrorKind::Permission, || {
            "let an administrator run `ALTER ROLE … CREATEDB`, or make the database by hand and use it as it is"
                .to_owned()
        }),
    }
}

pub(super) async fn drop(admin: &Admin, name: &str) -> Result<bool> {
    // Nobody can drop the database he is connected to.
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

/// Has the server give up when the caller does. What it went on with alone could hit a database made since.
async fn limit_statements(admin: &Admin, server: &Database) -> Result<()> {
    let limit = admin.limit.as_millis().clamp(1, i32::MAX as u128);
    let sql = format!("SET statement_timeout = {limit}");
    server.execute(AssertSqlSafe(sql), ()).await.map(std::mem::drop)
}

/// Connects to a database that is not `other_than`.
pub(super) async fn connect(admin: &Admin, other_than: Option<&str>) -> Result<Database> {
    // The template comes last: while someone is connected to it, nobody else can copy it.
    let user = admin.config.url().username();
    let doors = [Some("postgres"), admin.beside.as_deref(), user, Some("template1")];
    let mut refused = None;
    for door in doors.into_iter().flatten().filter(|door| Some(*door) != other_than) {
        match Database::connect(admin.seen_from(Some(door))).await {
            Err(error) if is_elsewhere(&error) => refused = refused.or(Some(error)),
            result => return result,
        }
    }
    Err(refused.unwrap_or_else(|| name::unusable("there is no other database to connect to".to_owned())))
}

/// Whether the user may have more luck with another database of the same server: this one is missing, closed to him
/// (also by `pg_hba.conf`), or closed to all.
fn is_elsewhere(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::DatabaseNotFound | ErrorKind::Permission)
        || matches!(error.sqlstate(), Some("28000" | "55000"))
}
