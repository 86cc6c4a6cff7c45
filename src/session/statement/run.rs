//! Running statements: the connection they run on, and what their errors mean for it.

use std::sync::Arc;

use super::checkout::Checkout;
use super::observe::{Observation, affected, within};
use super::outcome::Exposed;
use super::refuse::{needs_connection, unswitched};
use crate::backend::sqlx::is_stale_plan;
use crate::backend::{NativeJob, QueryResult, Request, RowSink};
use crate::error::{Error, Result};
use crate::pool::{Caller, InFlight};
use crate::session::engine::Engine;
use crate::session::level::begin_options::BeginOptions;
use crate::session::level::{Level, LevelKind};
use crate::session::replicas::Reads;
use crate::session::scope::chain::{Chain, Owner};
use crate::session::scope::handle::LevelHandle;
use crate::sql::{Bound, Control, Template, excerpt};

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
        // A level that another owner holds is a transaction, and one that has ended was one.
        let Ok(bound) = self.engine().bound(chain) else {
            return true;
        };
        let bound = bound.filter(|handle| !handle.opening);
        bound.is_some_and(|handle| matches!(handle.level.meant(chain).kind, LevelKind::Transaction { .. }))
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
            return Ok(Checkout::Pooled { lease, _wrote: wrote });
        };
        level.admit(work)?;
        let under_way = level.enter(chain.innermost(), work.caller, what);
        let mut slot = level.lock(chain, work.caller).await?;
        level.runs(&work.bound.statement);
        if level.kind == LevelKind::View {
            level.slot_level().runs(&work.bound.statement);
        }
        if work.template.effect().taints_session
            && level.engine.sandbox.is_some()
            && let Some(lease) = slot.lease()
        {
            lease.taint_session();
        }
        // A statement that runs others may leave the session in another state, also from inside a transaction.
        if (level.kind == LevelKind::Base && unsettles(work) || work.template.effect().opaque)
            && let Some(lease) = slot.lease()
        {
            lease.may_have_transaction();
        }
        let guarded = matches!(level.kind, LevelKind::Sandbox | LevelKind::View) && level.needs_statement_savepoint();
        let wrote = level.note_write(work, chain, slot.lease());
        Ok(Checkout::Level {
            slot,
            slot_level: level.slot_level(),
            level,
            guarded,
            under_way,
            _wrote: wrote,
        })
    }

    /// Runs a statement; its rows go to `sink`.
    pub(crate) async fn run(&self, work: &BoundStatement, sink: &mut dyn RowSink) -> Result<QueryResult> {
        let result = self.perform(work, Execution::Sink(sink)).await;
        match result {
            Err(error) if is_stale_plan(&error) && self.engine().sandbox.is_some() => {
                // Outside of a transaction the driver would have prepared it again by itself; here it had to be undone
                // first.
                let level = self.level(&Chain::current(), work.caller)?;
                if level.is_some_and(|level| matches!(level.kind, LevelKind::Transaction { .. })) {
                    return Err(error);
                }
                Box::pin(self.perform(work, Execution::Sink(sink))).await
            }
            Err(error) if error.is_of_replica() && sink.restart() => {
                // Boxed as a whole, or the future of every statement would contain this one.
                let again = async {
                    let _wrote = self.engine().writing_after_all(&error, &Chain::current());
                    self.on_primary().perform(work, Execution::Sink(sink)).await
                };
                Box::pin(again).await
            }
            result => result,
        }
    }

    /// Runs a statement whose values and rows are the driver's own; `job` sends it.
    pub(crate) async fn run_native(&self, work: &BoundStatement, job: NativeJob) -> Result<QueryResult> {
        self.perform(work, Execution::Native(job)).await
    }

    async fn perform(&self, work: &BoundStatement, execution: Execution<'_>) -> Result<QueryResult> {
        let chain = Chain::current();
        let mut check_out = if self.wants_turn(work) {
            // Boxed, or the future of every statement would contain this one.
            Box::pin(self.check_out_in_turn(work, &chain, "a statement")).await?
        } else {
            self.check_out(work, &chain, "a statement").await?
        };
        if let Some(preamble) = check_out.preamble(work) {
            // Boxed, or the future of every statement would contain this one.
            Box::pin(check_out.before(preamble, work)).await?;
        }
        let mut observation = Observation::of(self.engine(), &check_out, work);
        let span = observation.span();
        let exposed = check_out.exposes(self.engine(), work);
        let known = check_out.presume_unknown(exposed);
        let readers = check_out.waits_for_streams(self.engine(), work);
        let lease = check_out.lease()?;
        lease.mark(InFlight::Statement);
        let request = Request {
            statement: &work.bound.statement,
            values: &work.bound.values,
        };
        let result = {
            let mut counting: Box<dyn RowSink + '_>;
            let running = match execution {
                Execution::Sink(sink) => match observation.counts(sink) {
                    Ok(counted) => {
                        counting = counted;
                        lease.raw()?.run(request, &mut *counting)
                    }
                    Err(sink) => lease.raw()?.run(request, sink),
                },
                Execution::Native(job) => lease.raw()?.with_native(job.sending(&work.bound.statement)),
            };
            work.exposed.set(exposed);
            let running = within(span, running);
            match (self.engine().watcher(), readers) {
                (Some(sandbox), _) => Box::pin(sandbox.watch(running, work, self.engine())).await,
                (None, Some(streams)) => Box::pin(streams.beside(running, None)).await,
                (None, None) => running.await,
            }
        };
        work.exposed.set(false);
        check_out.answered(known);
        let result = result.map_err(|error| check_out.judged(error, work, exposed));
        observation.end(affected(result.as_ref(), work), result.as_ref().err());
        check_out.settled(self.engine(), result.as_ref().err(), work);
        let result = if check_out.wants_care(result.is_err(), work) {
            Box::pin(check_out.after(result, work)).await
        } else {
            result
        };
        let done = result.map_err(|error| check_out.blamed(error, self.engine()))?;
        Ok(if work.template.counts_rows() {
            done
        } else {
            QueryResult::default()
        })
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

/// The way in which a statement is sent.
enum Execution<'m> {
    Sink(&'m mut dyn RowSink),
    Native(NativeJob),
}

impl Level {
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
