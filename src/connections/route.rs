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
use crate::pool::Caller;
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

    /// Registers a router under a name, for `routers` in the configuration. It is asked if it is listed there.
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

    /// Returns the database to read a model from; await it to connect. The first [router](Router) that names an alias
    /// decides. Otherwise it is the connection of the model's app (`apps.<name>.models`, or an app named before the dot
    /// of `app.model`), else `default`, or the only one.
    ///
    /// If the caller is in a transaction or a sandbox of the database for writes of the model, it is also read there,
    /// whatever the routers return.
    ///
    /// # Errors
    ///
    /// At the await: [`Config`](crate::ErrorKind::Config) naming the router and the known aliases if it returned an
    /// unknown one, or if the configuration lists a router that is not registered; those of [`get`](Self::get).
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

    /// Returns the database to write a model to. See [`for_read`](Self::for_read). If it has replicas, the handle's
    /// [reads go to the primary](Database::primary), since they serve the write.
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

    /// Returns the alias of the database that [`for_read`](Self::for_read) would return here; connects nothing.
    ///
    /// # Errors
    ///
    /// Those of [`for_read`](Self::for_read), except for connecting.
    ///
    /// ```
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// assert_eq!(connections.alias_for_read("note")?, "default");
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn alias_for_read(&self, model: &str) -> Result<String> {
        Ok(self.registry.routed(model, Access::Read)?.alias().to_owned())
    }

    /// Returns the alias of the database that [`for_write`](Self::for_write) would return here; connects nothing.
    ///
    /// # Errors
    ///
    /// Those of [`for_read`](Self::for_read), except for connecting.
    ///
    /// ```
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// assert_eq!(connections.alias_for_write("note")?, "default");
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn alias_for_write(&self, model: &str) -> Result<String> {
        Ok(self.registry.routed(model, Access::Write)?.alias().to_owned())
    }

    /// Returns the alias of the connection of an app; `usual` applies to an app that is not in the configuration.
    pub(crate) fn alias_of_app(&self, app: &str, usual: Option<&str>) -> Result<String> {
        match (self.registry.config.apps().get(app), usual) {
            (Some(app), _) => Ok(app.default_connection().to_owned()),
            (None, Some(usual)) => Ok(usual.to_owned()),
            (None, None) => {
                let help = |alias: &str| {
                    format!(
                        "choose the connection of the app `{app}`: `App::default_connection(\"{alias}\")`, or `default_connection` under `apps.{app}`"
                    )
                };
                self.registry.usual(help).map(str::to_owned)
            }
        }
    }

    /// Returns the database of an alias as it is, connected or not.
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
        // Elsewhere, the caller's own writes would be invisible.
        if !Arc::ptr_eq(&read, &written) && written.database().keeps_caller() {
            return Ok(written);
        }
        Ok(read)
    }

    fn asked(&self, model: &str, access: Access) -> Result<Arc<Slot>> {
        // Routers are user code; no lock is held while they run.
        let routers = self.routers.read().clone();
        let Some(said) = routers.ask(self.config.routers(), model, access)? else {
            return self.slot(self.home(model)?);
        };
        self.slot(&said.alias).map_err(|error| {
            let named = Error::new(
                error.kind(),
                format!(
                    "the router `{}`, for {access} `{model}`: {}",
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

    /// Returns the connection of the model's app.
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
                format!("the model `{model}` belongs to no app: add it to the `models` of an app, or rename one connection to `default`, for example `{alias}`")
            }),
        }
    }

    /// Returns the default connection.
    fn usual(&self, help: impl FnOnce(&str) -> String) -> Result<&str> {
        let default = self.config.aliases().find(|alias| *alias == "default");
        default.map_or_else(|| self.only(help), Ok)
    }
}

/// The database of a model, which is connected when awaited. Returned by [`Connections::for_read`] and
/// [`Connections::for_write`].
///
/// # Cancel safety
///
/// If dropped early, nothing was connected.
#[must_use = "a route does nothing until it is awaited"]
pub struct Route {
    connections: Connections,
    model: String,
    access: Access,
    using: Option<Database>,
    place: &'static Location<'static>,
}

impl Route {
    /// Uses this database instead, if given, as it is; the routers are not asked.
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
            let database = registry.open(slot, Caller::at(self.place)).await?;
            // Reads that serve a write go to the primary.
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
