//! The migrators of sqlx, run on a connection of this library.

use std::panic::Location;

use futures::future::BoxFuture;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx_core::transaction::TransactionManager;

use super::lend::unknown;
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

async fn migrate(target: Result<Target>, migrator: Migrator, place: &'static Location<'static>) -> Result<()> {
    let target = target?;
    let ground = target.ground();
    let mut effect = Effect::default();
    for migration in migrator.iter() {
        let template = ground.templates.foreign(migration.sql.as_str())?;
        effect.deferrable |= template.effect().deferrable;
        effect.soils |= template.effect().soils;
    }
    let asker = Asker::at(place);
    let work = unknown(&target, SHOWN, effect, asker)?;
    let job = match ground.dialect() {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => job::<sqlx::Postgres>(migrator),
        #[cfg(feature = "mysql")]
        Dialect::MySql => job::<sqlx::MySql>(migrator),
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => job::<sqlx::Sqlite>(migrator),
        #[allow(unreachable_patterns, reason = "reachable when a backend is left out")]
        dialect => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("no migrator of sqlx runs on {dialect}"),
            ));
        }
    };
    within(&target, asker, target.lend(&work, job)).await
}

fn job<DB>(migrator: Migrator) -> NativeJob
where
    DB: SqlxDatabase<Connection: Migrate>,
{
    NativeJob::open_ended(move |connection| {
        Box::pin(async move {
            let connection = native::<DB>(connection)?;
            let inside = DB::TransactionManager::get_transaction_depth(connection) > 0;
            if inside && DB::DIALECT == Dialect::MySql {
                return nothing_to_do(&migrator, connection).await;
            }
            let Err(error) = migrator.run_direct(None, connection, false).await else {
                return Ok(Done::default());
            };
            let error = explain::<DB>(error);
            // The migrator keeps its lock where it fails, and the connection may be used for long.
            if migrator.locking && connection.unlock().await.is_err() {
                return Err(error.fatal());
            }
            Err(error)
        })
    })
}

/// MySQL commits before and after each statement that makes a table, so in a transaction there must be nothing to do.
async fn nothing_to_do<C: Migrate>(migrator: &Migrator, connection: &mut C) -> Result<Done> {
    let applied = connection
        .list_applied_migrations(&migrator.table_name)
        .await
        .unwrap_or_default();
    let pending = migrator.iter().find(|migration| {
        !migration.migration_type.is_down_migration()
            && !applied
                .iter()
                .any(|applied| applied.version == migration.version && applied.checksum == migration.checksum)
    });
    match pending {
        None => Ok(Done::default()),
        Some(migration) => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "migration {} ({}) would commit the transaction that is open, as MySQL does for the making of tables; nothing was sent",
                migration.version, migration.description
            ),
        )
        .help("migrate before the transaction or the sandbox begins; then this call finds nothing to do")),
    }
}

fn explain<DB: SqlxDatabase>(error: MigrateError) -> Error {
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
        _ => return of_server::<DB>(error),
    };
    Error::new(kind, message)
        .help(help)
        .with_source(sqlx::Error::Migrate(Box::new(error)))
}

/// What the database said, and of which migration.
fn of_server<DB: SqlxDatabase>(error: MigrateError) -> Error {
    match error {
        MigrateError::ExecuteMigration(native, version) => DB::explain(native).said_of(&format!("migration {version}")),
        MigrateError::Execute(native) => DB::explain(native).said_of("the migrator"),
        other => Error::new(ErrorKind::Driver, other.to_string()).with_source(sqlx::Error::Migrate(Box::new(other))),
    }
}

/// A migrator of its own; that given may be borrowed from anywhere, and the connection may be on another thread.
fn owned(migrator: &Migrator) -> Migrator {
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
            /// `-- no-transaction`. sqlx's lock keeps two programs from migrating at once; sandboxes that migrate at
            /// the same time wait for each other to their end, so migrate before them where you can.
            ///
            /// MySQL cannot undo the making of tables. In a transaction or a sandbox there must be nothing left to do.
            ///
            /// # Errors
            ///
            /// What the database says of a migration, with its number; [`Config`](ErrorKind::Config) if an applied
            /// migration was changed or is missing; [`Unsupported`](ErrorKind::Unsupported) on MySQL in a transaction.
            ///
            /// # Cancel safety
            ///
            /// As that of `with_sqlx`: what was applied stays applied, the one under way is rolled back.
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
                Box::pin(migrate(self.target(), owned(migrator), Location::caller()))
            }
        }
    };
}

migrate!(Database);
migrate!(Connection);
