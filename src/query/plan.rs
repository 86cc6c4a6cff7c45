//! The work of a query: one statement, or a batch of them in one transaction.

use std::panic::Location;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::SqlStr;

use crate::backend::rules::BeginOptions;
use crate::backend::{QueryResult, RowSink};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::session::{BoundStatement, Chain, Finish, Guard, LevelHandle, Target};
use crate::sql::{Batch, Bound, IntoSql, Template};
use crate::value::{IntoParams, Params};

/// A plan, or the way to it once the target is known.
pub(super) enum Prepared {
    Now(Result<QueryPlan>),
    Late(Box<dyn FnOnce() -> Result<QueryPlan> + Send + Sync>),
}

pub(super) struct QueryPlan {
    pub(super) target: Target,
    statements: Statements,
}

enum Statements {
    One(BoundStatement),
    /// One that writes rows, all or none of them, whatever their number is.
    Rows(BoundStatement),
    Many {
        template: Arc<Template>,
        batch: Batch,
        caller: Caller,
        /// Their transaction, once it has begun.
        begun: OnceLock<Arc<LevelHandle>>,
    },
}

/// Returns a statement with its parameters, ready to run.
pub(crate) fn work(
    target: &Target,
    sql: impl IntoSql,
    params: impl IntoParams,
    caller: Caller,
) -> Result<BoundStatement> {
    let (sql, brought) = converted(target, sql, caller)?;
    bound(target, sql.as_str(), params, brought, caller)
        .map_err(|error| unsendable(target, sql.as_str(), caller, error))
}

/// Returns the text of a statement in the dialect of its target, and the values that it contains.
fn converted(target: &Target, sql: impl IntoSql, caller: Caller) -> Result<(SqlStr, Params)> {
    let dialect = target.engine().dialect();
    sql.into_sql(dialect).map_err(|error| error.at(caller.place))
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
    one_statement(&template, &bound)?;
    Ok(BoundStatement::new(template, bound, caller))
}

/// Returns an error if a text with parameters has several statements.
fn one_statement(template: &Template, bound: &Bound) -> Result<()> {
    if template.statements() <= 1 || bound.values.is_empty() {
        return Ok(());
    }
    let message = format!(
        "a text with parameters must hold one statement, but this one holds {}",
        template.statements()
    );
    Err(Error::new(ErrorKind::Parameter, message)
        .help("execute them one by one, in a transaction if they belong together"))
}

impl QueryPlan {
    pub(super) fn one(target: Target, sql: impl IntoSql, params: impl IntoParams, caller: Caller) -> Result<Self> {
        let work = work(&target, sql, params, caller)?;
        Ok(Self {
            target,
            statements: Statements::One(work),
        })
    }

    pub(super) fn many<R>(target: Target, sql: impl IntoSql, rows: R, caller: Caller) -> Result<Self>
    where
        R: IntoIterator<Item: IntoParams>,
    {
        let (sql, brought) = converted(&target, sql, caller)?;
        let bind = || {
            if !brought.is_empty() {
                return Err(Error::new(
                    ErrorKind::Parameter,
                    "the statement contains its own values, but rows were given too",
                )
                .help("run it with `execute`"));
            }
            let template = target.engine().templates.get(sql.as_str())?;
            let numbered = rows.into_iter().zip(1_usize..);
            let converted = numbered.map(|(row, number)| {
                let row = row.into_params();
                row.map_err(|error| error.context(format_args!("row {number}")))
            });
            let rows: Vec<_> = converted.collect::<Result<_>>()?;
            let form = target.engine().pool.connector().rows_form();
            let batch = template.bind_many(rows, form)?;
            batch
                .chunks
                .iter()
                .try_for_each(|bound| one_statement(&template, bound))?;
            Ok((template, batch))
        };
        let (template, batch) = bind().map_err(|error| unsendable(&target, sql.as_str(), caller, error))?;
        Ok(Self {
            target,
            statements: Statements::of(template, batch, caller),
        })
    }

    pub(super) async fn run(&mut self, sink: &mut dyn RowSink) -> Result<QueryResult> {
        self.protect_transaction();
        match &mut self.statements {
            Statements::One(work) | Statements::Rows(work) => self.target.run(work, sink).await,
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

    /// Gives one statement of rows a savepoint in an open transaction that an error would abort, so that its failure
    /// does not depend on the number of rows.
    fn protect_transaction(&mut self) {
        let Statements::Rows(work) = &mut self.statements else {
            return;
        };
        let rules = self.target.engine().pool.connector().rules().transactions();
        let aborts = rules.aborted.is_some() && rules.savepoints;
        if !aborts || !self.target.in_transaction(&Chain::current()) {
            return;
        }
        let bound = Bound {
            statement: Arc::clone(&work.bound.statement),
            values: std::mem::take(&mut work.bound.values),
        };
        let (template, caller) = (Arc::clone(&work.template), work.caller);
        self.statements = Statements::many(template, Batch { chunks: vec![bound] }, caller);
    }

    pub(super) fn place(&self) -> &'static Location<'static> {
        match &self.statements {
            Statements::One(work) | Statements::Rows(work) => work.caller.place,
            Statements::Many { caller, .. } => caller.place,
        }
    }

    /// Returns the error of a call that timed out, according to what was sent.
    pub(super) fn given_up(&self, error: Error) -> Error {
        match &self.statements {
            Statements::One(work) | Statements::Rows(work) => work.given_up(error),
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
            Some(bound) if batch.chunks.is_empty() => Self::Rows(BoundStatement::new(template, bound, caller)),
            last => {
                batch.chunks.extend(last);
                Self::many(template, batch, caller)
            }
        }
    }

    fn many(template: Arc<Template>, batch: Batch, caller: Caller) -> Self {
        Self::Many {
            template,
            batch,
            caller,
            begun: OnceLock::new(),
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
