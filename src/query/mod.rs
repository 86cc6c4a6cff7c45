//! A statement that is about to run: its result type and its time limit.
//!
//! The parameter of [`Query`] says what awaiting it returns: [`Execute`] and [`ExecuteMany`] return a summary; [`All`],
//! [`One`] and [`Optional`] return rows, as their own parameter reads them ([`AsRow`], [`Decoded`], [`DecodedOn`],
//! [`Deserialized`], [`FirstColumn`]). So a function can return a query, whose caller may set a limit before the await:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
//! use std::time::Duration;
//!
//! use ebbtide::query::{All, Deserialized, Query};
//! use ebbtide::{Database, params};
//!
//! #[derive(serde::Deserialize)]
//! struct Note {
//!     text: String,
//! }
//!
//! fn notes(database: &Database, owner: i64) -> Query<All<Deserialized<Note>>> {
//!     let sql = "SELECT text FROM note WHERE owner = :owner";
//!     database.fetch_all(sql, params! { owner }).deserialize()
//! }
//!
//! # let database = Database::connect("sqlite::memory:").await?;
//! # database.execute("CREATE TABLE note (owner INTEGER, text TEXT); INSERT INTO note VALUES (1, 'hello')", ()).await?;
//! let notes = notes(&database, 1).timeout(Duration::from_secs(2)).await?;
//! assert_eq!(notes[0].text, "hello");
//! # Ok(()) }
//! ```

mod addressee;
mod decode;
mod plan;
mod shape;
mod verbs;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, ready};

use crate::backend::{QueryResult, RowSink};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::session::{Engine, limited};
use crate::sql::IntoSql;
use crate::value::{IntoParams, Row};

pub(crate) use addressee::Addressee;
pub use decode::{AsRow, Decoded, DecodedOn, Decoder, Deserialized, FirstColumn};
pub(crate) use decode::{decode, decode_on};
pub(crate) use plan::work;
use plan::{Prepared, QueryPlan};
pub(crate) use shape::Whole;
pub use shape::{All, BatchResult, Execute, ExecuteMany, One, Optional};
use shape::{FirstRow, Keep};
pub(crate) use verbs::verbs;

/// A statement that runs when it is awaited.
///
/// # Cancel safety
///
/// Dropping the future stops waiting for the answer. It is then unknown whether the server runs the statement. Its
/// connection is read to the end of the answer or closed, and never returns these rows to another caller. Inside a
/// transaction, the transaction stays usable on PostgreSQL and SQLite. On MySQL it fails with
/// [`ErrorKind::TransactionEnded`], because the driver cannot continue reading after an interruption.
#[must_use = "a query does nothing until it is awaited"]
pub struct Query<S> {
    plan: Prepared,
    timeout: Option<Duration>,
    shape: PhantomData<fn() -> S>,
}

impl<S> Query<S> {
    pub(crate) fn new(
        addressee: Addressee,
        sql: impl IntoSql,
        params: impl IntoParams,
        place: &'static Location<'static>,
    ) -> Self {
        let caller = Caller::at(place);
        Self::of(match addressee {
            Addressee::Known(target) => Prepared::Now(QueryPlan::one(target, sql, params, caller)),
            Addressee::Late(late) => {
                let (sql, params) = (late.keep(sql), params.into_params());
                Prepared::Late(Box::new(move || QueryPlan::one(late.target()?, sql, params, caller)))
            }
        })
    }

    fn of(plan: Prepared) -> Self {
        Self {
            plan,
            timeout: None,
            shape: PhantomData,
        }
    }

    /// Gives up after `limit` with [`ErrorKind::Timeout`], or with [`ErrorKind::OutcomeUnknown`] if the statement was
    /// sent, may write, and is not in a transaction. The time to get a connection counts. The default is the setting
    /// `statement_timeout`, which is unset; `Duration::ZERO` means no limit.
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
    pub(crate) fn many<R>(addressee: Addressee, sql: impl IntoSql, rows: R, place: &'static Location<'static>) -> Self
    where
        R: IntoIterator<Item: IntoParams>,
    {
        let caller = Caller::at(place);
        Self::of(match addressee {
            Addressee::Known(target) => Prepared::Now(QueryPlan::many(target, sql, rows, caller)),
            Addressee::Late(late) => {
                let rows: Vec<_> = rows.into_iter().map(IntoParams::into_params).collect();
                let sql = late.keep(sql);
                Prepared::Late(Box::new(move || QueryPlan::many(late.target()?, sql, rows, caller)))
            }
        })
    }
}

/// Runs `work` within its time limit. If the caller has no runtime, it runs in that of its sandbox.
pub(crate) async fn within<T>(
    limit: Option<Duration>,
    sandboxed: Option<Arc<Engine>>,
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
        Some(engine) => engine.within(work).await,
        None => work.await,
    }
}

impl<S: 'static> Query<S> {
    /// Runs the plan within the time limit and converts the rows that the sink kept.
    fn drive<K, T>(
        self,
        mut sink: K,
        finish: fn(K, QueryResult, &'static Location<'static>) -> Result<T>,
    ) -> BoxFuture<'static, Result<T>>
    where
        K: RowSink + 'static,
        T: Send + 'static,
    {
        let timeout = self.timeout;
        // Destructured here, so that the future stores one plan instead of two.
        let mut plan = match self.plan {
            Prepared::Now(Ok(plan)) => plan,
            Prepared::Now(Err(error)) => return Box::pin(ready(Err(error))),
            Prepared::Late(plan) => {
                return Box::pin(async move {
                    let mut query = Self::of(Prepared::Now(plan()));
                    query.timeout = timeout;
                    query.drive(sink, finish).await
                });
            }
        };
        if let Some(engine) = plan.target.sandboxed().filter(|engine| engine.is_isolated()) {
            return Box::pin(async move {
                let place = plan.place();
                let limit = engine.limit(timeout);
                let run = async move {
                    let ran = within(limit, None, place, plan.run(&mut sink)).await;
                    let done = ran.map_err(|error| plan.given_up(error))?;
                    Ok((sink, done))
                };
                let (sink, done) = engine.isolate(run).await?;
                finish(sink, done, place)
            });
        }
        Box::pin(async move {
            let place = plan.place();
            let limit = plan.target.engine().limit(timeout);
            let done = match (limit, plan.target.sandboxed()) {
                (None, None) => plan.run(&mut sink).await?,
                // Boxed, like every rare case on this path.
                (limit, sandboxed) => {
                    let ran = Box::pin(within(limit, sandboxed, place, plan.run(&mut sink))).await;
                    ran.map_err(|error| plan.given_up(error))?
                }
            };
            finish(sink, done, place)
        })
    }
}

impl IntoFuture for Query<Execute> {
    type Output = Result<QueryResult>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(crate::backend::sqlx::Ignore, |_, done, _| Ok(done))
    }
}

impl IntoFuture for Query<ExecuteMany> {
    type Output = Result<BatchResult>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(Keep::<AsRow>(Vec::new()), |kept, done, _| {
            Ok(BatchResult {
                rows_affected: done.rows_affected,
                rows: kept.0,
            })
        })
    }
}

impl IntoFuture for Query<Whole> {
    type Output = Result<(Vec<Row>, QueryResult)>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(Keep::<AsRow>(Vec::new()), |kept, done, _| Ok((kept.0, done)))
    }
}

impl<D: Decoder> IntoFuture for Query<All<D>> {
    type Output = Result<Vec<D::Output>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(Keep::<D>(Vec::new()), |kept, _, _| Ok(kept.0))
    }
}

impl<D: Decoder> IntoFuture for Query<Optional<D>> {
    type Output = Result<Option<D::Output>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(FirstRow::<D>(None), |first, _, _| Ok(first.0))
    }
}

impl<D: Decoder> IntoFuture for Query<One<D>> {
    type Output = Result<D::Output>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(FirstRow::<D>(None), |first, _, place| {
            first.0.ok_or_else(|| {
                Error::new(ErrorKind::RowNotFound, format!("the query at {place} returned no row"))
                    .help("where a missing row is not an error, use `fetch_optional(…)`, and for one value `fetch_optional(…).value()`")
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
