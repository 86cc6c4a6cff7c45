//! A database, connection or transaction, as code written for sqlx wants it.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use futures::stream::{self, BoxStream, StreamExt};
use sqlx::{Either, SqlStr};
use tokio::sync::oneshot;

use super::{SqlxTransaction, native};
use crate::backend::{Done, NativeJob, Parts, SqlxDatabase};
use crate::connection::Connection;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Asker;
use crate::query;
use crate::session::{Handoff, StreamCore, Target, Work};
use crate::sql::{Bound, Dialect};

/// A [`Database`], [`Connection`] or [`Transaction`](crate::Transaction) as a [`sqlx::Executor`].
///
/// What `sqlx::query`, `query_as!`, `QueryBuilder` and `raw_sql` send through it runs where the verbs of this crate would
/// run: on the connection the task is bound to, in the transaction that is open, in the sandbox. `&view`, `&mut view` and
/// the view itself are executors. It is cheap to clone.
///
/// Statements are looked at before they are sent, as those of the verbs are: what would end the transaction behind the
/// back of its guard is refused.
///
/// # Errors
///
/// What the database says comes as sqlx's own error. What this crate has to say (no connection, the transaction has
/// ended, the sandbox is broken) comes as [`sqlx::Error::Configuration`], whose `source()` is an [`ebbtide::Error`](crate::Error);
/// `ebbtide::Error::from` makes one of either.
///
/// # Cancel safety
///
/// As that of [`Query`](crate::Query) and [`RowStream`](crate::RowStream).
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
    source: Source,
    place: &'static Location<'static>,
    database: PhantomData<fn() -> DB>,
}

/// What the statements are addressed to.
#[derive(Clone)]
enum Source {
    Database(Database),
    Connection(Connection),
}

impl Source {
    fn target(&self) -> Result<Target> {
        match self {
            // What sqlx sends is sent once; a replica's trouble would be the caller's.
            Self::Database(database) => Ok(database.target()?.on_primary()),
            Self::Connection(connection) => connection.target(),
        }
    }
}

/// What a stream of sqlx yields.
type Step<DB> = Either<<DB as sqlx::Database>::QueryResult, <DB as sqlx::Database>::Row>;

/// The one who reads a stream; when it is dropped, nobody wants the rest.
struct Reader<T: Send + 'static>(Arc<StreamCore<T>>);

impl<T: Send + 'static> Drop for Reader<T> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl<DB: SqlxDatabase> Sqlx<DB> {
    fn new(source: Source, place: &'static Location<'static>) -> Self {
        Self {
            source,
            place,
            database: PhantomData,
        }
    }

    pub(super) fn of_connection(connection: Connection, place: &'static Location<'static>) -> Self {
        Self::new(Source::Connection(connection), place)
    }

    /// Begins a transaction; inside one, a savepoint. It is rolled back when it is dropped.
    ///
    /// Statements through `&mut *transaction` run in it, as sqlx has it, and so do plain calls of the same task.
    ///
    /// # Errors
    ///
    /// Those of [`Database::transaction`], inside of [`sqlx::Error`].
    ///
    /// # Cancel safety
    ///
    /// As that of [`Begin`](crate::Begin).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let sqlx = database.sqlx::<sqlx::Sqlite>()?;
    /// let mut transaction = sqlx.begin().await?;
    /// sqlx::query("INSERT INTO note VALUES ('hello')").execute(&mut *transaction).await?;
    /// transaction.commit().await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn begin(&self) -> BoxFuture<'static, Result<SqlxTransaction<DB>, sqlx::Error>> {
        let place = Location::caller();
        let begin = match &self.source {
            Source::Database(database) => database.transaction(),
            Source::Connection(connection) => connection.transaction(),
        };
        Box::pin(async move { Ok(SqlxTransaction::new(begin.await?, place)) })
    }

    fn work(&self, sql: &SqlStr) -> Result<(Target, Work)> {
        let target = self.source.target()?;
        let template = target.ground().templates.foreign(sql.as_str())?;
        let bound = Bound {
            statement: Arc::clone(template.statement()),
            values: Vec::new(),
        };
        let asker = Asker::at(self.place);
        Ok((target, Work::new(template, bound, asker)))
    }

    /// Runs a statement; `send` gives what it yields, and how many rows it changed.
    pub(super) fn run<T, F>(&self, sql: &SqlStr, send: F) -> BoxFuture<'static, Result<T, sqlx::Error>>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut DB::Connection) -> BoxFuture<'c, Result<(T, Done), sqlx::Error>> + Send + 'static,
    {
        let prepared = self.work(sql);
        Box::pin(async move {
            let (target, work) = prepared?;
            let (reply, mut answer) = oneshot::channel();
            let job = NativeJob::statement(move |connection| {
                Box::pin(async move {
                    let (value, done) = send(native::<DB>(connection)?).await.map_err(DB::explain)?;
                    let _ = reply.send(value);
                    Ok(done)
                })
            });
            within(&target, &work, || target.run_native(&work, job)).await?;
            Ok(answer.try_recv().map_err(|_| unanswered())?)
        })
    }

    /// Streams what a statement yields, in constant memory.
    pub(super) fn steps(
        &self,
        parts: Result<Parts<DB>, sqlx::Error>,
    ) -> BoxStream<'static, Result<Step<DB>, sqlx::Error>> {
        let opened = parts.and_then(|parts| {
            let (target, work) = self.work(&parts.sql)?;
            let handoff = Arc::new(Handoff::new());
            let job = stream_job(parts, Arc::clone(&handoff));
            Ok(Reader(StreamCore::of_native(target, work, job, handoff)))
        });
        match opened {
            Ok(reader) => stream::poll_fn(move |context| {
                let step = reader.0.poll_next(context);
                step.map(|step| step.map(|step| step.map_err(Into::into)))
            })
            .boxed(),
            Err(error) => stream::once(ready(Err(error))).boxed(),
        }
    }
}

/// Runs a call as long as it may take, where there is a clock for it. The call is made in here, so that nobody's future has
/// room for it twice.
pub(super) async fn within<T, F>(target: &Target, work: &Work, call: impl FnOnce() -> F) -> Result<T>
where
    F: Future<Output = Result<T>> + Send,
{
    let limit = target.ground().settings.statement_timeout;
    match (limit, target.sandboxed()) {
        (None, None) => call().await,
        // Boxed, as is everything rare on this path.
        (limit, sandboxed) => Box::pin(query::within(limit, sandboxed, work.asker.place, call()))
            .await
            .map_err(|error| work.given_up(error)),
    }
}

pub(super) fn unanswered() -> Error {
    Error::new(
        ErrorKind::Driver,
        "the connection did its work and did not tell the result",
    )
}

/// Puts what a statement yields into the handoff, until nobody wants any more.
fn stream_job<DB: SqlxDatabase>(parts: Parts<DB>, handoff: Arc<Handoff<Step<DB>>>) -> NativeJob {
    let pulse = handoff.pulse();
    NativeJob::statement(move |connection| {
        Box::pin(async move {
            let connection = native::<DB>(connection)?;
            let mut done = Done::default();
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
                            // The driver must not be left in the middle of a row.
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
            // What is left of the answer is read here, so that the next statement finds the connection at rest.
            DB::come_to_rest(connection).await.map_err(DB::explain)?;
            Ok(done)
        })
    })
    .with_pulse(pulse)
}

/// Whether the view of a database is the one asked for.
fn check<DB: SqlxDatabase>(dialect: Dialect) -> Result<()> {
    if dialect == DB::DIALECT {
        return Ok(());
    }
    let message = format!("`sqlx::<{}>()` on a database that is {dialect}", DB::NAME);
    let right = match dialect {
        Dialect::Postgres => "Postgres",
        Dialect::MySql => "MySql",
        Dialect::Sqlite => "Sqlite",
    };
    Err(Error::new(ErrorKind::Unsupported, message).help(format!("use `sqlx::<sqlx::{right}>()`, or another URL")))
}

impl Database {
    /// This database as an executor of sqlx. Each statement runs where a verb of this database would run: in the
    /// transaction of the task, in the sandbox, else on a connection of the pool.
    ///
    /// It can be made before the database is connected, and lives as long as wanted.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if the database is of another kind than `DB`; the message names both.
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
    pub fn sqlx<DB: SqlxDatabase>(&self) -> Result<Sqlx<DB>> {
        check::<DB>(self.config().url().dialect())?;
        Ok(Sqlx::new(Source::Database(self.clone()), Location::caller()))
    }
}

impl Connection {
    /// This connection, or this transaction, as an executor of sqlx.
    ///
    /// It is a handle to the connection, as a clone is; when the transaction has ended, its use is an error.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if the database is of another kind than `DB`;
    /// [`NotConnected`](ErrorKind::NotConnected).
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
    pub fn sqlx<DB: SqlxDatabase>(&self) -> Result<Sqlx<DB>> {
        check::<DB>(self.target()?.ground().dialect())?;
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

impl<DB: SqlxDatabase> fmt::Debug for Sqlx<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sqlx").field(&DB::NAME).finish()
    }
}
