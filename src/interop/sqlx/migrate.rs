//! The migrators of sqlx, run on a connection of this library.

use std::panic::Location;

use futures::future::BoxFuture;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx_core::transaction::TransactionManager;

use super::lend::unknown;
use super::lock::Lock;
use super::native;
use super::view::within;
use crate::backend::{Done, NativeJob, SqlxDatabase};
use crate::connection::Connection;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Asker;
use crate::session::Target;
use crate::sql::{Dialect, Effect};

/// What stands for the migrations where statements are shown.
const SHOWN: &str = "-- migrate";

/// The way out, where a migration cannot run in a transaction.
const BEFORE: &str =
    "run `database.migrate` before the transaction, the sandbox or the schema; then there is nothing left to do";

/// Which way migrations go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    Up,
    Down,
}

pub(super) async fn migrate(
    target: Result<Target>,
    migrator: Migrator,
    course: Course,
    place: &'static Location<'static>,
) -> Result<()> {
    let target = target?;
    let ground = target.ground();
    let mut effect = Effect {
        writes: ground.dialect() == Dialect::Sqlite,
        ..Effect::default()
    };
    for migration in migrator.iter() {
        let template = ground.templates.foreign(migration.sql.as_str())?;
        effect.deferrable |= template.effect().deferrable;
        effect.soils |= template.effect().soils;
    }
    let asker = Asker::at(place);
    let work = unknown(&target, SHOWN, effect, asker)?;
    let job = match ground.dialect() {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => job::<sqlx::Postgres>(migrator, course),
        #[cfg(feature = "mysql")]
        Dialect::MySql => job::<sqlx::MySql>(migrator, course),
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => job::<sqlx::Sqlite>(migrator, course),
        #[allow(unreachable_patterns, reason = "reachable when a backend is left out")]
        dialect => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("no migrator of sqlx runs on {dialect}"),
            ));
        }
    };
    within(&target, &work, || target.lend(&work, job)).await
}

fn job<DB>(migrator: Migrator, course: Course) -> NativeJob
where
    DB: SqlxDatabase<Connection: Migrate>,
{
    NativeJob::open_ended(move |connection| {
        Box::pin(async move {
            let connection = native::<DB>(connection)?;
            if DB::TransactionManager::get_transaction_depth(connection) > 0 {
                if may_go(&migrator, connection, course, DB::DIALECT).await? {
                    go::<DB>(&migrator, connection, course, true).await?;
                }
            } else if migrator.locking {
                locked::<DB>(&migrator, connection, course).await?;
            } else {
                go::<DB>(&migrator, connection, course, false).await?;
            }
            Ok(Done::default())
        })
    })
    .defining()
}

/// Outside of a transaction, and alone.
async fn locked<DB>(migrator: &Migrator, connection: &mut DB::Connection, course: Course) -> Result<()>
where
    DB: SqlxDatabase<Connection: Migrate>,
{
    let lock = Lock::of(DB::DIALECT);
    lock.take::<DB>(connection).await?;
    let within = lock == Lock::Transaction;
    if within && may_go(migrator, connection, course, DB::DIALECT).await.is_err() {
        // What cannot run in a transaction runs without the lock, as sqlx has it.
        lock.release::<DB>(connection, false).await?;
        tracing::warn!(
            "a migration that says `-- no-transaction` is to be run on SQLite, so no lock keeps other programs from migrating too"
        );
        return go::<DB>(migrator, connection, course, false).await;
    }
    let gone = go::<DB>(migrator, connection, course, within).await;
    let released = lock.release::<DB>(connection, gone.is_ok()).await;
    match (gone, released) {
        (gone, Ok(())) => gone,
        // A transaction that is left open is rolled back.
        (Ok(()), Err(error)) | (Err(error), Err(_)) if within => Err(error),
        (Ok(()), Err(error)) | (Err(error), Err(_)) => Err(closing(error)),
    }
}

/// Runs or undoes the migrations; `inside` of a transaction.
async fn go<DB>(migrator: &Migrator, connection: &mut DB::Connection, course: Course, inside: bool) -> Result<()>
where
    DB: SqlxDatabase<Connection: Migrate>,
{
    let gone = match course {
        Course::Up => migrator.run_direct(None, connection, false).await,
        Course::Down => undo(migrator, connection).await,
    };
    let Err(error) = gone.map_err(|error| explain::<DB>(error, inside)) else {
        return Ok(());
    };
    // The migrator keeps its lock where it fails, and the connection may be used for long.
    if migrator.locking && connection.unlock().await.is_err() {
        return Err(closing(error));
    }
    Err(error)
}

/// An error after which the connection is closed, because it has the lock still.
fn closing(error: Error) -> Error {
    if error.is_fatal() {
        error
    } else {
        error.fatal().refusing()
    }
}

/// Undoes everything that was applied, the last first. sqlx's own way wants a connection it can acquire.
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

/// Whether there is something to do in the transaction that is open; an error if it cannot be done there. MySQL commits
/// before and after each statement that makes a table. SQLite says nothing where a statement has no effect in a transaction,
/// and so may delete rows that a `PRAGMA` was to save.
async fn may_go<C: Migrate>(migrator: &Migrator, connection: &mut C, course: Course, dialect: Dialect) -> Result<bool> {
    if dialect == Dialect::Postgres {
        return Ok(true);
    }
    let applied = connection.list_applied_migrations(&migrator.table_name).await;
    let applied = applied.unwrap_or_default();
    let mut open: Vec<_> = migrator.iter().collect();
    open.retain(|migration| {
        let known = applied.iter().find(|applied| applied.version == migration.version);
        match course {
            Course::Up => {
                !migration.migration_type.is_down_migration()
                    && known.is_none_or(|applied| applied.checksum != migration.checksum)
            }
            Course::Down => migration.migration_type.is_down_migration() && known.is_some(),
        }
    });
    if course == Course::Down {
        open.reverse();
    }
    let (refused, why) = match dialect {
        Dialect::MySql => (
            open.first(),
            "would commit the transaction that is open, as MySQL does for the making of tables",
        ),
        _ => (
            open.iter().find(|migration| migration.no_tx),
            "says `-- no-transaction`, and one is open",
        ),
    };
    match refused {
        None => Ok(dialect != Dialect::MySql),
        Some(migration) => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "migration {} ({}) {why}; nothing was sent",
                migration.version, migration.description
            ),
        )
        .help(BEFORE)),
    }
}

fn explain<DB: SqlxDatabase>(error: MigrateError, inside: bool) -> Error {
    let (kind, message, help) = match &error {
        MigrateError::VersionMismatch(version) => (
            ErrorKind::Config,
            format!("migration {version} was changed after it was applied"),
            "put its text back as it was, and write what is new into another migration",
        ),
        MigrateError::VersionMissing(version) => (
            ErrorKind::Config,
            format!("migration {version} was applied to this database and is not among those given"),
            "is this the right database, and the newest program? `set_ignore_missing(true)` lets it pass",
        ),
        MigrateError::Dirty(version) => (
            ErrorKind::Config,
            format!("migration {version} was applied in part"),
            "repair by hand what it left, delete its row from the table of migrations, and run again",
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

/// What the database said, and of which migration.
fn of_server<DB: SqlxDatabase>(error: MigrateError) -> Error {
    match error {
        MigrateError::ExecuteMigration(native, version) => {
            DB::explain(native).context(format_args!("migration {version}"))
        }
        MigrateError::Execute(native) => DB::explain(native).context("the migrator"),
        other => Error::new(ErrorKind::Driver, other.to_string()).with_source(sqlx::Error::Migrate(Box::new(other))),
    }
}

/// A migrator of its own; that given may be borrowed from anywhere, and the connection may be on another thread.
pub(super) fn owned(migrator: &Migrator) -> Migrator {
    Migrator {
        migrations: migrator.migrations.clone(),
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
            /// Runs the migrations of sqlx that this database does not have yet, on the connection a statement would run
            /// on: in a transaction or a sandbox they are undone with it.
            ///
            /// Each migration runs in a transaction of its own (in a transaction: a savepoint), unless it says
            /// `-- no-transaction`. Two programs do not migrate at once, unless the migrator says `set_locking(false)`: on
            /// PostgreSQL sqlx's lock sees to that, on MySQL and MariaDB one more, which both of them have, on SQLite one
            /// transaction around all that is new; as long as a `-- no-transaction` is among it, nothing does there, which is
            /// told as a warning through `tracing`. Sandboxes that migrate at the same time wait for each other to
            /// their end, so migrate before them where you can.
            ///
            /// MySQL cannot undo the making of tables. In a transaction or a sandbox there must be nothing left to do. On
            /// SQLite a migration that says `-- no-transaction` is refused there.
            ///
            /// # Errors
            ///
            /// What the database says of a migration, with its number; [`Config`](ErrorKind::Config) if an applied
            /// migration was changed or is missing; [`Unsupported`](ErrorKind::Unsupported) if what is left to do cannot be
            /// done in the transaction that is open.
            ///
            /// # Cancel safety
            ///
            /// As that of `with_sqlx`: the migration under way is rolled back. What was applied before it stays applied, except
            /// on SQLite, where the transaction around all of them is rolled back.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// use sqlx::SqlSafeStr;
            /// use sqlx::migrate::{Migration, MigrationType, Migrator};
            /// // Mostly: static MIGRATOR: Migrator = sqlx::migrate!();
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
                    self.target(),
                    owned(migrator),
                    Course::Up,
                    Location::caller(),
                ))
            }
        }
    };
}

migrate!(Database);
migrate!(Connection);
