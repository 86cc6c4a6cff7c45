//! The tables of an application, declared in code.

mod app;
mod apply;
mod binding;
mod db_connection;
mod ddl;
mod migrations;
mod order;
mod plan;
mod step;
mod target;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::connections::Connections;
use crate::database::Database;
use crate::error::Result;
use crate::sql::Dialect;

pub use app::App;
use apply::{SchemaAction, SchemaJob};
use binding::Binding;
pub use db_connection::DbConnection;
pub use ddl::Ddl;
#[cfg(feature = "sqlx-interop")]
pub(crate) use migrations::{SchemaMigration, SchemaMigrations};
use plan::Plan;
use target::Destination;
pub use target::SchemaTarget;

/// The tables of an application, declared in code.
///
#[doc = include_str!("../../docs/SCHEMA.md")]
#[derive(Clone)]
#[must_use]
pub struct Schema {
    apps: Arc<Vec<App>>,
    /// Shared with the clones.
    binding: Arc<Binding>,
}

impl Schema {
    /// Creates a schema without apps.
    ///
    /// ```
    /// assert_eq!(ebbtide::Schema::new().apps().count(), 0);
    /// ```
    pub fn new() -> Self {
        Self {
            apps: Arc::default(),
            binding: Arc::default(),
        }
    }

    /// Adds an app, or its definitions to an existing app of the same name.
    ///
    /// ```
    /// use ebbtide::{App, Schema};
    /// let schema = Schema::new().app(App::new("shop").define("CREATE TABLE item (id BIGINT PRIMARY KEY)"));
    /// assert!(schema.apps().eq(["shop"]));
    /// ```
    pub fn app(mut self, app: App) -> Self {
        let apps = Arc::make_mut(&mut self.apps);
        match apps.iter_mut().find(|known| known.name() == app.name()) {
            Some(known) => known.join(app),
            None => apps.push(app),
        }
        self
    }

    /// Returns the names of its apps, in the order in which they were added.
    ///
    /// ```
    /// use ebbtide::{App, Schema};
    /// assert!(Schema::new().app(App::new("shop")).app(App::new("audit")).apps().eq(["shop", "audit"]));
    /// ```
    pub fn apps(&self) -> impl Iterator<Item = &str> {
        self.apps.iter().map(App::name)
    }

    /// Creates the missing tables, each app's on its own connection, in the order of their dependencies. Existing ones
    /// are kept as they are (`IF NOT EXISTS`), even if they differ. On each connection it uses one transaction, if the
    /// dialect supports that for definitions (PostgreSQL and SQLite: all or nothing). Inside a transaction or a sandbox,
    /// the definitions belong to that one. MySQL commits such statements implicitly, so there they are refused instead.
    ///
    /// Programs that start at the same time on one database wait for each other here.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if a declared dependency is not defined, if definitions depend on each
    /// other in a cycle, or if a table is defined twice; on MySQL in a transaction or sandbox
    /// [`Refused`](crate::ErrorKind::Refused); those of the server, naming the object that could not be created and its
    /// app; those of [`Connections::get`].
    ///
    /// # Cancel safety
    ///
    /// If dropped early, nothing was created on the connection in progress, on MySQL a part. The next call creates the
    /// rest.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{App, Database, Schema};
    ///
    /// let schema = Schema::new().app(App::new("notes").define("CREATE TABLE note (text TEXT)"));
    /// let database = Database::connect("sqlite::memory:").await?;
    /// schema.create_all(&database).await?;
    /// schema.create_all(&database).await?; // nothing is missing
    /// schema.drop_all(&database).await?;
    /// # Ok(()) }
    /// ```
    #[doc(alias = "generate_schemas")]
    pub async fn create_all(&self, target: impl Into<SchemaTarget>) -> Result<()> {
        self.perform(target.into(), SchemaAction::Create { safe: true }).await
    }

    /// Creates all tables as [`create_all`](Self::create_all) does, but an existing one is an error, and nothing is
    /// created on that connection.
    ///
    /// # Errors
    ///
    /// Those of [`create_all`](Self::create_all); [`DuplicateObject`](crate::ErrorKind::DuplicateObject) naming the
    /// existing tables.
    ///
    /// # Cancel safety
    ///
    /// As [`create_all`](Self::create_all), which also creates the rest.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{App, Database, ErrorKind, Schema};
    ///
    /// let schema = Schema::new().app(App::new("notes").define("CREATE TABLE note (text TEXT)"));
    /// let database = Database::connect("sqlite::memory:").await?;
    /// schema.create_new(&database).await?;
    /// let again = schema.create_new(&database).await.unwrap_err();
    /// assert_eq!(again.kind(), ErrorKind::DuplicateObject);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "generate_schemas")]
    pub async fn create_new(&self, target: impl Into<SchemaTarget>) -> Result<()> {
        self.perform(target.into(), SchemaAction::Create { safe: false }).await
    }

    /// Drops all existing tables of the schema, with everything in them, in reverse order of creation. Tables that the
    /// schema does not define are kept. If they refer to one of its tables, the server refuses to drop that table.
    ///
    /// # Errors
    ///
    /// As [`create_all`](Self::create_all).
    ///
    /// # Cancel safety
    ///
    /// If dropped early, nothing was dropped on the connection in progress, on MySQL a part.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{App, Database, Schema};
    ///
    /// let schema = Schema::new().app(App::new("notes").define("CREATE TABLE note (text TEXT)"));
    /// let database = Database::connect("sqlite::memory:").await?;
    /// schema.create_all(&database).await?;
    /// schema.drop_all(&database).await?;
    /// schema.drop_all(&database).await?; // nothing is left to drop
    /// # Ok(()) }
    /// ```
    pub async fn drop_all(&self, target: impl Into<SchemaTarget>) -> Result<()> {
        self.perform(target.into(), SchemaAction::Drop).await
    }

    /// Returns the statements that [`create_all`](Self::create_all) would send in a dialect if all apps were on one
    /// connection, for inspection or for a file.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) as for [`create_all`](Self::create_all).
    ///
    /// ```
    /// use ebbtide::{App, Dialect, Schema};
    ///
    /// let schema = Schema::new().app(App::new("notes").define("CREATE TABLE note (text TEXT)"));
    /// let statements = schema.statements(Dialect::Postgres)?;
    /// assert_eq!(statements, ["CREATE TABLE IF NOT EXISTS note (text TEXT)"]);
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn statements(&self, dialect: Dialect) -> Result<Vec<String>> {
        let steps = Plan::new(dialect, self.apps.iter())?.create(true);
        Ok(steps.into_iter().flat_map(|step| step.act.statements()).collect())
    }

    async fn perform(&self, target: SchemaTarget, work: SchemaAction) -> Result<()> {
        // Errors in the definitions of any connection are reported before anything is created.
        let mut jobs = Vec::new();
        for (alias, database, apps) in self.places(target).await? {
            let target = database.target()?;
            let engine = target.engine();
            let plan = Arc::new(Plan::with_rules(engine.dialect(), engine.rules(), apps)?);
            jobs.push((database, SchemaJob { plan, work, alias }));
        }
        for (database, job) in jobs {
            job.on(&database).await?;
        }
        Ok(())
    }

    /// Returns the databases, each with its apps.
    async fn places(&self, target: SchemaTarget) -> Result<Vec<(Option<String>, Database, Vec<&App>)>> {
        let connections = match target.0 {
            Destination::Database(database) => return Ok(vec![(None, database, self.apps.iter().collect())]),
            Destination::Connections(connections) => connections,
        };
        let mut places: BTreeMap<String, Vec<&App>> = BTreeMap::new();
        for app in self.apps.iter() {
            places.entry(alias(&connections, app)?).or_default().push(app);
        }
        let mut found = Vec::new();
        for (alias, apps) in places {
            let database = connections.get(&alias).await?;
            found.push((Some(alias), database, apps));
        }
        Ok(found)
    }
}

/// Returns the alias of the connection of an app.
fn alias(connections: &Connections, app: &App) -> Result<String> {
    connections.alias_of_app(app.name(), app.connection())
}

impl Default for Schema {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apps: Vec<&str> = self.apps().collect();
        f.debug_struct("Schema")
            .field("apps", &apps)
            .field("binding", &self.binding)
            .finish()
    }
}
