//! Databases, connections and transactions as executors of sqlx.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;
use sqlx::{Either, SqlStr};
use sqlx_core::describe::Describe;

use super::{Answer, native};
use crate::backend::{NativeJob, Parts, QueryResult, SqlxDatabase};
use crate::connection::Connection;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::query::{self, Addressee};
use crate::session::{BoundStatement, Handoff, StreamCore, StreamReader, Target};
use crate::sql::{Bound, Dialect};

/// A [`Database`], [`Connection`] or [`Transaction`](crate::Transaction) as a [`sqlx::Executor`].
///
/// Statements sent through it by `sqlx::query`, `query_as!`, `QueryBuilder` and `raw_sql` run where the verbs of this
/// crate would run: on the connection bound to the task, in the open transaction, in the sandbox. `&view`, `&mut view`
/// and the view itself are executors. It is cheap to clone.
///
/// Statements are analysed before they are sent: one that would end the transaction without its guard is refused.
///
/// # Errors
///
/// Errors of the database are sqlx's own. Errors of this crate (no connection, an ended transaction, a broken sandbox)
/// are [`sqlx::Error::Configuration`] with an [`Error`] as `source()`, and [`Error::from`] converts either.
///
/// # Cancel safety
///
/// As for [`Query`](crate::Query) and [`RowStream`](crate::RowStream).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// use ebbtide::Database;
/// use sqlx::Sqlite;
///
/// let database = Database::connect("sqlite::memory:").await?;
/// let sqlx = database.sqlx::<Sqlite>()?;
/// sqlx::raw_sql("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").execute(&sqlx).await?;
///
/// let transaction = database.transaction().await?;
/// sqlx::query("INSERT INTO note (text) VALUES (?)").bind("hello").execute(&sqlx).await?; // in the transaction
/// transaction.rollback().await?;
///
/// let count: i64 = sqlx::query_scalar("SELECT count(*) FROM note").fetch_one(&sqlx).await?;
/// assert_eq!(count, 0);
/// # Ok(()) }
/// ```
///
#[doc = include_str!("../../../docs/SQLX.md")]
pub struct Sqlx<DB> {
    pub(super) source: Source,
    pub(super) place: &'static Location<'static>,
    database: PhantomData<fn() -> DB>,
}

/// The target of the statements.
#[derive(Clone)]
pub(super) enum Source {
    Database(Database),
    Connection(Connection),
}

impl Source {
    pub(super) fn addressee(&self) -> Addressee {
        match self {
            Self::Database(database) => database.addressee(),
            Self::Connection(connection) => connection.addressee(),
        }
    }
}

pub(super) mod sealed {
    pub trait Sealed {}
}

/// The text of a statement and its values, or why it has none.
pub(super) type Given<DB> = Result<Parts<DB>, sqlx::Error>;
/// The items of a stream.
pub(super) type ViewSteps<DB> = BoxStream<'static, Result<Step<DB>, sqlx::Error>>;

/// A database for which [`Database::sqlx`](crate::Database::sqlx) has a view: that of one backend (a [`SqlxDatabase`]),
/// or [`Any`](crate::any::Any) for every backend.
///
/// ```
/// use ebbtide::{Database, Sqlx, SqlxView};
///
/// fn pool<DB: SqlxView>(database: &Database) -> ebbtide::Result<Sqlx<DB>> {
///     database.sqlx::<DB>()
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = Database::connect("sqlite::memory:").await?;
/// let pool = pool::<ebbtide::any::Any>(&database)?;
/// let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await?;
/// assert_eq!(one, 1);
/// # Ok(()) }
/// ```
pub trait SqlxView: sqlx::Database + sealed::Sealed {
    #[doc(hidden)]
    fn check_dialect(dialect: Dialect) -> Result<()>;

    #[doc(hidden)]
    fn execute(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Self::QueryResult>;

    #[doc(hidden)]
    fn fetch_many(view: &Sqlx<Self>, parts: Given<Self>) -> ViewSteps<Self>;

    #[doc(hidden)]
    fn fetch_all(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Vec<Self::Row>>;

    #[doc(hidden)]
    fn fetch_optional(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Option<Self::Row>>;

    #[doc(hidden)]
    fn prepare(view: &Sqlx<Self>, sql: SqlStr, types: &[Self::TypeInfo]) -> Answer<'static, Self::Statement>;

    #[doc(hidden)]
    fn describe(view: &Sqlx<Self>, sql: SqlStr) -> Answer<'static, Describe<Self>>;
}

/// An item of a sqlx stream.
type Step<DB> = Either<<DB as sqlx::Database>::QueryResult, <DB as sqlx::Database>::Row>;

impl<DB: SqlxView> Sqlx<DB> {
    fn new(source: Source, place: &'static Location<'static>) -> Self {
        Self {
            source,
            place,
            database: PhantomData,
        }
    }

    /// Returns the same view with the place of this call. Errors, spans and the statement log name the place where
    /// [`sqlx`](Database::sqlx) was called, because sqlx does not pass on that of its statements.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let sqlx = database.sqlx::<sqlx::Sqlite>()?;
    /// let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(sqlx.here()).await?;
    /// assert_eq!(one, 1);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn here(&self) -> Self {
        Self::new(self.source.clone(), Location::caller())
    }

    pub(super) fn of_connection(connection: Connection, place: &'static Location<'static>) -> Self {
        Self::new(Source::Connection(connection), place)
    }
}

impl<DB: SqlxDatabase> Sqlx<DB> {
    /// Runs a statement. `send` returns its output and the number of changed rows.
    pub(super) fn run<T, F>(&self, sql: SqlStr, send: F) -> BoxFuture<'static, Result<T, sqlx::Error>>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut DB::Connection) -> BoxFuture<'c, Result<(T, QueryResult), sqlx::Error>>
            + Clone
            + Send
            + 'static,
    {
        let (addressee, place) = (self.source.addressee(), self.place);
        Box::pin(async move {
            let (target, work) = work(addressee, &sql, place)?;
            let answer = Arc::new(Mutex::new(None));
            let job = statement_job::<DB, _, _>;
            let again = target.may_repeat().then(|| {
                let (send, answer) = (send.clone(), Arc::clone(&answer));
                Box::new(move || job(send, answer)) as Box<dyn FnOnce() -> NativeJob + Send>
            });
            let first = job(send, Arc::clone(&answer));
            within(&target, &work, || target.run_native(&work, first, again)).await?;
            let value = answer.lock().take();
            Ok(value.ok_or_else(unanswered)?)
        })
    }

    /// Streams the output of a statement in constant memory.
    pub(super) fn steps(
        &self,
        parts: Result<Parts<DB>, sqlx::Error>,
    ) -> BoxStream<'static, Result<Step<DB>, sqlx::Error>> {
        let mut late = Some((self.source.addressee(), parts, self.place));
        let mut reader = None;
        stream::poll_fn(move |context| {
            if let Some((addressee, parts, place)) = late.take() {
                match parts.and_then(|parts| Ok(open(addressee, parts, place)?)) {
                    Ok(opened) => reader = Some(opened),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            let Some(StreamReader(core)) = &reader else {
                return Poll::Ready(None);
            };
            let step = core.poll_next(context);
            step.map(|step| step.map(|step| step.map_err(Into::into)))
        })
        .boxed()
    }
}

/// Returns a statement and its target, which is asked for when the statement is awaited, as for the verbs.
fn work(addressee: Addressee, sql: &SqlStr, place: &'static Location<'static>) -> Result<(Target, BoundStatement)> {
    let target = addressee.into_target()?;
    let template = target.engine().templates.foreign(sql.as_str())?;
    let bound = Bound {
        statement: Arc::clone(template.statement()),
        values: Vec::new(),
    };
    Ok((target, BoundStatement::new(template, bound, Caller::at(place))))
}

fn open<DB: SqlxDatabase>(
    addressee: Addressee,
    parts: Parts<DB>,
    place: &'static Location<'static>,
) -> Result<StreamReader<Step<DB>>> {
    let (target, work) = work(addressee, &parts.sql, place)?;
    let job = move |handoff| stream_job(parts.clone(), handoff);
    Ok(StreamReader(StreamCore::of_native(target, work, job)))
}

/// Runs a call within its time limit, if there is one. The call is created here, so that no future stores it twice.
pub(super) async fn within<T, F>(target: &Target, work: &BoundStatement, call: impl FnOnce() -> F) -> Result<T>
where
    F: Future<Output = Result<T>> + Send,
{
    let limit = target.engine().settings.statement_timeout;
    match (limit, target.sandboxed()) {
        (None, None) => call().await,
        // Boxed, like every rare case on this path.
        (limit, sandboxed) => Box::pin(query::within(limit, sandboxed, work.caller.place, call()))
            .await
            .map_err(|error| work.given_up(error)),
    }
}

pub(super) fn unanswered() -> Error {
    Error::new(
        ErrorKind::Driver,
        "the connection did its work, but did not report the result",
    )
}

/// Runs a statement, and puts its output into `answer`.
fn statement_job<DB, T, F>(send: F, answer: Arc<Mutex<Option<T>>>) -> NativeJob
where
    DB: SqlxDatabase,
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut DB::Connection) -> BoxFuture<'c, Result<(T, QueryResult), sqlx::Error>> + Send + 'static,
{
    NativeJob::statement(move |connection| {
        Box::pin(async move {
            let (value, done) = send(native::<DB>(connection)?).await.map_err(DB::explain)?;
            *answer.lock() = Some(value);
            Ok(done)
        })
    })
}

/// Puts the output of a statement into the handoff until its reader is gone.
fn stream_job<DB: SqlxDatabase>(parts: Parts<DB>, handoff: Arc<Handoff<Step<DB>>>) -> NativeJob {
    let pulse = handoff.pulse();
    NativeJob::statement(move |connection| {
        Box::pin(async move {
            let connection = native::<DB>(connection)?;
            let mut done = QueryResult::default();
            {
                let mut steps = DB::fetch_many(connection, parts);
                loop {
                    let step = tokio::select! {
                        biased;
                        step = steps.next() => Some(step),
                        () = handoff.closed() => None,
                    };
                    let Some(step) = step else {
                        if !DB::survives_anywhere() {
                            // The driver must not stop in the middle of a row.
                            let _ = steps.next().await;
                        }
                        break;
                    };
                    let Some(step) = step else { return Ok(done) };
                    let step = step.map_err(DB::explain)?;
                    if let Either::Left(result) = &step {
                        done.absorb(DB::affected(result));
                    }
                    if !handoff.put(step).await {
                        break;
                    }
                }
            }
            // The rest of the answer is read here, so that the next statement finds an idle connection.
            DB::settle(connection).await.map_err(DB::explain)?;
            Ok(done)
        })
    })
    .with_pulse(pulse)
}

/// Returns an error if the database is not of the requested kind.
pub(super) fn check<DB: SqlxDatabase>(dialect: Dialect) -> Result<()> {
    if dialect == DB::DIALECT {
        return Ok(());
    }
    let message = format!("`sqlx::<{}>()` was called, but the database is {dialect}", DB::NAME);
    let right = match dialect {
        Dialect::Postgres => "Postgres",
        Dialect::MySql => "MySql",
        Dialect::Sqlite => "Sqlite",
        Dialect::SqlServer | Dialect::Generic => {
            return Err(Error::new(ErrorKind::Unsupported, message)
                .help("sqlx has no driver for this database; use the verbs of `Database`"));
        }
    };
    Err(Error::new(ErrorKind::Unsupported, message).help(format!(
        "use `sqlx::<sqlx::{right}>()`, or `sqlx::<ebbtide::any::Any>()` for every database"
    )))
}

impl Database {
    /// Returns this database as an executor of sqlx. Each statement runs where a verb of this database would run: in
    /// the transaction of the task, in the sandbox, or on a connection of the pool.
    ///
    /// It can be created before the database is connected, and can be kept for any time.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if the database is of another kind than `DB`; the message names both. A
    /// view for [`Any`](crate::any::Any) exists for every database.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let sqlx = database.sqlx::<sqlx::Sqlite>()?;
    /// let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&sqlx).await?;
    /// assert_eq!(one, 1);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn sqlx<DB: SqlxView>(&self) -> Result<Sqlx<DB>> {
        DB::check_dialect(self.dialect())?;
        Ok(Sqlx::new(Source::Database(self.clone()), Location::caller()))
    }
}

impl Connection {
    /// Returns this connection, or this transaction, as an executor of sqlx.
    ///
    /// It is a handle to the connection, like a clone. Using it after the end of the transaction is an error.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if the database is of another kind than `DB`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let transaction = database.transaction().await?;
    /// let sqlx = transaction.sqlx::<sqlx::Sqlite>()?;
    /// sqlx::query("INSERT INTO note VALUES (?)").bind("hello").execute(&sqlx).await?;
    /// transaction.commit().await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn sqlx<DB: SqlxView>(&self) -> Result<Sqlx<DB>> {
        DB::check_dialect(self.dialect())?;
        Ok(Sqlx::of_connection(self.clone(), Location::caller()))
    }
}

impl<DB> Clone for Sqlx<DB> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            place: self.place,
            database: PhantomData,
        }
    }
}

impl<DB: SqlxView> fmt::Debug for Sqlx<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sqlx").field(&DB::NAME).finish()
    }
}
