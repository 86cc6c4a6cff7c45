//! The registry that the models of a schema use.

use std::collections::BTreeSet;
use std::fmt;

use parking_lot::RwLock;

use super::{Schema, alias};
use crate::connections::Connections;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};

#[derive(Default)]
enum Bound {
    #[default]
    Never,
    To {
        connections: Connections,
        /// Id of the [`DbConnection`](super::DbConnection) that bound it.
        by: u64,
    },
    Closed,
}

#[derive(Default)]
pub(super) struct Binding(RwLock<Bound>);

impl Binding {
    pub(super) fn bind(&self, connections: &Connections, by: u64) {
        *self.0.write() = Bound::To {
            connections: connections.clone(),
            by,
        };
    }

    /// Ends the binding, unless another owner has bound the schema since.
    pub(super) fn unbind(&self, who: u64) {
        let mut bound = self.0.write();
        if matches!(&*bound, Bound::To { by, .. } if *by == who) {
            *bound = Bound::Closed;
        }
    }

    fn connections(&self) -> Result<Connections> {
        match &*self.0.read() {
            Bound::To { connections, .. } => Ok(connections.clone()),
            Bound::Never => Err(
                Error::new(ErrorKind::NotConnected, "the schema is not bound to a database")
                    .help("await `init_db(&schema)` of a `DbConnection` before its models are used"),
            ),
            Bound::Closed => Err(Error::new(
                ErrorKind::NotConnected,
                "the `DbConnection` that the schema was bound to is closed",
            )
            .help("await `init_db(&schema)` of a new one")),
        }
    }
}

impl Schema {
    /// Returns the database of its models, bound by [`DbConnection::init_db`](super::DbConnection::init_db). Does no
    /// I/O, so it can be called for each use.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](ErrorKind::NotConnected) before `init_db` and after `close`; [`Config`](ErrorKind::Config) if
    /// its apps are on several connections: then use [`database_of`](Self::database_of).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{App, DbConnection, Schema};
    /// let schema = Schema::new().app(App::new("notes").define("CREATE TABLE note (text TEXT)"));
    /// let connection = DbConnection::new("sqlite::memory:")?;
    /// assert!(schema.database().is_err()); // not yet
    /// connection.init_db(&schema).await?;
    /// let count: i64 = schema.database()?.fetch_value("SELECT count(*) FROM note", ()).await?;
    /// assert_eq!(count, 0);
    /// connection.close().await?;
    /// # Ok(()) }
    /// ```
    pub fn database(&self) -> Result<Database> {
        let connections = self.binding.connections()?;
        let aliases: BTreeSet<String> = self
            .apps
            .iter()
            .map(|app| alias(&connections, app))
            .collect::<Result<_>>()?;
        let mut aliases = aliases.into_iter();
        match (aliases.next(), aliases.next()) {
            (None, _) => connections.current(&connections.alias_of_app("", None)?),
            (Some(only), None) => connections.current(&only),
            (Some(_), Some(_)) => {
                let apps: Vec<&str> = self.apps().collect();
                Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "the apps of the schema are on several connections: `{}`",
                        apps.join("`, `")
                    ),
                )
                .help(format!(
                    "name an app to choose its connection: `database_of(\"{}\")`",
                    apps[0]
                )))
            }
        }
    }

    /// Returns the database of one app's models.
    ///
    /// # Errors
    ///
    /// Those of [`database`](Self::database); [`Config`](ErrorKind::Config) listing the apps if none has that name.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{App, DbConnection, Schema};
    /// let schema = Schema::new().app(App::new("notes").define("CREATE TABLE note (text TEXT)"));
    /// let connection = DbConnection::new("sqlite::memory:")?;
    /// connection.init_db(&schema).await?;
    /// schema.database_of("notes")?.execute("INSERT INTO note VALUES ('hello')", ()).await?;
    /// connection.close().await?;
    /// # Ok(()) }
    /// ```
    pub fn database_of(&self, app: &str) -> Result<Database> {
        let connections = self.binding.connections()?;
        let Some(app) = self.apps.iter().find(|known| known.name() == app) else {
            let apps: Vec<&str> = self.apps().collect();
            return Err(Error::new(
                ErrorKind::Config,
                format!("the schema has no app `{app}`; it has `{}`", apps.join("`, `")),
            )
            .help("name one of them, or add it with `Schema::app`"));
        };
        connections.current(&alias(&connections, app)?)
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.0.read() {
            Bound::Never => "unbound",
            Bound::To { .. } => "bound",
            Bound::Closed => "closed",
        })
    }
}
