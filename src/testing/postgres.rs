//! PostgreSQL: databases are made and dropped from another one.

use sqlx::AssertSqlSafe;

use super::admin::{Admin, Wishes, advise, with_connection};
use super::name;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// From here on `DROP DATABASE … WITH (FORCE)` ends the other sessions itself, and lets no new one in between.
const CAN_FORCE: i64 = 130_000;

/// What helps a user who is let in nowhere.
const GRANT: &str = "let an administrator run `GRANT CONNECT ON DATABASE postgres TO …`";

pub(super) async fn exists(admin: &Admin, name: &str) -> Result<bool> {
    match door(admin, None).await? {
        Door::Open(server) => {
            let found = listed(&server, name).await;
            let _ = server.disconnect().await;
            found
        }
        Door::Shut(refused) => lets_in(admin, name).await.ok_or(refused),
    }
}

/// Whether the user, whom no other database lets in, is let into this one. `None` if that tells nothing.
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

pub(super) async fn create(admin: &Admin, name: &str, wishes: &Wishes, if_missing: bool) -> Result<bool> {
    let mut options = String::new();
    if let Some(template) = &wishes.template {
        name::check(Dialect::Postgres, template)?;
        options = format!(" TEMPLATE {}", Dialect::Postgres.quote_identifier(template));
    }
    let encoding = wishes.encoding.as_deref().map(name::word).transpose()?;
    let server = match door(admin, None).await? {
        Door::Open(server) => server,
        Door::Shut(_) if if_missing && lets_in(admin, name).await == Some(true) => return Ok(false),
        Door::Shut(refused) => return Err(refused),
    };
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

/// A way into the server, or why every one that was tried is shut to this user.
enum Door {
    Open(Database),
    Shut(Error),
}

/// Connects to a database that is not `other_than`.
pub(super) async fn connect(admin: &Admin, other_than: Option<&str>) -> Result<Database> {
    match door(admin, other_than).await? {
        Door::Open(server) => Ok(server),
        Door::Shut(refused) => Err(refused),
    }
}

async fn door(admin: &Admin, other_than: Option<&str>) -> Result<Door> {
    // The template comes last: while someone is connected to it, nobody else can copy it.
    let user = admin.config.url().username();
    let doors = [Some("postgres"), admin.beside.as_deref(), user, Some("template1")];
    let (mut tried, mut refused) = (Vec::new(), None::<Error>);
    for door in doors.into_iter().flatten().filter(|door| Some(*door) != other_than) {
        if tried.contains(&door) {
            continue;
        }
        tried.push(door);
        match Database::connect(admin.seen_from(Some(door))).await {
            // That one is closed to the user says more than that another is missing.
            Err(error) if is_elsewhere(&error) => {
                let known = refused.filter(|known| known.kind() != ErrorKind::DatabaseNotFound);
                refused = known.or(Some(error));
            }
            result => return result.map(Door::Open),
        }
    }
    Ok(Door::Shut(shut(&tried, refused)))
}

/// The server is there, and no database of it lets the user in. None of those is the one he asks about, so that they are
/// missing is no answer for him.
fn shut(tried: &[&str], refused: Option<Error>) -> Error {
    let message = format!(
        "no database lets the user in to do so from there; tried {}",
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

/// Whether the user may have more luck with another database of the same server: this one is missing, closed to him
/// (also by `pg_hba.conf`), or closed to all.
fn is_elsewhere(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::DatabaseNotFound | ErrorKind::Permission)
        || matches!(error.sqlstate(), Some("28000" | "55000"))
}
