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
use apply::{Job, Work};
use binding::Binding;
pub use db_connection::DbConnection;
pub use ddl::Ddl;
#[cfg(feature = "sqlx-interop")]
pub(crate) use migrations::{Migration, Migrations};
use plan::Plan;
pub use target::SchemaTarget;
use target::Target;

#[doc = include_str!("../../docs/SCHEMA.md")]
#[derive(Clone)]
#[must_use]
pub struct Schema {
    apps: Arc<Vec<App>>,
    /// Shared with the clones.
    binding: Arc<Binding>,
}

impl Schema {
    /// A schema without apps.
    pub fn new() -> Self {
        Self {
            apps: Arc::default(),
            binding: Arc::default(),
        }
    }

    /// Adds an app, or its definitions to the one of the same name that is there.
    pub fn app(mut self, app: App) -> Self {
        let apps = Arc::make_mut(&mut self.apps);
        match apps.iter_mut().find(|known| known.name() == app.name()) {
            Some(known) => known.join(app),
            None => apps.push(app),
        }
        self
    }

    /// The names of its apps, in the order in which they were added.
    pub fn apps(&self) -> impl Iterator<Item = &str> {
        self.apps.iter().map(App::name)
    }

    /// Makes all tables, each app's on its own connection, in the order in which they need each other; on each connection in
    /// one transaction, where the dialect has that for definitions (PostgreSQL and SQLite: all or nothing). Inside a
    /// transaction or a sandbox they belong to that; MySQL commits such statements by itself, so there they are refused
    /// instead.
    ///
    /// With `safe`, what is there already is left as it is (`IF NOT EXISTS`), also if it looks different. Without, a table
    /// that is there is an error, and nothing is made on that connection.
    ///
    /// Programs that start at the same time on one database wait for each other here.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if a definition needs what nobody defines, if definitions need each other in a
    /// circle, or if a table is defined twice; [`DuplicateObject`](crate::ErrorKind::DuplicateObject) naming the tables that
    /// are there, if not `safe`; on MySQL in a transaction or sandbox [`Refused`](crate::ErrorKind::Refused);
    /// those of the server, with the name of what could not be made and of its app; those of
    /// [`Connections::get`].
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, nothing was made on the connection that was under way, on MySQL a part of it. The next call with
    /// `safe` makes the rest.
    pub async fn generate_schemas(&self, target: impl Into<SchemaTarget>, safe: bool) -> Result<()> {
        self.perform(target.into(), Work::Create { safe }).await
    }

    /// Makes the tables that are missing: [`generate_schemas`](Self::generate_schemas) with `safe`.
    ///
    /// # Errors
    ///
    /// As [`generate_schemas`](Self::generate_schemas).
    ///
    /// # Cancel safety
    ///
    /// As [`generate_schemas`](Self::generate_schemas).
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
    pub async fn create_all(&self, target: impl Into<SchemaTarget>) -> Result<()> {
        self.perform(target.into(), Work::Create { safe: true }).await
    }

    /// Drops all tables that are there, with everything in them, the last that was made first. Tables that the schema does
    /// not define are left; if they refer to one of it, the server refuses to drop that.
    ///
    /// # Errors
    ///
    /// As [`generate_schemas`](Self::generate_schemas).
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, nothing was dropped on the connection that was under way, on MySQL a part of it.
    pub async fn drop_all(&self, target: impl Into<SchemaTarget>) -> Result<()> {
        self.perform(target.into(), Work::Drop).await
    }

    /// The statements that [`generate_schemas`](Self::generate_schemas) would send in a dialect if all apps were on one
    /// connection, to look at or to keep in a file.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) as of [`generate_schemas`](Self::generate_schemas).
    ///
    /// ```
    /// use ebbtide::{App, Dialect, Schema};
    ///
    /// let schema = Schema::new().app(App::new("notes").define("CREATE TABLE note (text TEXT)"));
    /// let statements = schema.statements(Dialect::Postgres, true)?;
    /// assert_eq!(statements, ["CREATE TABLE IF NOT EXISTS note (text TEXT)"]);
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn statements(&self, dialect: Dialect, safe: bool) -> Result<Vec<String>> {
        let steps = Plan::new(dialect, self.apps.iter())?.create(safe);
        Ok(steps.into_iter().flat_map(|step| step.act.statements()).collect())
    }

    async fn perform(&self, target: SchemaTarget, work: Work) -> Result<()> {
        // What is wrong on one connection is told before anything is made on another.
        let mut jobs = Vec::new();
        for (alias, database, apps) in self.places(target).await? {
            let dialect = database.target()?.ground().dialect();
            let plan = Arc::new(Plan::new(dialect, apps)?);
            jobs.push((database, Job { plan, work, alias }));
        }
        for (database, job) in jobs {
            job.on(&database).await?;
        }
        Ok(())
    }

    /// The databases, each with its apps.
    async fn places(&self, target: SchemaTarget) -> Result<Vec<(Option<String>, Database, Vec<&App>)>> {
        let connections = match target.0 {
            Target::Database(database) => return Ok(vec![(None, database, self.apps.iter().collect())]),
            Target::Connections(connections) => connections,
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

/// The alias of the connection of an app.
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
