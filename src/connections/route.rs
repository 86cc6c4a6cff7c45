//! The database of a model: its router's, else its app's.

use std::fmt;
use std::future::IntoFuture;
use std::panic::Location;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::slot::Slot;
use super::{Connections, Registry};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::pool::Asker;
use crate::router::{Access, Router};

impl Connections {
    /// Adds a router, which is asked after those of the configuration and those added before.
    ///
    /// ```
    /// use ebbtide::{Alias, Connections, Router};
    ///
    /// struct Logs;
    ///
    /// impl Router for Logs {
    ///     fn db_for_write(&self, model: &str) -> Option<Alias> {
    ///         (model == "entry").then(|| "log".into())
    ///     }
    /// }
    ///
    /// let connections = Connections::init(serde_json::json!({
    ///     "connections": {"default": "sqlite::memory:", "log": "sqlite://log.db"},
    /// }))?;
    /// connections.add_router(Logs);
    /// assert_eq!(connections.alias_for_write("entry")?, "log");
    /// assert_eq!(connections.alias_for_write("note")?, "default");
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn add_router(&self, router: impl Router) {
        self.registry.routers.write().add(router);
    }

    /// Registers a router under a name, for `routers` in the configuration. It is asked if that lists it.
    ///
    /// ```
    /// use ebbtide::{Alias, Connections, Router};
    ///
    /// struct ToLog;
    ///
    /// impl Router for ToLog {
    ///     fn db_for_write(&self, model: &str) -> Option<Alias> {
    ///         (model == "entry").then(|| "log".into())
    ///     }
    /// }
    ///
    /// let connections = Connections::init(serde_json::json!({
    ///     "connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"},
    ///     "routers": ["to_log"],
    /// }))?;
    /// connections.register_router("to_log", ToLog);
    /// assert_eq!(connections.alias_for_write("entry")?, "log");
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn register_router(&self, name: impl Into<String>, router: impl Router) {
        self.registry.routers.write().register(name.into(), router);
    }

    /// The database to read a model from, connected: await it. The first [router](Router) that names an alias is heard; else
    /// it is the connection of the app that has the model (`apps.<name>.models`, or an app named before the dot of
    /// `app.model`), else `default`, or the only one there is.
    ///
    /// Where the caller is in a transaction or in a sandbox of the database that the model is written to, it is read there
    /// too, whatever the routers say.
    ///
    /// # Errors
    ///
    /// At the await: [`Config`](crate::ErrorKind::Config) naming the router and the known aliases if it gave another, or if the
    /// configuration lists a router that is not registered; those of [`get`](Self::get).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{Connections, Database};
    ///
    /// let connections = Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:"}}))?;
    ///
    /// /// A caller that has a database of its own says so; else the routers do.
    /// async fn count(connections: &Connections, using: Option<&Database>) -> ebbtide::Result<i64> {
    ///     let database = connections.for_read("note").using(using).await?;
    ///     database.fetch_value("SELECT 1", ()).await
    /// }
    /// assert_eq!(count(&connections, None).await?, 1);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn for_read(&self, model: impl Into<String>) -> Route {
        self.route(model.into(), Access::Read)
    }

    /// The database to write a model to. See [`for_read`](Self::for_read). If it has replicas, the handle's
    /// [reads go to the primary](Database::primary), since they are made in order to write.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// let database = connections.for_write("note").await?;
    /// let one: i64 = database.fetch_value("SELECT 1", ()).await?;
    /// assert_eq!(one, 1);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn for_write(&self, model: impl Into<String>) -> Route {
        self.route(model.into(), Access::Write)
    }

    #[track_caller]
    fn route(&self, model: String, access: Access) -> Route {
        Route {
            connections: self.clone(),
            model,
            access,
            using: None,
            place: Location::caller(),
        }
    }

    /// The alias of the database that [`for_read`](Self::for_read) would give here; connects nothing.
    ///
    /// # Errors
    ///
    /// As of [`for_read`](Self::for_read), but for connecting.
    ///
    /// ```
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// assert_eq!(connections.alias_for_read("note")?, "default");
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn alias_for_read(&self, model: &str) -> Result<String> {
        Ok(self.registry.routed(model, Access::Read)?.alias().to_owned())
    }

    /// The alias of the database that [`for_write`](Self::for_write) would give here; connects nothing.
    ///
    /// # Errors
    ///
    /// As of [`for_read`](Self::for_read), but for connecting.
    ///
    /// ```
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// assert_eq!(connections.alias_for_write("note")?, "default");
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn alias_for_write(&self, model: &str) -> Result<String> {
        Ok(self.registry.routed(model, Access::Write)?.alias().to_owned())
    }

    /// The alias of the connection of an app; `usual` is that of an app that the configuration does not know.
    pub(crate) fn alias_of_app(&self, app: &str, usual: Option<&str>) -> Result<String> {
        match (self.registry.config.apps().get(app), usual) {
            (Some(app), _) => Ok(app.default_connection().to_owned()),
            (None, Some(usual)) => Ok(usual.to_owned()),
            (None, None) => {
                let help = |alias: &str| {
                    format!(
                        "say which one the app `{app}` is on: `App::default_connection(\"{alias}\")`, or `default_connection` under `apps.{app}`"
                    )
                };
                self.registry.usual(help).map(str::to_owned)
            }
        }
    }

    /// The database of an alias as it is, connected or not.
    pub(crate) fn current(&self, alias: &str) -> Result<Database> {
        Ok(self.registry.slot(alias)?.database().clone())
    }
}

impl Registry {
    fn routed(&self, model: &str, access: Access) -> Result<Arc<Slot>> {
        let written = self.asked(model, Access::Write)?;
        if access == Access::Write {
            return Ok(written);
        }
        let read = self.asked(model, Access::Read)?;
        // What the caller has written there it could not see elsewhere.
        if !Arc::ptr_eq(&read, &written) && written.database().keeps_caller() {
            return Ok(written);
        }
        Ok(read)
    }

    fn asked(&self, model: &str, access: Access) -> Result<Arc<Slot>> {
        // Routers are the user's code; no lock is held while they run.
        let routers = self.routers.read().clone();
        let Some(said) = routers.ask(self.config.routers(), model, access)? else {
            return self.slot(self.home(model)?);
        };
        self.slot(&said.alias).map_err(|error| {
            let named = Error::new(
                error.kind(),
                format!(
                    "the router `{}`, asked for {access} `{model}`: {}",
                    said.router,
                    error.message()
                ),
            );
            match error.advice() {
                Some(help) => named.help(help.to_owned()),
                None => named,
            }
        })
    }

    /// The connection of the app that has the model.
    fn home(&self, model: &str) -> Result<&str> {
        let apps = self.config.apps();
        if let Some(app) = apps
            .values()
            .find(|app| app.models().iter().any(|known| known == model))
        {
            return Ok(app.default_connection());
        }
        match model.split_once('.').and_then(|(app, _)| apps.get(app)) {
            Some(app) => Ok(app.default_connection()),
            None => self.usual(|alias| {
                format!("the model `{model}` is in no app: add it to the `models` of one, or call the connection that is meant `default` instead of, say, `{alias}`")
            }),
        }
    }

    /// The connection that is meant where nothing names one.
    fn usual(&self, help: impl FnOnce(&str) -> String) -> Result<&str> {
        let default = self.config.aliases().find(|alias| *alias == "default");
        default.map_or_else(|| self.only(help), Ok)
    }
}

/// The database of a model, about to be connected. [`Connections::for_read`] and [`Connections::for_write`] make it.
///
/// # Cancel safety
///
/// Dropped half-way, nothing was connected.
#[must_use = "a route leads nowhere until it is awaited"]
pub struct Route {
    connections: Connections,
    model: String,
    access: Access,
    using: Option<Database>,
    place: &'static Location<'static>,
}

impl Route {
    /// Takes this database instead, if there is one, as it is; the routers are not asked.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// # let mine = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let database = connections.for_read("note").using(&mine).await?;
    /// let one: i64 = database.fetch_value("SELECT 1", ()).await?;
    /// assert_eq!(one, 1);
    /// # Ok(()) }
    /// ```
    pub fn using<'d>(mut self, database: impl Into<Option<&'d Database>>) -> Self {
        self.using = database.into().cloned();
        self
    }
}

impl IntoFuture for Route {
    type Output = Result<Database>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            if let Some(database) = self.using {
                return Ok(database);
            }
            let registry = &self.connections.registry;
            let slot = registry.routed(&self.model, self.access)?;
            let database = registry.open(slot, Asker::at(self.place)).await?;
            // What is read in order to write is read where it is written.
            Ok(match self.access {
                Access::Read => database,
                Access::Write => database.primary(),
            })
        })
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("model", &self.model)
            .field("access", &self.access)
            .field("using", &self.using)
            .finish_non_exhaustive()
    }
}
