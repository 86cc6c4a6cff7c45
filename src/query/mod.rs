//! A statement that is about to run: its result type and its time limit.

mod decode;
mod shape;
mod verbs;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::{BoxFuture, ready};

use crate::backend::{QueryResult, RowSink};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::session::{BeginOptions, BoundStatement, Chain, Engine, Finish, Guard, LevelHandle, Target, limited};
use crate::sql::{Batch, Bound, IntoSql, Template};
use crate::value::{IntoParams, Params};

pub(crate) use decode::{AsRow, DecodeRow, FirstColumn, undecodable};
pub use shape::BatchResult;
pub(crate) use shape::{All, Execute, ExecuteMany, One, Optional};
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
    plan: Result<Plan>,
    timeout: Option<Duration>,
    shape: PhantomData<fn() -> S>,
}

struct Plan {
    target: Target,
    statements: Statements,
}

enum Statements {
    One(BoundStatement),
    Many {
        template: Arc<Template>,
        batch: Batch,
        caller: Caller,
        /// Their transaction, once it has begun.
        begun: OnceLock<Arc<LevelHandle>>,
    },
}

impl<S> Query<S> {
    pub(crate) fn new(
        target: Result<Target>,
        sql: impl IntoSql,
        params: impl IntoParams,
        place: &'static Location<'static>,
    ) -> Self {
        let caller = Caller::at(place);
        let plan = target.and_then(|target| {
            let work = work(&target, sql, params, caller)?;
            Ok(Plan {
                target,
                statements: Statements::One(work),
            })
        });
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
    pub(crate) fn many<R>(target: Result<Target>, sql: impl IntoSql, rows: R, place: &'static Location<'static>) -> Self
    where
        R: IntoIterator<Item: IntoParams>,
    {
        let caller = Caller::at(place);
        let plan = target.and_then(|target| {
            let (sql, brought) = sql.into_sql(target.engine().dialect())?;
            if !brought.is_empty() {
                return Err(Error::new(
                    ErrorKind::Parameter,
                    "the statement contains its own values, but rows were given too",
                )
                .help("run it with `execute`"));
            }
            let bind = || {
                let template = target.engine().templates.get(sql.as_str())?;
                let rows: Vec<_> = rows.into_iter().map(IntoParams::into_params).collect::<Result<_>>()?;
                let batch = template.bind_many(rows)?;
                Ok((template, batch))
            };
            let (template, batch) = bind().map_err(|error| unsendable(&target, sql.as_str(), caller, error))?;
            Ok(Plan {
                target,
                statements: Statements::of(template, batch, caller),
            })
        });
        Self {
            plan,
            timeout: None,
            shape: PhantomData,
        }
    }
}

/// Returns a statement with its parameters, ready to run.
pub(crate) fn work(
    target: &Target,
    sql: impl IntoSql,
    params: impl IntoParams,
    caller: Caller,
) -> Result<BoundStatement> {
    let (sql, brought) = sql.into_sql(target.engine().dialect())?;
    bound(target, sql.as_str(), params, brought, caller)
        .map_err(|error| unsendable(target, sql.as_str(), caller, error))
}

/// Logs a statement that cannot be sent like a refused one, and adds its place to the error.
#[cold]
fn unsendable(target: &Target, sql: &str, caller: Caller, error: Error) -> Error {
    let error = error.at(caller.place);
    target.engine().write_refusal(sql, &error);
    error
}

fn bound(
    target: &Target,
    sql: &str,
    params: impl IntoParams,
    brought: Params,
    caller: Caller,
) -> Result<BoundStatement> {
    let template = target.engine().templates.get(sql)?;
    let mut params = params.into_params()?;
    if !brought.is_empty() {
        if !params.is_empty() {
            return Err(Error::new(
                ErrorKind::Parameter,
                "the statement contains its own values, but others were given too",
            )
            .help("pass `()` as its parameters"));
        }
        params = brought;
    }
    let bound = template.bind(params)?;
    if template.statements() > 1 && !bound.values.is_empty() {
        let message = format!(
            "a text with parameters must hold one statement, but this one holds {}",
            template.statements()
        );
        return Err(Error::new(ErrorKind::Parameter, message)
            .help("execute them one by one, in a transaction if they belong together"));
    }
    Ok(BoundStatement::new(template, bound, caller))
}

impl Plan {
    async fn run(&mut self, sink: &mut dyn RowSink) -> Result<QueryResult> {
        match &mut self.statements {
            Statements::One(work) => self.target.run(work, sink).await,
            // Boxed, like every rare case on this path: it keeps the future of a single statement small.
            Statements::Many {
                template,
                batch,
                caller,
                begun,
            } => {
                let chunks = std::mem::take(&mut batch.chunks);
                Box::pin(run_many(&self.target, template, chunks, sink, *caller, begun)).await
            }
        }
    }

    fn place(&self) -> &'static Location<'static> {
        match &self.statements {
            Statements::One(work) => work.caller.place,
            Statements::Many { caller, .. } => caller.place,
        }
    }

    /// Returns the error of a call that timed out, according to what was sent.
    fn given_up(&self, error: Error) -> Error {
        match &self.statements {
            Statements::One(work) => work.given_up(error),
            Statements::Many { begun, .. } => match begun.get() {
                Some(handle) => handle.level.given_up(error),
                None => error,
            },
        }
    }
}

impl Statements {
    fn of(template: Arc<Template>, mut batch: Batch, caller: Caller) -> Self {
        match batch.chunks.pop() {
            Some(bound) if batch.chunks.is_empty() => Self::One(BoundStatement::new(template, bound, caller)),
            last => {
                batch.chunks.extend(last);
                Self::Many {
                    template,
                    batch,
                    caller,
                    begun: OnceLock::new(),
                }
            }
        }
    }
}

/// Runs the statements of a batch in one transaction.
async fn run_many(
    target: &Target,
    template: &Arc<Template>,
    chunks: Vec<Bound>,
    sink: &mut dyn RowSink,
    caller: Caller,
    begun: &OnceLock<Arc<LevelHandle>>,
) -> Result<QueryResult> {
    let mut done = QueryResult::default();
    if chunks.is_empty() {
        return Ok(done);
    }
    let chain = Chain::current();
    let scope = chain.enter(Vec::new());
    let handle = target
        .begin(BeginOptions::default(), true, scope.owner(), &chain, caller)
        .await?;
    // If dropped early, the transaction is rolled back.
    let guard = Guard::new(handle);
    let _ = begun.set(guard.handle());
    let inside = Target::Guard(guard.handle());
    let all = async {
        for bound in chunks {
            let work = BoundStatement::new(Arc::clone(template), bound, caller);
            done.absorb(inside.run(&work, sink).await?);
        }
        guard.finish(Finish::Commit, caller.place, Some(Duration::ZERO)).await
    };
    scope.run(all).await?;
    Ok(done)
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
            Ok(plan) => plan,
            Err(error) => return Box::pin(ready(Err(error))),
        };
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

impl<D: DecodeRow> IntoFuture for Query<All<D>> {
    type Output = Result<Vec<D::Output>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(Keep::<D>(Vec::new()), |kept, _, _| Ok(kept.0))
    }
}

impl<D: DecodeRow> IntoFuture for Query<Optional<D>> {
    type Output = Result<Option<D::Output>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(FirstRow::<D>(None), |first, _, _| Ok(first.0))
    }
}

impl<D: DecodeRow> IntoFuture for Query<One<D>> {
    type Output = Result<D::Output>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.drive(FirstRow::<D>(None), |first, _, place| {
            first.0.ok_or_else(|| {
                Error::new(ErrorKind::RowNotFound, format!("the query at {place} returned no row"))
                    .help("use `fetch_optional` where a missing row is not an error")
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
