//! Running statements: the connection they run on, and what their errors mean for it.

use std::sync::Arc;

use futures::future::{BoxFuture, ready};

use super::checkout::Checkout;
use super::outcome::Exposed;
use super::pipeline::Way;
use super::refuse::{needs_connection, unswitched};
use crate::backend::rules::BeginOptions;
use crate::backend::{NativeJob, QueryResult, Request, RowSink};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Caller, Lease};
use crate::session::engine::Engine;
use crate::session::level::{Level, LevelKind};
use crate::session::replicas::Reads;
use crate::session::scope::chain::{Chain, Owner};
use crate::session::scope::handle::LevelHandle;
use crate::sql::{Bound, Control, Template, excerpt};

/// PostgreSQL's codes for a parameter where there cannot be one, and for one whose type no context tells.
const NO_PARAMETER: [&str; 2] = ["42P02", "42P18"];

/// Advice where a row of a procedure does not have the expected columns.
const RESULT_SETS: &str = "the rows of all result sets of a procedure are returned one after the other; if there are several, read them \
                           as `Row`s, without `.decode()`, `.deserialize()` or `.value()`, and tell them apart by `row.columns()`";

/// A statement with its values, ready to run.
#[derive(Debug)]
pub(crate) struct BoundStatement {
    pub(crate) template: Arc<Template>,
    pub(crate) bound: Bound,
    pub(crate) caller: Caller,
    pub(in crate::session) exposed: Exposed,
}

impl BoundStatement {
    pub(crate) fn new(template: Arc<Template>, bound: Bound, caller: Caller) -> Self {
        Self {
            template,
            bound,
            caller,
            exposed: Exposed::default(),
        }
    }

    pub(in crate::session) fn text(&self) -> &str {
        self.bound.statement.text().trim()
    }

    /// Adds the way out to an error of a statement that takes no parameters, or that returns several result sets.
    pub(in crate::session) fn explained(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::Decode && self.template.calls() {
            return error.help(RESULT_SETS);
        }
        let by_kind = matches!(
            error.kind(),
            ErrorKind::Syntax | ErrorKind::Database | ErrorKind::Driver
        );
        if self.bound.values.is_empty()
            || !(by_kind || error.sqlstate().is_some_and(|code| NO_PARAMETER.contains(&code)))
        {
            return error;
        }
        match self.template.without_parameters() {
            Some(way) => error.help(way),
            None => error,
        }
    }

    /// Returns the reason why a transaction ended, if this statement ended it.
    pub(in crate::session) fn ended_by(&self, error: &Error) -> String {
        format!("{}, at `{}` of {}", error.message(), excerpt(self.text()), self.caller)
    }
}

/// The object that a statement was addressed to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The database: the connection the caller is bound to, else one of the pool, or of a replica, for this statement
    /// alone.
    Database(Arc<Engine>, Reads),
    Connection(Arc<LevelHandle>),
    /// A transaction's guard, which must be the innermost one.
    Guard(Arc<LevelHandle>),
}

impl Target {
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        match self {
            Self::Database(engine, _) => engine,
            Self::Connection(handle) | Self::Guard(handle) => &handle.level.engine,
        }
    }

    /// Returns the engine, if it is a sandbox.
    pub(crate) fn sandboxed(&self) -> Option<Arc<Engine>> {
        Some(self.engine()).filter(|engine| engine.sandbox.is_some()).cloned()
    }

    /// Returns whether the caller is in a transaction here.
    pub(crate) fn in_transaction(&self, chain: &Chain) -> bool {
        let level = match self {
            Self::Database(engine, _) => match engine.bound(chain) {
                Ok(Some(handle)) if !handle.opening => handle.level.meant(chain),
                Ok(_) => return false,
                // A level that another owner holds is a transaction, and one that has ended was one.
                Err(_) => return true,
            },
            Self::Connection(handle) => handle.level.top(chain),
            Self::Guard(_) => return true,
        };
        matches!(level.kind, LevelKind::Transaction { .. })
    }

    /// Returns the level that is meant, if there is one.
    pub(in crate::session) fn level(&self, chain: &Chain, caller: Caller) -> Result<Option<Arc<Level>>> {
        match self {
            Self::Database(engine, _) => match engine.bound(chain).map_err(|why| why.error(caller.place))? {
                Some(handle) if !handle.opening => Ok(Some(handle.level.meant(chain))),
                _ => Ok(engine.sandbox_root(caller)),
            },
            Self::Connection(handle) => Ok(Some(handle.level.top(chain))),
            Self::Guard(handle) => {
                handle.adopt(chain, caller);
                handle.level.innermost(caller)?;
                Ok(Some(Arc::clone(&handle.level)))
            }
        }
    }

    /// Checks out the connection for one statement.
    pub(in crate::session) async fn check_out(
        &self,
        work: &BoundStatement,
        chain: &Chain,
        what: &'static str,
    ) -> Result<Checkout> {
        let control = work.template.control();
        if work.template.effect().defines_code {
            self.engine().note_code();
        }
        self.engine().refusing(work, unswitched(work))?;
        if let Some(streams) = self.engine().streams.as_ref().filter(|_| !work.template.effect().asks) {
            Box::pin(streams.put_aside()).await?;
        }
        let Some(level) = self.level(chain, work.caller)? else {
            if work.template.statements() == 1 {
                self.engine().refusing(work, needs_connection(control, work))?;
            }
            let engine = self.engine();
            let mut lease = match self.replicas(work) {
                None => engine.pool.acquire(work.caller).await?,
                // Boxed, or the future of every statement would contain this one.
                Some((replicas, reads)) => Box::pin(replicas.lease(engine, chain, reads, work.caller)).await?,
            };
            // A statement that could have gone to a replica, and did not, may write too.
            let wrote = if Arc::ptr_eq(lease.pool(), &engine.pool) {
                engine.writing(work, chain)
            } else {
                None
            };
            if unsettles(work) {
                lease.may_have_transaction();
            }
            lease.changes_session(work.template.effect().session);
            return Ok(Checkout::Pooled { lease, _wrote: wrote });
        };
        level.admit(work)?;
        let under_way = level.enter(chain, work.caller, what);
        let mut slot = level.lock(chain, work.caller).await?;
        level.runs(&work.bound.statement);
        if level.kind == LevelKind::View {
            level.slot_level().runs(&work.bound.statement);
        }
        if let Some(lease) = slot.lease() {
            level.note_session(lease, work);
        }
        // A statement that runs others may leave the session in another state, also from inside a transaction.
        if (level.kind == LevelKind::Base && unsettles(work) || work.template.effect().opaque)
            && let Some(lease) = slot.lease()
        {
            lease.may_have_transaction();
        }
        let wrote = level.note_write(work, chain, slot.lease());
        Ok(Checkout::Level {
            slot,
            slot_level: level.slot_level(),
            level,
            under_way,
            _wrote: wrote,
        })
    }

    /// Runs a statement; its rows go to `sink`.
    #[expect(
        clippy::manual_async_fn,
        reason = "the future of an `async fn` would store its arguments twice"
    )]
    pub(crate) fn run<'a>(
        &'a self,
        work: &'a BoundStatement,
        sink: &'a mut dyn RowSink,
    ) -> impl Future<Output = Result<QueryResult>> + Send {
        async move {
            let error = match self.perform(work, Execution::Sink(sink)).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if error.is_of_replica() && !sink.restart() {
                return Err(error);
            }
            self.repeat(error, work, || Execution::Sink(sink)).await
        }
    }

    /// Runs a statement whose values and rows are the driver's own; `job` sends it, and so does `again`, if it has to be
    /// run again.
    #[expect(
        clippy::manual_async_fn,
        reason = "the future of an `async fn` would store its arguments twice"
    )]
    pub(crate) fn run_native(
        &self,
        work: &BoundStatement,
        job: NativeJob,
        again: Option<Box<dyn FnOnce() -> NativeJob + Send>>,
    ) -> impl Future<Output = Result<QueryResult>> + Send {
        async move {
            match (self.perform(work, Execution::Native(job)).await, again) {
                (Err(error), Some(again)) => self.repeat(error, work, || Execution::Native(again())).await,
                (result, _) => result,
            }
        }
    }

    /// Runs a statement that failed again, if that can help, or returns its error. Boxed, or the future of every
    /// statement would contain this one.
    fn repeat<'a>(
        &self,
        error: Error,
        work: &'a BoundStatement,
        execution: impl FnOnce() -> Execution<'a>,
    ) -> BoxFuture<'a, Result<QueryResult>> {
        match self.again(&error, work, &Chain::current()) {
            Some(again) => {
                let execution = execution();
                Box::pin(async move { again.target.perform(work, execution).await })
            }
            None => Box::pin(ready(Err(error))),
        }
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "the future of an `async fn` would store its arguments twice"
    )]
    fn perform(
        &self,
        work: &BoundStatement,
        execution: Execution<'_>,
    ) -> impl Future<Output = Result<QueryResult>> + Send {
        async move {
            let mut started = {
                let chain = Chain::current();
                self.start(work, &chain, Way::Verb).await?
            };
            started.prepare().await?;
            let result = {
                let mut counting: Box<dyn RowSink + '_>;
                let sending = started.sending()?;
                let request = Request {
                    statement: &work.bound.statement,
                    values: &work.bound.values,
                };
                let running = match execution {
                    Execution::Sink(sink) => match sending.observation.counts(sink) {
                        Ok(counted) => {
                            counting = counted;
                            sending.raw.run(request, &mut *counting)
                        }
                        Err(sink) => sending.raw.run(request, sink),
                    },
                    Execution::Native(job) => sending.raw.with_native(job.sending(&work.bound.statement)),
                };
                sending.waiting.answer(running).await
            };
            let done = started.finish(result).await?;
            Ok(if work.template.counts_rows() {
                done
            } else {
                QueryResult::default()
            })
        }
    }

    /// Returns the level that a transaction begins on. While the begin is under way, the second value binds the
    /// connection too, so that another begin next to it is noticed.
    fn begins_on(
        &self,
        closure: bool,
        owner: Owner,
        chain: &Chain,
        caller: Caller,
    ) -> Result<(Arc<Level>, Option<Arc<LevelHandle>>)> {
        let level = match self {
            Self::Database(engine, _) => {
                let bound = engine.bound(chain).map_err(|why| why.error(caller.place))?;
                let Some(handle) = bound.filter(|handle| !(handle.opening && closure)) else {
                    let handle = engine.opening(caller);
                    if !closure {
                        handle.bind(owner);
                    }
                    return Ok((Arc::clone(&handle.level), Some(handle)));
                };
                let level = handle.level.meant(chain);
                if !closure {
                    level.idle_for(chain.innermost(), caller)?;
                }
                level
            }
            Self::Connection(handle) => handle.level.top(chain),
            Self::Guard(handle) => {
                handle.adopt(chain, caller);
                if closure {
                    handle.level.innermost_for(chain, caller)?;
                } else {
                    handle.level.innermost(caller)?;
                }
                Arc::clone(&handle.level)
            }
        };
        Ok((level, None))
    }

    /// Begins a transaction for `owner`, and binds it.
    pub(crate) fn begin(
        &self,
        options: BeginOptions,
        closure: bool,
        owner: Owner,
        chain: &Chain,
        caller: Caller,
    ) -> impl Future<Output = Result<Arc<LevelHandle>>> + Send {
        // Determined here, so that the future does not contain the search.
        let on = self.begins_on(closure, owner, chain, caller);
        async move {
            let (from, _opening) = on?;
            let level = if from.begins_writing(options) {
                // Boxed, or the future of every transaction would contain this one.
                Box::pin(from.begin_in_turn(options, closure, chain, owner, caller)).await?
            } else {
                from.begin(options, closure, chain, owner, caller).await?
            };
            let handle = LevelHandle::new(level);
            handle.bind(owner);
            Ok(handle)
        }
    }
}

/// Returns whether a statement may leave a transaction open, or autocommit off, without the driver's knowledge.
fn unsettles(work: &BoundStatement) -> bool {
    !matches!(work.template.control(), Control::None | Control::Implicit) || work.template.effect().opaque
}

/// The sender of a statement's values and the receiver of its rows.
enum Execution<'m> {
    Sink(&'m mut dyn RowSink),
    Native(NativeJob),
}

impl Level {
    /// Notes what a statement changes in the session. The end of a sandbox undoes most of it.
    fn note_session(&self, lease: &mut Lease, work: &BoundStatement) {
        let effect = work.template.effect();
        if self.engine.sandbox.is_none() {
            lease.changes_session(effect.session);
        } else if effect.taints_session {
            lease.taint_session();
        }
    }

    /// Returns an error if a closure transaction would wait for its own caller. Siblings may queue one after the other.
    fn innermost_for(&self, chain: &Chain, caller: Caller) -> Result<()> {
        let state = self.state.lock();
        let own = state
            .child
            .as_ref()
            .is_some_and(|child| !child.closure || chain.contains(child.owner));
        drop(state);
        if own { self.innermost(caller) } else { Ok(()) }
    }
}
