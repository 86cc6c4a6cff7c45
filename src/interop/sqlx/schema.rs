//! The migrators of sqlx as definitions of a schema.

use std::panic::Location;
use std::sync::Arc;

use futures::future::BoxFuture;
use sqlx::migrate::Migrator;

use super::migrate::{migrate, owned};
use super::pending::Direction;
use crate::connection::Connection;
use crate::error::Result;
use crate::schema::{Ddl, SchemaMigration, SchemaMigrations};

#[derive(Debug)]
struct Migrated(Arc<Migrator>);

impl Migrated {
    fn go(&self, connection: &Connection, direction: Direction) -> BoxFuture<'static, Result<()>> {
        Box::pin(migrate(
            connection.addressee(),
            owned(&self.0),
            direction,
            Location::caller(),
        ))
    }
}

impl SchemaMigrations for Migrated {
    fn table(&self) -> &str {
        &self.0.table_name
    }

    fn shares_table(&self) -> bool {
        self.0.ignore_missing
    }

    fn all(&self) -> Vec<SchemaMigration> {
        let (down, up): (Vec<_>, Vec<_>) = self
            .0
            .iter()
            .partition(|migration| migration.migration_type.is_down_migration());
        let migration = |up: &sqlx::migrate::Migration| SchemaMigration {
            version: up.version,
            description: up.description.to_string(),
            sql: up.sql.as_str().to_owned(),
            reversible: down.iter().any(|down| down.version == up.version),
        };
        up.into_iter().map(migration).collect()
    }

    fn run(&self, connection: &Connection) -> BoxFuture<'static, Result<()>> {
        self.go(connection, Direction::Up)
    }

    fn undo(&self, connection: &Connection) -> BoxFuture<'static, Result<()>> {
        self.go(connection, Direction::Down)
    }
}

/// A migrator of sqlx as a definition: [`App::define`](crate::App::define) accepts it as well as tables.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// use ebbtide::{App, Database, Schema};
/// # use sqlx::{SqlSafeStr, migrate::{Migration, MigrationType, Migrator}};
/// # let step = |kind, sql: &'static str| Migration::new(1, "note".into(), kind, sql.into_sql_str(), false);
/// # let migrator = Migrator::with_migrations(vec![
/// #     step(MigrationType::ReversibleUp, "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)"),
/// #     step(MigrationType::ReversibleDown, "DROP TABLE note"),
/// # ]);
///
/// // static MIGRATOR: Migrator = sqlx::migrate!();   // migrations/1_note.up.sql makes the table `note`
/// let app = App::new("notes")
///     .define("CREATE TABLE tag (note INTEGER NOT NULL REFERENCES note (id), name TEXT NOT NULL)")
///     .define(&migrator);
/// let schema = Schema::new().app(app);
///
/// let database = Database::connect("sqlite::memory:").await?;
/// schema.create_all(&database).await?; // the migrations first: `tag` needs what they make
/// schema.create_all(&database).await?; // nothing is left to do
/// schema.drop_all(&database).await?; // `tag`, and then the migrations are undone
/// # Ok(()) }
/// ```
impl From<&Migrator> for Ddl {
    fn from(migrator: &Migrator) -> Self {
        Self::migrated(Migrated(Arc::new(owned(migrator))))
    }
}

impl From<Migrator> for Ddl {
    fn from(migrator: Migrator) -> Self {
        Self::migrated(Migrated(Arc::new(owned(&migrator))))
    }
}
