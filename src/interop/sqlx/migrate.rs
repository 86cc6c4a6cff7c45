//! Runs sqlx's migrators on connections of this library.

use std::panic::Location;

use futures::future::BoxFuture;
use sqlx::migrate::{Migrate, MigrateError, Migration, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use super::lend::unknown;
use super::lock::MigrationLock;
use super::native;
use super::pending::{BEFORE, Direction, may_go, may_go_within};
use super::view::within;
use crate::backend::{NativeJob, QueryResult, SqlxDatabase};
use crate::connection::Connection;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::query::Addressee;
use crate::sql::{Dialect, Effect, without_byte_order_mark};

/// Placeholder for the migrations where statements are shown.
const SHOWN: &str = "-- migrate";

pub(super) async fn migrate(
    addressee: Addressee,
    migrator: Migrator,
    direction: Direction,
    place: &'static Location<'static>,
) -> Result<()> {
    let target = addressee.into_target()?;
    let engine = target.engine();
    let mut effect = Effect {
        writes: engine.rules().transactions().one_writer,
        ..Effect::default()
    };
    for migration in migrator.iter() {
        let template = engine.templates.foreign(migration.sql.as_str())?;
        effect.deferrable |= template.effect().deferrable;
        effect.taints_session |= template.effect().taints_session;
        effect.session = effect.session.max(template.effect().session);
    }
    let caller = Caller::at(place);
    let work = unknown(&target, SHOWN, effect, caller)?;
    let pooled = engine.settings.statement_cache_capacity == 0;
    let job = match engine.dialect() {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => job::<sqlx::Postgres>(migrator, direction, pooled),
        #[cfg(feature = "mysql")]
        Dialect::MySql => job::<sqlx::MySql>(migrator, direction, pooled),
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => job::<sqlx::Sqlite>(migrator, direction, pooled),
        #[cfg(not(feature = "postgres"))]
        dialect @ Dialect::Postgres => return Err(without_driver(dialect)),
        #[cfg(not(feature = "mysql"))]
        dialect @ Dialect::MySql => return Err(without_driver(dialect)),
        #[cfg(not(feature = "sqlite"))]
        dialect @ Dialect::Sqlite => return Err(without_driver(dialect)),
        dialect @ (Dialect::SqlServer | Dialect::Generic) => return Err(without_driver(dialect)),
    };
    within(&target, &work, || target.lend(&work, job)).await
}

fn without_driver(dialect: Dialect) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("sqlx cannot run migrations on {dialect}"),
    )
    .help("run the migrations with a driver of sqlx, or execute their texts with `execute_script`")
}

fn job<DB>(migrator: Migrator, direction: Direction, pooled: bool) -> NativeJob
where
    DB: SqlxDatabase<Connection: Migrate>,
{
    NativeJob::open_ended(move |connection| {
        Box::pin(async move {
            let connection = native::<DB>(connection)?;
            let inside = DB::TransactionManager::get_transaction_depth(connection) > 0;
            if inside && !may_go(&migrator, connection, direction, DB::DIALECT).await? {
                return Ok(QueryResult::default());
            }
            let lock = if inside {
                MigrationLock::inside(DB::DIALECT, pooled)
            } else {
                Some(MigrationLock::of(DB::DIALECT, pooled))
            };
            // A pooler lets none run outside of a transaction.
            let concurrent = !inside && !pooled && migrator.iter().any(|migration| migration.no_tx);
            let lock = if migrator.locking {
                lock
            } else {
                lock.and_then(MigrationLock::without)
            };
            let gone = match lock {
                Some(lock) => locked::<DB>(migrator, connection, direction, lock, inside).await,
                None => go::<DB>(&migrator, connection, direction, inside).await,
            };
            let gone = if concurrent {
                about_indexes::<DB>(connection, gone).await
            } else {
                gone
            };
            gone.map(|()| QueryResult::default())
        })
    })
    .defining()
}

/// Migrates under the lock; `inside` means in a transaction of the caller.
async fn locked<DB>(
    mut migrator: Migrator,
    connection: &mut DB::Connection,
    direction: Direction,
    lock: MigrationLock,
    inside: bool,
) -> Result<()>
where
    DB: SqlxDatabase<Connection: Migrate>,
{
    lock.take::<DB>(connection).await?;
    let within = lock.is_transaction();
    if within && let Err(refused) = may_go_within(&migrator, connection, direction, DB::DIALECT, lock).await {
        lock.release::<DB>(connection, false).await?;
        if lock != MigrationLock::Transaction {
            return Err(refused);
        }
        // Migrations that cannot run in a transaction run without the lock, as in sqlx.
        tracing::warn!(
            "a migration that says `-- no-transaction` is to be run on SQLite, so no lock keeps other programs from migrating too"
        );
        return go::<DB>(&migrator, connection, direction, false).await;
    }
    migrator.locking &= lock == MigrationLock::Named || lock == MigrationLock::Transaction;
    let gone = go::<DB>(&migrator, connection, direction, inside || within).await;
    let released = lock.release::<DB>(connection, gone.is_ok()).await;
    match (gone, released) {
        (gone, Ok(())) => gone,
        // A transaction left open is rolled back.
        (Ok(()), Err(error)) | (Err(error), Err(_)) if within => Err(error),
        (Ok(()), Err(error)) | (Err(error), Err(_)) => Err(closing(error)),
    }
}

/// Adds the indexes that `CREATE INDEX CONCURRENTLY` has left unusable, which a later run would take for complete.
async fn about_indexes<DB>(connection: &mut DB::Connection, gone: Result<()>) -> Result<()>
where
    DB: SqlxDatabase,
{
    if gone.as_ref().is_err_and(Error::is_fatal) {
        return gone;
    }
    let Some(indexes) = MigrationLock::invalid_indexes::<DB>(connection).await else {
        return gone;
    };
    let help = format!(
        "`CREATE INDEX CONCURRENTLY` has failed, now or before, and no query uses what it left: drop it with `DROP INDEX \
         CONCURRENTLY {indexes}`, and run the migrations again"
    );
    match gone {
        Ok(()) => {
            tracing::warn!("INVALID indexes: {indexes}; {help}");
            Ok(())
        }
        Err(error) => Err(error.context(format_args!("INVALID: {indexes}")).help(help)),
    }
}

/// Runs or undoes the migrations; `inside` means in a transaction.
async fn go<DB>(migrator: &Migrator, connection: &mut DB::Connection, direction: Direction, inside: bool) -> Result<()>
where
    DB: SqlxDatabase<Connection: Migrate>,
{
    let gone = match direction {
        Direction::Up => migrator.run_direct(None, connection, false).await,
        Direction::Down => undo(migrator, connection).await,
    };
    let Err(error) = gone.map_err(|error| explain::<DB>(error, inside)) else {
        return Ok(());
    };
    // The migrator keeps its lock if it fails, and the connection may be used for long.
    if migrator.locking && connection.unlock().await.is_err() {
        return Err(closing(error));
    }
    Err(error)
}

/// Returns an error that closes the connection, because the connection still has the lock.
fn closing(error: Error) -> Error {
    if error.is_fatal() {
        error
    } else {
        error.fatal().refusing()
    }
}

/// Undoes everything that was applied, the last first. sqlx's own method needs a connection it can acquire.
async fn undo<C: Migrate>(migrator: &Migrator, connection: &mut C) -> Result<(), MigrateError> {
    let table = &migrator.table_name;
    if migrator.locking {
        connection.lock().await?;
    }
    if let Some(version) = connection.dirty_version(table).await? {
        return Err(MigrateError::Dirty(version));
    }
    let applied = connection.list_applied_migrations(table).await?;
    let applied: Vec<i64> = applied.iter().map(|applied| applied.version).collect();
    let unknown = applied.iter().find(|version| !migrator.version_exists(**version));
    if let Some(version) = unknown.filter(|_| !migrator.ignore_missing) {
        return Err(MigrateError::VersionMissing(*version));
    }
    for migration in migrator.iter().rev() {
        if migration.migration_type.is_down_migration() && applied.contains(&migration.version) {
            connection.revert(table, migration).await?;
        }
    }
    if migrator.locking {
        connection.unlock().await?;
    }
    Ok(())
}

fn explain<DB: SqlxDatabase>(error: MigrateError, inside: bool) -> Error {
    let (kind, message, help) = match &error {
        MigrateError::VersionMismatch(version) => (
            ErrorKind::Config,
            format!("migration {version} was changed after it was applied"),
            "restore its text, and put the change into a new migration",
        ),
        MigrateError::VersionMissing(version) => (
            ErrorKind::Config,
            format!("migration {version} was applied to this database but is missing from the given migrations"),
            "is this the right database, and the newest version of the program? `set_ignore_missing(true)` allows it",
        ),
        MigrateError::Dirty(version) => (
            ErrorKind::Config,
            format!("migration {version} was only partly applied"),
            "repair the database by hand, delete the row of this migration from the table of migrations, and run the migrations again",
        ),
        _ => {
            let error = of_server::<DB>(error);
            let impossible = inside && error.sqlstate() == Some("25001");
            return if impossible { error.help(BEFORE) } else { error };
        }
    };
    Error::new(kind, message)
        .help(help)
        .with_source(sqlx::Error::Migrate(Box::new(error)))
}

/// Converts an error of the database and adds the number of the migration.
fn of_server<DB: SqlxDatabase>(error: MigrateError) -> Error {
    match error {
        MigrateError::ExecuteMigration(native, version) => {
            DB::explain(native).context(format_args!("migration {version}"))
        }
        MigrateError::Execute(native) => DB::explain(native).context("the migrator"),
        other => Error::new(ErrorKind::Driver, other.to_string()).with_source(sqlx::Error::Migrate(Box::new(other))),
    }
}

/// Returns an owned copy: the given migrator may be borrowed, and the connection may be on another thread. Its texts
/// have no byte order marks, which servers do not accept; the checksums are those of the files.
pub(super) fn owned(migrator: &Migrator) -> Migrator {
    let mut migrations = migrator.migrations.clone();
    let marked = |migration: &Migration| without_byte_order_mark(migration.sql.as_str()) != migration.sql.as_str();
    if migrations.iter().any(marked) {
        for migration in migrations.to_mut().iter_mut().filter(|migration| marked(migration)) {
            let text = without_byte_order_mark(migration.sql.as_str()).to_owned();
            // sqlx looks for it at the beginning of the file.
            migration.no_tx |= text.starts_with("-- no-transaction");
            migration.sql = AssertSqlSafe(text).into_sql_str();
        }
    }
    Migrator {
        migrations,
        ignore_missing: migrator.ignore_missing,
        locking: migrator.locking,
        no_tx: migrator.no_tx,
        table_name: migrator.table_name.clone(),
        create_schemas: migrator.create_schemas.clone(),
    }
}

macro_rules! migrate {
    ($type:ty) => {
        impl $type {
            /// Runs the sqlx migrations that this database lacks, on the connection a statement would run on. In a
            /// transaction or a sandbox they are undone with it.
            ///
            /// Each migration runs in its own transaction (inside a transaction: a savepoint), unless it contains
            /// `-- no-transaction`. Two programs do not migrate at the same time, unless the migrator has
            /// `set_locking(false)`. PostgreSQL uses the same lock as sqlx, MySQL and MariaDB an additional one that
            /// works on both, and SQLite one transaction around all new migrations. If these include a `-- no-transaction`,
            /// SQLite has no lock, and a warning is logged through `tracing`. Sandboxes that migrate at the same time
            /// wait for each other until their ends, so migrate before opening them if possible.
            ///
            /// MySQL cannot undo the creation of tables: in a transaction or a sandbox there must be nothing left to
            /// do. On SQLite a migration with `-- no-transaction` is refused there.
            ///
            /// # Errors
            ///
            /// Errors of the database, with the number of the migration; [`Config`](ErrorKind::Config) if an applied
            /// migration was changed or is missing; [`Unsupported`](ErrorKind::Unsupported) if the rest cannot run in
            /// the open transaction.
            ///
            /// # Cancel safety
            ///
            /// As for `with_sqlx`: the current migration is rolled back. Migrations applied before it stay applied,
            /// except on SQLite, where the transaction around all of them is rolled back.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// use sqlx::SqlSafeStr;
            /// use sqlx::migrate::{Migration, MigrationType, Migrator};
            /// // Usually: static MIGRATOR: Migrator = sqlx::migrate!();
            /// let notes = "CREATE TABLE note (text TEXT)".into_sql_str();
            /// let migrator = Migrator::with_migrations(vec![Migration::new(1, "notes".into(), MigrationType::Simple, notes, false)]);
            /// database.migrate(&migrator).await?;
            /// database.migrate(&migrator).await?; // nothing to do
            /// database.execute("INSERT INTO note VALUES ('hello')", ()).await?;
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn migrate(&self, migrator: &Migrator) -> BoxFuture<'static, Result<()>> {
                Box::pin(migrate(
                    self.addressee(),
                    owned(migrator),
                    Direction::Up,
                    Location::caller(),
                ))
            }
        }
    };
}

migrate!(Database);
migrate!(Connection);
