//! A statement about to run: what it returns, how long it may take.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, ready};
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use crate::backend::{Done, FromRow, Offer, Sink};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Asker;
use crate::session::{BeginOptions, Chain, Finish, Ground, Guard, Target, Work};
use crate::sql::{Batch, Bound, IntoSql, Template};
use crate::value::{FromValue, IntoParams, Params, Row, deserialize_row};

/// A statement that runs when it is awaited.
///
/// # Cancel safety
///
/// Dropping the future stops waiting for the answer. Whether the server runs the statement is then unknown; its
/// connection is read to the end of the answer or thrown away, and never answers another caller with these rows. Inside
/// a transaction, the transaction stays usable on PostgreSQL and SQLite, and fails with
/// [`ErrorKind::TransactionEnded`] on MySQL, whose driver cannot read on after it was interrupted.
#[must_use = "a query does nothing until it is awaited"]
pub struct Query<S> {
    plan: Result<Plan>,
    timeout: Option<Duration>,
    shape: PhantomData<fn() -> S>,
}

struct Plan {
    target: Target,
    statements: Statements,
    asker: Asker,
}

enum Statements {
    One(Work),
    Many(Arc<Template>, Batch),
}

impl<S> Query<S> {
    pub(crate) fn new(
        target: Result<Target>,
        sql: impl IntoSql,
        params: impl IntoParams,
        place: &'static Location<'static>,
    ) -> Self {
        let asker = Asker::at(place);
        let plan = target.and_then(|target| {
            let work = work(&target, sql, params, asker)?;
            Ok(Plan {
                target,
                statements: Statements::One(work),
                asker,
            })
        });
        Self {
            plan,
            timeout: None,
            shape: PhantomData,
        }
    }

    /// Gives up after `limit` with [`ErrorKind::Timeout`]. Waiting for a connection counts. The default is the setting
    /// `statement_timeout`, which is unset.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    fn reshape<T>(self) -> Query<T> {
        Query {
            plan: self.plan,
            timeout: self.timeout,
            shape: PhantomData,
        }
    }
}

impl Query<ExecuteMany> {
    pub(crate) fn many<R>(target: Result<Target>, sql: impl IntoSql, rows: R, place: &'static Location<'static>) -> Self
    where
        R: IntoIterator<Item: IntoParams>,
    {
        let asker = Asker::at(place);
        let plan = target.and_then(|target| {
            let (sql, brought) = sql.into_sql(target.ground().dialect())?;
            if !brought.is_empty() {
                return Err(Error::new(
                    ErrorKind::Parameter,
                    "the statement brings its own values, and rows were given too",
                )
                .help("run it with `execute`"));
            }
            let bind = || {
                let template = target.ground().templates.get(sql.as_str())?;
                let rows: Vec<_> = rows.into_iter().map(IntoParams::into_params).collect::<Result<_>>()?;
                let batch = template.bind_many(rows)?;
                Ok((template, batch))
            };
            let (template, batch) = bind().map_err(|error| unsendable(&target, sql.as_str(), asker, error))?;
            Ok(Plan {
                target,
                statements: Statements::Many(template, batch),
                asker,
            })
        });
        Self {
            plan,
            timeout: None,
            shape: PhantomData,
        }
    }
}

/// A statement with its parameters, ready to run.
pub(crate) fn work(target: &Target, sql: impl IntoSql, params: impl IntoParams, asker: Asker) -> Result<Work> {
    let (sql, brought) = sql.into_sql(target.ground().dialect())?;
    bound(target, sql.as_str(), params, brought, asker).map_err(|error| unsendable(target, sql.as_str(), asker, error))
}

/// A statement that cannot be sent is written down like one that was refused, and its error says where it stands.
#[cold]
fn unsendable(target: &Target, sql: &str, asker: Asker, error: Error) -> Error {
    let error = error.at(asker.place);
    target.ground().write_refusal(sql, &error);
    error
}

fn bound(target: &Target, sql: &str, params: impl IntoParams, brought: Params, asker: Asker) -> Result<Work> {
    let template = target.ground().templates.get(sql)?;
    let mut params = params.into_params()?;
    if !brought.is_empty() {
        if !params.is_empty() {
            return Err(Error::new(
                ErrorKind::Parameter,
                "the statement brings its own values, and others were given too",
            )
            .help("pass `()` as its parameters"));
        }
        params = brought;
    }
    let bound = template.bind(params)?;
    if template.statements() > 1 && !bound.values.is_empty() {
        let message = format!(
            "a text with parameters holds one statement, and this one holds {}",
            template.statements()
        );
        return Err(Error::new(ErrorKind::Parameter, message)
            .help("send them one by one, in a transaction if they belong together"));
    }
    Ok(Work { template, bound, asker })
}

/// What a row becomes. Implemented by the markers of this module; [`Query::decode`] and its like choose one.
pub trait Decoder: sealed::Sealed {
    /// The type of one decoded row.
    type Output: Send + 'static;
}

mod sealed {
    pub trait Sealed: Send + 'static {}
}

/// How a row becomes a result.
pub(crate) trait Decode: Decoder {
    fn decode(row: &mut dyn Offer) -> Result<Self::Output>;
}

/// Rows as they are: [`Row`].
#[derive(Debug)]
pub struct AsRow;

/// Rows as a type with `#[derive(sqlx::FromRow)]`, or a tuple.
#[derive(Debug)]
pub struct As<T>(PhantomData<fn() -> T>);

/// Rows as a `serde::Deserialize` type.
#[derive(Debug)]
pub struct Deserialized<T>(PhantomData<fn() -> T>);

/// The first column of each row.
#[derive(Debug)]
pub struct FirstColumn<T>(PhantomData<fn() -> T>);

fn taken() -> Error {
    Error::new(ErrorKind::Driver, "a row was taken twice")
}

impl sealed::Sealed for AsRow {}

impl Decoder for AsRow {
    type Output = Row;
}

impl Decode for AsRow {
    fn decode(row: &mut dyn Offer) -> Result<Row> {
        row.take().map(Row::new).ok_or_else(taken)
    }
}

impl<T: FromRow + Send + 'static> sealed::Sealed for As<T> {}

impl<T: FromRow + Send + 'static> Decoder for As<T> {
    type Output = T;
}

impl<T: FromRow + Send + 'static> Decode for As<T> {
    fn decode(row: &mut dyn Offer) -> Result<T> {
        let row = row.look().ok_or_else(taken)?;
        T::from_native(row.native()).map_err(undecodable::<T>)
    }
}

impl<T: DeserializeOwned + Send + 'static> sealed::Sealed for Deserialized<T> {}

impl<T: DeserializeOwned + Send + 'static> Decoder for Deserialized<T> {
    type Output = T;
}

impl<T: DeserializeOwned + Send + 'static> Decode for Deserialized<T> {
    fn decode(row: &mut dyn Offer) -> Result<T> {
        deserialize_row(row.look().ok_or_else(taken)?)
    }
}

impl<T: FromValue + Send + 'static> sealed::Sealed for FirstColumn<T> {}

impl<T: FromValue + Send + 'static> Decoder for FirstColumn<T> {
    type Output = T;
}

impl<T: FromValue + Send + 'static> Decode for FirstColumn<T> {
    fn decode(row: &mut dyn Offer) -> Result<T> {
        AsRow::decode(row)?.get(0)
    }
}

/// The library's error for a row that does not fit a type with `#[derive(FromRow)]`.
pub(crate) fn undecodable<T>(error: sqlx::Error) -> Error {
    let message = match &error {
        sqlx::Error::ColumnDecode { index, source } => format!("column {index} cannot be read: {source}"),
        sqlx::Error::ColumnNotFound(name) => format!("there is no column named {name} in the row"),
        other => other.to_string(),
    };
    Error::new(ErrorKind::Decode, format!("{}: {message}", std::any::type_name::<T>()))
        .help("compare the fields of the type with the columns and their SQL types: a column that can be NULL needs an Option, and sqlx wants integers of the column's own width, which `.deserialize()` converts")
        .with_source(error)
}

/// Nothing but what the server tells of the statement: [`Done`].
#[derive(Debug)]
pub struct Execute;

/// One statement for many rows of parameters: [`DoneMany`].
#[derive(Debug)]
pub struct ExecuteMany;

/// Every row.
#[derive(Debug)]
pub struct All<D>(PhantomData<fn() -> D>);

/// The first row, of which there must be one.
#[derive(Debug)]
pub struct One<D>(PhantomData<fn() -> D>);

/// The first row, if there is one.
#[derive(Debug)]
pub struct Optional<D>(PhantomData<fn() -> D>);

/// What `execute_many` returns.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DoneMany {
    /// The number of rows inserted, updated or deleted, over all parameters.
    pub rows_affected: u64,
    /// What the statement returned, where it has a `RETURNING` clause.
    pub rows: Vec<Row>,
}

macro_rules! decoders {
    ($shape:ident) => {
        impl Query<$shape<AsRow>> {
            /// Reads rows into a type with `#[derive(sqlx::FromRow)]`, or into a tuple of sqlx's types.
            pub fn decode<T: FromRow + Send + 'static>(self) -> Query<$shape<As<T>>> {
                self.reshape()
            }

            /// Reads rows into any `serde::Deserialize` type: structs by column name, tuples by position.
            pub fn deserialize<T: DeserializeOwned + Send + 'static>(self) -> Query<$shape<Deserialized<T>>> {
                self.reshape()
            }

            /// Reads the first column only.
            pub fn value<T: FromValue + Send + 'static>(self) -> Query<$shape<FirstColumn<T>>> {
                self.reshape()
            }
        }
    };
}

decoders!(All);
decoders!(One);
decoders!(Optional);

/// Keeps every row.
struct Keep<D: Decode>(Vec<D::Output>);

impl<D: Decode> Sink for Keep<D> {
    fn row(&mut self, row: &mut dyn Offer) -> Result<()> {
        self.0.push(D::decode(row)?);
        Ok(())
    }

    fn restart(&mut self) -> bool {
        self.0.clear();
        true
    }
}

/// Keeps the first row.
struct First<D: Decode>(Option<D::Output>);

impl<D: Decode> Sink for First<D> {
    fn row(&mut self, row: &mut dyn Offer) -> Result<()> {
        if self.0.is_none() {
            self.0 = Some(D::decode(row)?);
        }
        Ok(())
    }

    fn wants_one(&self) -> bool {
        true
    }

    fn restart(&mut self) -> bool {
        self.0 = None;
        true
    }
}

impl Plan {
    async fn run(&mut self, sink: &mut dyn Sink) -> Result<Done> {
        match &mut self.statements {
            Statements::One(work) => self.target.run(work, sink).await,
            // Boxed, as is everything rare on this path: the future of a single statement is small without it.
            Statements::Many(template, batch) => {
                let chunks = std::mem::take(&mut batch.chunks);
                Box::pin(run_many(&self.target, template, chunks, sink, self.asker)).await
            }
        }
    }
}

/// Runs the statements of a batch, in one transaction if there is more than one.
async fn run_many(
    target: &Target,
    template: &Arc<Template>,
    chunks: Vec<Bound>,
    sink: &mut dyn Sink,
    asker: Asker,
) -> Result<Done> {
    let mut done = Done::default();
    let work = |bound| Work {
        template: Arc::clone(template),
        bound,
        asker,
    };
    if chunks.len() <= 1 {
        for bound in chunks {
            done.absorb(target.run(&work(bound), sink).await?);
        }
        return Ok(done);
    }
    let chain = Chain::current();
    let scope = chain.enter(Vec::new());
    let anchor = target
        .begin(BeginOptions::default(), true, scope.owner(), &chain, asker)
        .await?;
    // Dropped before its end, the transaction is rolled back.
    let guard = Guard::new(anchor);
    let inside = Target::Guard(guard.anchor());
    let all = async {
        for bound in chunks {
            done.absorb(inside.run(&work(bound), sink).await?);
        }
        guard.finish(Finish::Commit, asker.place).await
    };
    scope.run(all).await?;
    Ok(done)
}

async fn limited<T>(
    limit: Duration,
    place: &'static Location<'static>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    if Handle::try_current().is_err() {
        let message = format!("what was begun at {place} has a time limit, which needs a tokio runtime");
        return Err(Error::new(ErrorKind::Connect, message)
            .help("run it in `#[tokio::main]`, `#[tokio::test]`, a task, or `Handle::block_on`"));
    }
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(ErrorKind::Timeout, format!("what was begun at {place} took longer than {limit:?}"))
            .help("whether the server ran it is unknown; raise `.timeout(…)` or `statement_timeout`, or make the statement quicker")),
    }
}

/// Runs work within its time limit, and where the caller has no runtime, in that of the sandbox it is done in.
pub(crate) async fn within<T>(
    limit: Option<Duration>,
    sandboxed: Option<Arc<Ground>>,
    place: &'static Location<'static>,
    work: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    let work = async {
        match limit {
            Some(limit) => limited(limit, place, work).await,
            None => work.await,
        }
    };
    match sandboxed {
        Some(ground) => ground.within(work).await,
        None => work.await,
    }
}

impl<S: 'static> Query<S> {
    /// Runs the plan within the time limit and makes a result of what the sink kept.
    fn drive<K, T>(
        self,
        mut sink: K,
        finish: fn(K, Done, &'static Location<'static>) -> Result<T>,
    ) -> BoxFuture<'static, Result<T>>
    where
        K: Sink + 'static,
        T: Send + 'static,
    {
        let timeout = self.timeout;
        // Taken apart out here, so that the future has room for one plan and not for two.
        let mut plan = match self.plan {
            Ok(plan) => plan,
            Err(error) => return Box::pin(ready(Err(error))),
        };
        Box::pin(async move {
            let place = plan.asker.place;
            let limit = timeout.or(plan.target.ground().settings.statement_timeout);
            let done = match (limit, plan.target.sandboxed()) {
                (None, None) => plan.run(&mut sink).await?,
                // Boxed, as is everything rare on this path.
                (limit, sandboxed) => Box::pin(within(limit, sandboxed, place, plan.run(&mut sink))).await?,
            };
            finish(sink, done, place)
        })
    }
}

impl IntoFuture for Query<Execute> {
    type Output = Result<Done>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(crate::backend::support::sqlx::Ignore, |_, done, _| Ok(done))
    }
}

impl IntoFuture for Query<ExecuteMany> {
    type Output = Result<DoneMany>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(Keep::<AsRow>(Vec::new()), |kept, done, _| {
            Ok(DoneMany {
                rows_affected: done.rows_affected,
                rows: kept.0,
            })
        })
    }
}

impl<D: Decode> IntoFuture for Query<All<D>> {
    type Output = Result<Vec<D::Output>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(Keep::<D>(Vec::new()), |kept, _, _| Ok(kept.0))
    }
}

impl<D: Decode> IntoFuture for Query<Optional<D>> {
    type Output = Result<Option<D::Output>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(First::<D>(None), |first, _, _| Ok(first.0))
    }
}

impl<D: Decode> IntoFuture for Query<One<D>> {
    type Output = Result<D::Output>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(First::<D>(None), |first, _, place| {
            first.0.ok_or_else(|| {
                Error::new(ErrorKind::RowNotFound, format!("the query at {place} returned no row"))
                    .help("use `fetch_optional` where a missing row is no mistake")
            })
        })
    }
}

impl<S> fmt::Debug for Query<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The verbs, written once for everything that can run a statement. The type must have
/// `fn target(&self) -> Result<Target>`.
macro_rules! verbs {
    ($type:ty) => {
        impl $type {
            /// Runs a statement and tells how many rows it touched.
            ///
            /// Text made at run time must be wrapped in [`AssertSqlSafe`](crate::AssertSqlSafe). Text without
            /// parameters may hold several statements.
            ///
            /// # Errors
            ///
            /// [`Parameter`](crate::ErrorKind::Parameter) if the parameters do not fit the text, and what the server
            /// reports.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// use ebbtide::params;
            /// database.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)", ()).await?;
            /// let done = database.execute("INSERT INTO note (text) VALUES (:text)", params! { text: "hello" }).await?;
            /// assert_eq!(done.rows_affected, 1);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn execute(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::Execute> {
                $crate::Query::new(self.target(), sql, params, std::panic::Location::caller())
            }

            /// Runs a statement once for each row of parameters, all or none of them, and returns the total, and the
            /// rows where the statement has a `RETURNING` clause.
            ///
            /// An `INSERT … VALUES` with one tuple is sent as few statements with many tuples.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// # database.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)", ()).await?;
            /// use ebbtide::params;
            /// let notes = ["one", "two"].map(|text| params! { text });
            /// let done = database.execute_many("INSERT INTO note (text) VALUES (:text)", notes).await?;
            /// assert_eq!(done.rows_affected, 2);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn execute_many<R>(
                &self,
                sql: impl $crate::IntoSql,
                rows: R,
            ) -> $crate::Query<$crate::query::ExecuteMany>
            where
                R: IntoIterator<Item: $crate::IntoParams>,
            {
                $crate::Query::many(self.target(), sql, rows, std::panic::Location::caller())
            }

            /// Fetches all rows. Chain `.decode::<T>()` or `.deserialize::<T>()` to read them into a type.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// let rows = database.fetch_all("SELECT 1 AS id UNION SELECT 2", ()).await?;
            /// assert_eq!(rows[1].get::<i64>("id")?, 2);
            /// let pairs: Vec<(i64, String)> = database.fetch_all("SELECT 1, 'one'", ()).decode().await?;
            /// assert_eq!(pairs, [(1, "one".to_owned())]);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn fetch_all(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::All<$crate::query::AsRow>> {
                $crate::Query::new(self.target(), sql, params, std::panic::Location::caller())
            }

            /// Fetches the first row.
            ///
            /// # Errors
            ///
            /// [`RowNotFound`](crate::ErrorKind::RowNotFound) if there is none.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// let row = database.fetch_one("SELECT 'hello' AS text", ()).await?;
            /// assert_eq!(row.get::<String>("text")?, "hello");
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn fetch_one(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::One<$crate::query::AsRow>> {
                $crate::Query::new(self.target(), sql, params, std::panic::Location::caller())
            }

            /// Fetches the first row, or `None`.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// assert!(database.fetch_optional("SELECT 1 WHERE 1 = 0", ()).await?.is_none());
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn fetch_optional(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::Optional<$crate::query::AsRow>> {
                $crate::Query::new(self.target(), sql, params, std::panic::Location::caller())
            }

            /// Fetches the first column of the first row.
            ///
            /// # Errors
            ///
            /// [`RowNotFound`](crate::ErrorKind::RowNotFound) if there is no row, [`Decode`](crate::ErrorKind::Decode) if
            /// the value is not a `T`; read a value that may be NULL as an `Option`.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// let sum: i64 = database.fetch_value("SELECT ? + ?", (40, 2)).await?;
            /// assert_eq!(sum, 42);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn fetch_value<T: $crate::FromValue + Send + 'static>(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::One<$crate::query::FirstColumn<T>>> {
                $crate::Query::new(self.target(), sql, params, std::panic::Location::caller())
            }

            /// Streams the rows in constant memory; see [`RowStream`](crate::RowStream).
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// use futures::TryStreamExt;
            /// let mut rows = database.iterate("SELECT 1 AS id UNION SELECT 2", ());
            /// let mut sum = 0;
            /// while let Some(row) = rows.try_next().await? {
            ///     sum += row.get::<i64>("id")?;
            /// }
            /// assert_eq!(sum, 3);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn iterate(&self, sql: impl $crate::IntoSql, params: impl $crate::IntoParams) -> $crate::RowStream {
                $crate::RowStream::new(self.target(), sql, params, std::panic::Location::caller())
            }

            /// Streams the rows in batches of `size`; the last batch may be smaller. A `size` of 0 is taken as 1.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// use futures::TryStreamExt;
            /// let batches: Vec<_> = database.batched_iterate("SELECT 1 UNION SELECT 2 UNION SELECT 3", (), 2).try_collect().await?;
            /// assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn batched_iterate(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
                size: usize,
            ) -> $crate::stream::Batches {
                $crate::RowStream::new(self.target(), sql, params, std::panic::Location::caller()).batches(size)
            }
        }
    };
}

pub(crate) use verbs;
