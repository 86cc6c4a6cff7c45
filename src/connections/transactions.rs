//! Transactions by alias, in the manner of Tortoise.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::time::Duration;

use futures::future::BoxFuture;

use super::Connections;
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::transaction::{Transaction, TransactionBuilder};

impl Connections {
    /// Returns a transaction on the database of that alias, which is connected if necessary: await it for a guard, or
    /// pass a closure to [`run`](InTransaction::run). With only one database in the configuration no alias is needed:
    /// `None`.
    ///
    /// It is ambient: plain `database.…` calls on that database run in it, and a nested one on the same alias is a
    /// savepoint. Transactions on two databases are independent of each other.
    ///
    /// # Errors
    ///
    /// At the await: [`Config`](crate::ErrorKind::Config) listing the known aliases if that one is unknown, or if none is
    /// named and there are several; those of [`get`](Self::get) and of
    /// [`Database::transaction`](crate::Database::transaction).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::Connections;
    ///
    /// let connections = Connections::init(serde_json::json!({
    ///     "connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"},
    /// }))?;
    /// let database = connections.get("default").await?;
    /// database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    ///
    /// connections
    ///     .in_transaction("default")
    ///     .run(async |_| database.execute("INSERT INTO note VALUES ('committed')", ()).await)
    ///     .await?;
    ///
    /// let transaction = connections.in_transaction("default").await?;
    /// database.execute("INSERT INTO note VALUES ('undone')", ()).await?;
    /// transaction.rollback().await?;
    ///
    /// let error = connections.in_transaction(None).await.unwrap_err();
    /// assert!(error.to_string().contains("there are several: `default`, `log`"));
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn in_transaction<'a>(&self, alias: impl Into<Option<&'a str>>) -> InTransaction {
        InTransaction::new(Some(self.clone()), alias.into().map(str::to_owned), Location::caller())
    }

    /// Returns a wrapper that makes functions atomic on the database of that alias, or on the only one: each of their
    /// calls runs in a transaction. It connects nothing before the first call.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{Connections, Database, Result, params};
    ///
    /// async fn add(database: Database, texts: [&str; 2]) -> Result<()> {
    ///     for text in texts {
    ///         database.execute("INSERT INTO note VALUES (:text)", params! { text }).await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let connections = Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:"}}))?;
    /// let database = connections.get("default").await?;
    /// database.execute("CREATE TABLE note (text TEXT UNIQUE)", ()).await?;
    ///
    /// let notes = database.clone();
    /// let add = connections.atomic("default").wrap(move |texts| add(notes.clone(), texts));
    /// add(["a", "b"]).await?;
    /// assert!(add(["c", "a"]).await.is_err()); // there is an `a` already: `c` is undone too
    /// assert_eq!(database.fetch_value::<i64>("SELECT count(*) FROM note", ()).await?, 2);
    ///
    /// // Or around a block:
    /// connections.atomic(None).run(async || database.execute("DELETE FROM note", ()).await).await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn atomic<'a>(&self, alias: impl Into<Option<&'a str>>) -> Atomic {
        Atomic {
            connections: self.clone(),
            alias: alias.into().map(str::to_owned),
            place: Location::caller(),
        }
    }
}

/// A transaction that begins when awaited or run. Returned by [`Connections::in_transaction`].
///
/// # Cancel safety
///
/// As for [`TransactionBuilder`]: if the future is dropped, no transaction begins.
#[must_use = "a transaction begins when this is awaited or run"]
pub struct InTransaction {
    /// `None` if no registry is installed.
    connections: Option<Connections>,
    alias: Option<String>,
    begin: TransactionBuilder,
    place: &'static Location<'static>,
}

/// Defines methods that forward a setting to [`TransactionBuilder`].
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty)?);)*) => {
        impl InTransaction {$(
            $(#[$doc])*
            pub fn $name(mut self $(, $argument: $type)?) -> Self {
                self.begin = self.begin.$name($($argument)?);
                self
            }
        )*}
    };
}

settings! {
    /// See [`TransactionBuilder::isolation`].
    isolation(level: IsolationLevel);
    /// See [`TransactionBuilder::read_only`].
    read_only();
    /// See [`TransactionBuilder::deferrable`].
    deferrable();
    /// See [`TransactionBuilder::immediate`].
    immediate();
    /// See [`TransactionBuilder::exclusive`].
    exclusive();
    /// See [`TransactionBuilder::deferred`].
    deferred();
    /// See [`TransactionBuilder::timeout`]. The time to connect does not count.
    timeout(limit: Duration);
    /// See [`TransactionBuilder::rollback_only`].
    rollback_only();
}

impl InTransaction {
    pub(super) fn new(
        connections: Option<Connections>,
        alias: Option<String>,
        place: &'static Location<'static>,
    ) -> Self {
        Self {
            connections,
            alias,
            begin: TransactionBuilder::without_target(place),
            place,
        }
    }

    /// Connects the database if necessary, and returns the transaction on it with the settings made here, for
    /// [`retry`](TransactionBuilder::retry).
    ///
    /// # Errors
    ///
    /// Those of [`Connections::in_transaction`].
    ///
    /// # Cancel safety
    ///
    /// As for [`Connections::get`]; no transaction has begun.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let connections = ebbtide::Connections::init("sqlite::memory:")?;
    /// let transaction = connections.in_transaction("default").builder().await?;
    /// let one: i64 = transaction.retry().run(async |transaction| transaction.fetch_value("SELECT 1", ()).await).await?;
    /// # assert_eq!(one, 1);
    /// # Ok(()) }
    /// ```
    pub async fn builder(self) -> Result<TransactionBuilder> {
        let registry = &self.connections.as_ref().ok_or_else(not_installed)?.registry;
        let alias = match &self.alias {
            Some(alias) => alias,
            None => registry.only(|alias| format!("name the connection to use: `in_transaction(\"{alias}\")`"))?,
        };
        let slot = registry.slot(alias)?;
        let database = registry.open(slot, Caller::at(self.place)).await?;
        Ok(self.begin.on(database.addressee()))
    }

    /// Runs a closure in the transaction: commits when it returns `Ok`, rolls back when it returns `Err`, panics or is
    /// cancelled. This form is recommended; see [`TransactionBuilder::run`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// # connections.get("default").await?.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// connections
    ///     .in_transaction("default")
    ///     .run(async |transaction| transaction.execute("INSERT INTO note VALUES ('hello')", ()).await)
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub async fn run<T, E, F>(self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(Transaction) -> Result<T, E>,
        E: From<Error>,
    {
        self.builder().await?.run(work).await
    }
}

impl IntoFuture for InTransaction {
    type Output = Result<Transaction>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.builder().await?.await })
    }
}

impl fmt::Debug for InTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTransaction")
            .field("alias", &self.alias)
            .field("begin", &self.begin)
            .finish_non_exhaustive()
    }
}

/// A wrapper that makes functions atomic. Returned by [`Connections::atomic`].
#[derive(Clone, Debug)]
pub struct Atomic {
    connections: Connections,
    alias: Option<String>,
    place: &'static Location<'static>,
}

impl Atomic {
    /// Runs a closure in a transaction, or in a savepoint inside one: commits when it returns `Ok`, rolls back when it
    /// returns `Err`, panics or is cancelled. It may be called any number of times.
    ///
    /// # Errors
    ///
    /// Those of the closure and of [`Connections::in_transaction`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// # connections.get("default").await?.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let database = connections.get("default").await?;
    /// connections
    ///     .atomic("default")
    ///     .run(async || database.execute("INSERT INTO note VALUES ('hello')", ()).await)
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn run<T, E, F>(&self, work: F) -> impl Future<Output = Result<T, E>> + use<T, E, F>
    where
        F: AsyncFnOnce() -> Result<T, E>,
        E: From<Error>,
    {
        let begin = InTransaction::new(Some(self.connections.clone()), self.alias.clone(), self.place);
        begin.run(async move |_| work().await)
    }

    /// Wraps a function so that each call of it runs in a transaction. It takes one argument; several are a tuple, none
    /// is `()`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// # connections.get("default").await?.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let database = connections.get("default").await?;
    /// let add = connections.atomic("default").wrap(move |text: String| {
    ///     let database = database.clone();
    ///     async move { database.execute("INSERT INTO note VALUES (:text)", ebbtide::params! { text }).await }
    /// });
    /// add("hello".to_owned()).await?;
    /// add("again".to_owned()).await?;
    /// # Ok(()) }
    /// ```
    pub fn wrap<A, T, E, F, R>(
        &self,
        function: F,
    ) -> impl Fn(A) -> BoxFuture<'static, Result<T, E>> + Clone + Send + Sync + use<A, T, E, F, R>
    where
        A: Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Fn(A) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
    {
        let atomic = self.clone();
        move |argument| {
            let (atomic, function) = (atomic.clone(), function.clone());
            Box::pin(async move {
                let begin = InTransaction::new(Some(atomic.connections), atomic.alias, atomic.place);
                begin.run(async move |_| function(argument).await).await
            })
        }
    }
}

/// Returns the error of a process without a registry.
pub(super) fn not_installed() -> Error {
    Error::new(ErrorKind::NotConnected, "no registry is installed in this process")
        .help("call `Connections::init(…)?.install()?` at the start of the program")
}
