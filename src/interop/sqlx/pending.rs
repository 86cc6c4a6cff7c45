//! What migrations are left to do, and whether that is possible in the open transaction.

use sqlx::migrate::{Migrate, Migration, Migrator};

use super::lock::MigrationLock;
use crate::backend::rules::DefinitionsInTransaction;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// Advice if a migration cannot run in a transaction.
pub(super) const BEFORE: &str =
    "run `database.migrate` before the transaction, the sandbox or the schema; then there is nothing left to do";

/// The direction of migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// Returns whether there is something to do in the open transaction, or an error if it cannot be done there. MySQL
/// commits before and after each statement that creates a table. SQLite silently ignores some statements in a
/// transaction, such as a `PRAGMA`, and could then delete rows that the `PRAGMA` protects.
pub(super) async fn may_go<C: Migrate>(
    migrator: &Migrator,
    connection: &mut C,
    direction: Direction,
    dialect: Dialect,
) -> Result<bool> {
    let rule = dialect.rules().schema().in_transaction;
    if rule == DefinitionsInTransaction::Undone {
        return Ok(true);
    }
    let open = open_migrations(migrator, connection, direction).await;
    let commits = rule == DefinitionsInTransaction::Commit;
    let (refused, why) = if commits {
        (
            open.first(),
            "would commit the open transaction, because MySQL commits implicitly when it creates tables",
        )
    } else {
        (
            open.iter().find(|migration| migration.no_tx),
            "is marked `-- no-transaction`, but a transaction is open",
        )
    };
    match refused {
        None => Ok(!commits),
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

/// Returns an error if something cannot be done in the transaction that the lock has opened.
pub(super) async fn may_go_within<C: Migrate>(
    migrator: &Migrator,
    connection: &mut C,
    direction: Direction,
    dialect: Dialect,
    lock: MigrationLock,
) -> Result<()> {
    if lock == MigrationLock::Transaction {
        return may_go(migrator, connection, direction, dialect).await.map(drop);
    }
    // A question to a missing table would abort the transaction.
    if let Err(error) = connection.ensure_migrations_table(&migrator.table_name).await {
        return Err(Error::new(ErrorKind::Driver, error.to_string()));
    }
    let open = open_migrations(migrator, connection, direction).await;
    match open.iter().find(|migration| migration.no_tx) {
        None => Ok(()),
        Some(migration) => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "migration {} ({}) is marked `-- no-transaction`, but behind a pooler all run in one transaction; nothing \
                 was sent",
                migration.version, migration.description
            ),
        )
        .help("run the migrations on a connection to the server itself, without `pgbouncer=true`")),
    }
}

/// Returns what is left to do, in order.
async fn open_migrations<'m, C: Migrate>(
    migrator: &'m Migrator,
    connection: &mut C,
    direction: Direction,
) -> Vec<&'m Migration> {
    let applied = connection.list_applied_migrations(&migrator.table_name).await;
    let applied = applied.unwrap_or_default();
    let mut open: Vec<_> = migrator.iter().collect();
    open.retain(|migration| {
        let known = applied.iter().find(|applied| applied.version == migration.version);
        match direction {
            Direction::Up => {
                !migration.migration_type.is_down_migration()
                    && known.is_none_or(|applied| applied.checksum != migration.checksum)
            }
            Direction::Down => migration.migration_type.is_down_migration() && known.is_some(),
        }
    });
    if direction == Direction::Down {
        open.reverse();
    }
    open
}
