//! A database and its models, in the manner of sqlactive.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::Schema;
use crate::config::{ConnectionsConfig, IntoConfig};
use crate::connections::{ConnectionToken, Connections};
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};

/// A database with the tables of its models. [`init_db`](Self::init_db) creates them and binds the schema, so that the
/// models find their database by themselves. [`close`](Self::close) ends that.
///
/// A program with several databases uses [`Connections`], and [`over`](Self::over) to bind its models to them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// use std::sync::LazyLock;
/// use ebbtide::{App, DbConnection, ErrorKind, Result, Schema, params};
///
/// static NOTES: LazyLock<Schema> =
///     LazyLock::new(|| Schema::new().app(App::new("notes").define("CREATE TABLE note (text TEXT NOT NULL)")));
///
/// struct Note;
///
/// impl Note {
///     async fn add(text: &str) -> Result<()> {
///         let sql = "INSERT INTO note VALUES (:text)";
///         NOTES.database()?.execute(sql, params! { text }).await?;
///         Ok(())
///     }
/// }
///
/// let connection = DbConnection::new("sqlite::memory:")?;
/// connection.init_db(&NOTES).await?;
/// Note::add("hello").await?;
/// connection.close().await?;
/// assert_eq!(Note::add("too late").await.unwrap_err().kind(), ErrorKind::NotConnected);
/// # Ok(()) }
/// ```
pub struct DbConnection {
    /// Identifies it in the bindings.
    id: u64,
    connections: Connections,
    bound: Mutex<Vec<Schema>>,
    /// `true` if it is closed. Locked while that or the tables change.
    closed: tokio::sync::Mutex<bool>,
}

impl DbConnection {
    /// Creates a connection for one database, from a URL, a [`Config`](crate::Config) or a dictionary. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`Url`](ErrorKind::Url) or [`Config`](ErrorKind::Config) if the source cannot be read.
    ///
    /// ```
    /// let connection = ebbtide::DbConnection::new("sqlite://shop.db?echo=true")?;
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn new(config: impl IntoConfig) -> Result<Self> {
        let config = ConnectionsConfig::from(config.into_config()?);
        Ok(Self::over(&Connections::init(config)?))
    }

    /// Creates a connection for the databases of a registry, each app on its own. [`close`](Self::close) closes them
    /// all.
    ///
    /// ```
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// let connection = ebbtide::DbConnection::over(&connections);
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn over(connections: &Connections) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            connections: connections.clone(),
            bound: Mutex::default(),
            closed: tokio::sync::Mutex::new(false),
        }
    }

    /// Connects if necessary, creates the missing tables, and binds the schema: [`Schema::database`] finds this
    /// database from now on. It may be called again, and for several schemas, one per call.
    ///
    /// A schema bound by another `DbConnection` is bound to this one from now on.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](ErrorKind::NotConnected) after [`close`](Self::close); those of [`Connections::get`] and
    /// [`Schema::create_all`]. The schema keeps its earlier binding, and another call can succeed.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, the schema is not bound. The database may be connected, until [`close`](Self::close).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{App, DbConnection, Schema};
    /// let schema = Schema::new().app(App::new("notes").define("CREATE TABLE note (text TEXT)"));
    /// let connection = DbConnection::new("sqlite::memory:")?;
    /// connection.init_db(&schema).await?;
    /// connection.init_db(&schema).await?; // nothing is missing
    /// connection.close().await?;
    /// # Ok(()) }
    /// ```
    pub async fn init_db(&self, schema: &Schema) -> Result<()> {
        let closed = self.closed.lock().await;
        if *closed {
            return Err(is_closed());
        }
        schema.create_all(&self.connections).await?;
        schema.binding.bind(&self.connections, self.id);
        let mut bound = self.bound.lock();
        if !bound
            .iter()
            .any(|known| std::sync::Arc::ptr_eq(&known.binding, &schema.binding))
        {
            bound.push(schema.clone());
        }
        Ok(())
    }

    /// Returns the database of the alias `default`, or the only one, and connects it if necessary.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](ErrorKind::NotConnected) after [`close`](Self::close); those of [`Connections::get`].
    ///
    /// # Cancel safety
    ///
    /// If dropped early, nothing was connected.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// let connection = ebbtide::DbConnection::new("sqlite::memory:")?;
    /// let one: i64 = connection.database().await?.fetch_value("SELECT 1", ()).await?;
    /// assert_eq!(one, 1);
    /// connection.close().await?;
    /// # Ok(()) }
    /// ```
    pub async fn database(&self) -> Result<Database> {
        let closed = self.closed.lock().await;
        if *closed {
            return Err(is_closed());
        }
        self.connections.get(&self.connections.alias_of_app("", None)?).await
    }

    /// Replaces the database of an alias, such as by a test's sandbox, for everything bound here. It applies until the
    /// token is dropped, or inside its closure. See [`Connections::set`]; the alias of a single database is `default`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{App, DbConnection, Schema};
    /// let schema = Schema::new().app(App::new("notes").define("CREATE TABLE note (text TEXT)"));
    /// let connection = DbConnection::new("sqlite::memory:")?;
    /// connection.init_db(&schema).await?;
    /// let sandbox = connection.database().await?.sandbox().await?;
    /// connection
    ///     .set("default", &sandbox)
    ///     .run(async { schema.database()?.execute("INSERT INTO note VALUES ('undone')", ()).await })
    ///     .await?;
    /// sandbox.disconnect().await?;
    /// let count: i64 = schema.database()?.fetch_value("SELECT count(*) FROM note", ()).await?;
    /// assert_eq!(count, 0);
    /// connection.close().await?;
    /// # Ok(()) }
    /// ```
    pub fn set(&self, alias: impl Into<String>, database: &Database) -> ConnectionToken {
        self.connections.set(alias, database)
    }

    /// Unbinds the schemas and closes the database; returns `false` if it was closed before. It cannot be used any
    /// more.
    ///
    /// # Errors
    ///
    /// Those of [`Connections::close_all`], after everything was closed.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, everything is still unbound and closed, but sockets are closed without notifying the server.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// let connection = ebbtide::DbConnection::new("sqlite::memory:")?;
    /// connection.database().await?;
    /// assert!(connection.close().await?);
    /// assert!(!connection.close().await?); // it was closed
    /// # Ok(()) }
    /// ```
    pub async fn close(&self) -> Result<bool> {
        let mut closed = self.closed.lock().await;
        if std::mem::replace(&mut *closed, true) {
            return Ok(false);
        }
        for schema in std::mem::take(&mut *self.bound.lock()) {
            schema.binding.unbind(self.id);
        }
        self.connections.close_all().await?;
        Ok(true)
    }
}

fn is_closed() -> Error {
    Error::new(ErrorKind::NotConnected, "the `DbConnection` is closed")
        .help("use it before `close`, or create a new one")
}

impl fmt::Debug for DbConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbConnection")
            .field("connections", &self.connections)
            .field("bound", &self.bound.lock().len())
            .finish_non_exhaustive()
    }
}
