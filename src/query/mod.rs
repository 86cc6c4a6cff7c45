//! A statement about to run: what it returns, how long it may take.

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

use crate::backend::{Done, Sink};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Asker;
use crate::session::{Anchor, BeginOptions, Chain, Finish, Ground, Guard, Target, Work, limited};
use crate::sql::{Batch, Bound, IntoSql, Template};
use crate::value::{IntoParams, Params};

pub(crate) use decode::{AsRow, Decode, FirstColumn, undecodable};
pub use shape::DoneMany;
pub(crate) use shape::{All, Execute, ExecuteMany, One, Optional};
use shape::{First, Keep};
pub(crate) use verbs::verbs;

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
}

enum Statements {
    One(Work),
    Many {
        template: Arc<Template>,
        batch: Batch,
        asker: Asker,
        /// The transaction that they run in, once it has begun.
        begun: OnceLock<Arc<Anchor>>,
    },
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
            })
        });
        Self {
            plan,
            timeout: None,
            shape: PhantomData,
        }
    }

    /// Gives up after `limit` with [`ErrorKind::Timeout`], or with [`ErrorKind::OutcomeUnknown`] if the statement was sent, may
    /// write, and is not in a transaction. Waiting for a connection counts. The default is the setting `statement_timeout`,
    /// which is unset; `Duration::ZERO` means no limit.
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
                statements: Statements::of(template, batch, asker),
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
    Ok(Work::new(template, bound, asker))
}

impl Plan {
    async fn run(&mut self, sink: &mut dyn Sink) -> Result<Done> {
        match &mut self.statements {
            Statements::One(work) => self.target.run(work, sink).await,
            // Boxed, as is everything rare on this path: the future of a single statement is small without it.
            Statements::Many {
                template,
                batch,
                asker,
                begun,
            } => {
                let chunks = std::mem::take(&mut batch.chunks);
                Box::pin(run_many(&self.target, template, chunks, sink, *asker, begun)).await
            }
        }
    }

    fn place(&self) -> &'static Location<'static> {
        match &self.statements {
            Statements::One(work) => work.asker.place,
            Statements::Many { asker, .. } => asker.place,
        }
    }

    /// The error of a call that was given up after its time, with what it means for what was sent.
    fn given_up(&self, error: Error) -> Error {
        match &self.statements {
            Statements::One(work) => work.given_up(error),
            Statements::Many { begun, .. } => match begun.get() {
                Some(anchor) => anchor.node.given_up(error),
                None => error,
            },
        }
    }
}

impl Statements {
    fn of(template: Arc<Template>, mut batch: Batch, asker: Asker) -> Self {
        match batch.chunks.pop() {
            Some(bound) if batch.chunks.is_empty() => Self::One(Work::new(template, bound, asker)),
            last => {
                batch.chunks.extend(last);
                Self::Many {
                    template,
                    batch,
                    asker,
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
    sink: &mut dyn Sink,
    asker: Asker,
    begun: &OnceLock<Arc<Anchor>>,
) -> Result<Done> {
    let mut done = Done::default();
    if chunks.is_empty() {
        return Ok(done);
    }
    let chain = Chain::current();
    let scope = chain.enter(Vec::new());
    let anchor = target
        .begin(BeginOptions::default(), true, scope.owner(), &chain, asker)
        .await?;
    // Dropped before its end, the transaction is rolled back.
    let guard = Guard::new(anchor);
    let _ = begun.set(guard.anchor());
    let inside = Target::Guard(guard.anchor());
    let all = async {
        for bound in chunks {
            let work = Work::new(Arc::clone(template), bound, asker);
            done.absorb(inside.run(&work, sink).await?);
        }
        guard.finish(Finish::Commit, asker.place, Some(Duration::ZERO)).await
    };
    scope.run(all).await?;
    Ok(done)
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
            let place = plan.place();
            let limit = plan.target.ground().limit(timeout);
            let done = match (limit, plan.target.sandboxed()) {
                (None, None) => plan.run(&mut sink).await?,
                // Boxed, as is everything rare on this path.
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
