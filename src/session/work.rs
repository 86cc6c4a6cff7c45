//! Running statements: where they run, and what their errors mean for the connection.

use std::sync::Arc;

use super::admit::{homeless, unswitched};
use super::hold::Hold;
use super::observation::{Observation, affected, within};
use super::outcome::Exposed;
use super::report::shown;
use super::{Anchor, BeginOptions, Chain, Ground, Kind, Node, Owner, Reads};
use crate::backend::support::sqlx::is_stale_plan;
use crate::backend::{Done, NativeJob, Request, Sink};
use crate::error::{Error, Result};
use crate::pool::{Asker, Flight};
use crate::sql::{Bound, Control, Template};

/// A statement ready to run.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) template: Arc<Template>,
    pub(crate) bound: Bound,
    pub(crate) asker: Asker,
    pub(super) exposed: Exposed,
}

impl Work {
    pub(crate) fn new(template: Arc<Template>, bound: Bound, asker: Asker) -> Self {
        Self {
            template,
            bound,
            asker,
            exposed: Exposed::default(),
        }
    }

    pub(super) fn text(&self) -> &str {
        self.bound.statement.text().trim()
    }

    /// What ended a transaction, if it was this statement.
    pub(super) fn ended_by(&self, error: &Error) -> String {
        format!("{}, at `{}` of {}", error.message(), shown(self.text()), self.asker)
    }
}

/// Where a statement was addressed to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The database: the connection the caller is bound to, else one of the pool, or of a replica, for this statement alone.
    Database(Arc<Ground>, Reads),
    Connection(Arc<Anchor>),
    /// A transaction's guard, which insists on being the innermost.
    Guard(Arc<Anchor>),
}

impl Target {
    pub(crate) fn ground(&self) -> &Arc<Ground> {
        match self {
            Self::Database(ground, _) => ground,
            Self::Connection(anchor) | Self::Guard(anchor) => &anchor.node.ground,
        }
    }

    /// What it runs on, if that is a sandbox.
    pub(crate) fn sandboxed(&self) -> Option<Arc<Ground>> {
        Some(self.ground()).filter(|ground| ground.sandbox.is_some()).cloned()
    }

    /// Whether the caller is in a transaction here.
    pub(crate) fn in_transaction(&self, chain: &Chain) -> bool {
        // What is in other hands is a transaction, and what has ended was one.
        let Ok(bound) = self.ground().bound(chain) else {
            return true;
        };
        let bound = bound.filter(|anchor| !anchor.opening);
        bound.is_some_and(|anchor| matches!(anchor.node.meant(chain).kind, Kind::Transaction { .. }))
    }

    /// The level that is meant, if there is one.
    pub(super) fn level(&self, chain: &Chain, asker: Asker) -> Result<Option<Arc<Node>>> {
        match self {
            Self::Database(ground, _) => match ground.bound(chain).map_err(|why| why.error(asker.place))? {
                Some(anchor) if !anchor.opening => Ok(Some(anchor.node.meant(chain))),
                _ => Ok(ground.sandbox_root(asker)),
            },
            Self::Connection(anchor) => Ok(Some(anchor.node.top(chain))),
            Self::Guard(anchor) => {
                anchor.adopt(chain, asker);
                anchor.node.innermost(asker)?;
                Ok(Some(Arc::clone(&anchor.node)))
            }
        }
    }

    /// Takes the connection for one statement.
    pub(super) async fn hold(&self, work: &Work, chain: &Chain, what: &'static str) -> Result<Hold> {
        let control = work.template.control();
        self.ground().refusing(work, unswitched(work))?;
        if !work.template.effect().asks && self.ground().streams_block() {
            Box::pin(self.ground().before_writing()).await?;
        }
        let Some(node) = self.level(chain, work.asker)? else {
            if work.template.statements() == 1 {
                self.ground().refusing(work, homeless(control, work))?;
            }
            let ground = self.ground();
            let mut lease = match self.replicas(work) {
                None => ground.pool.acquire(work.asker).await?,
                // Boxed, because the future of every statement has room for this one.
                Some((replicas, reads)) => Box::pin(replicas.lease(ground, chain, reads, work.asker)).await?,
            };
            // Also what could have gone to a replica, and did not, may write.
            let wrote = if Arc::ptr_eq(lease.pool(), &ground.pool) {
                ground.writing(work, chain)
            } else {
                None
            };
            if unsettles(work) {
                lease.unsure();
            }
            return Ok(Hold::Pooled { lease, _wrote: wrote });
        };
        node.admit(work)?;
        let under_way = node.enter(chain.innermost(), work.asker, what);
        let mut wire = node.lock(chain, work.asker).await?;
        node.runs(&work.bound.statement);
        if node.kind == Kind::View {
            node.wired().runs(&work.bound.statement);
        }
        if work.template.effect().soils
            && node.ground.sandbox.is_some()
            && let Some(lease) = wire.lease()
        {
            lease.soil();
        }
        // What runs others may leave the session in another state, also from inside a transaction.
        if (node.kind == Kind::Base && unsettles(work) || work.template.effect().opaque)
            && let Some(lease) = wire.lease()
        {
            lease.unsure();
        }
        let guarded = matches!(node.kind, Kind::Sandbox | Kind::View) && node.needs_shield();
        let wrote = node.note_write(work, chain, wire.lease());
        Ok(Hold::Level {
            wire,
            level: node.wired(),
            node,
            guarded,
            under_way,
            _wrote: wrote,
        })
    }

    /// Runs a statement; its rows go to `sink`.
    pub(crate) async fn run(&self, work: &Work, sink: &mut dyn Sink) -> Result<Done> {
        let result = self.perform(work, Means::Sink(sink)).await;
        match result {
            Err(error) if is_stale_plan(&error) && self.ground().sandbox.is_some() => {
                // Outside of a transaction it would have been prepared anew by itself; here it had to be undone first.
                let level = self.level(&Chain::current(), work.asker)?;
                if level.is_some_and(|level| matches!(level.kind, Kind::Transaction { .. })) {
                    return Err(error);
                }
                Box::pin(self.perform(work, Means::Sink(sink))).await
            }
            Err(error) if error.is_of_replica() && sink.restart() => {
                // Boxed whole, because the future of every statement has room for this one.
                let again = async {
                    let _wrote = self.ground().writing_after_all(&error, &Chain::current());
                    self.on_primary().perform(work, Means::Sink(sink)).await
                };
                Box::pin(again).await
            }
            result => result,
        }
    }

    /// Runs a statement whose values and rows are the driver's own; `job` sends it.
    pub(crate) async fn run_native(&self, work: &Work, job: NativeJob) -> Result<Done> {
        self.perform(work, Means::Native(job)).await
    }

    async fn perform(&self, work: &Work, means: Means<'_>) -> Result<Done> {
        let chain = Chain::current();
        let mut hold = if self.wants_turn(work) {
            // Boxed, because the future of every statement has room for this one.
            Box::pin(self.hold_in_turn(work, &chain, "a statement")).await?
        } else {
            self.hold(work, &chain, "a statement").await?
        };
        if let Some(precautions) = hold.precautions(work) {
            // Boxed, because the future of every statement has room for this one.
            Box::pin(hold.before(precautions, work)).await?;
        }
        let mut observation = Observation::of(self.ground(), &hold, work);
        let span = observation.span();
        let exposed = hold.exposes(self.ground(), work);
        let known = hold.presume_unknown(exposed);
        let lease = hold.lease()?;
        lease.mark(Flight::Statement);
        let request = Request {
            statement: &work.bound.statement,
            values: &work.bound.values,
        };
        let result = {
            let mut counting: Box<dyn Sink + '_>;
            let running = match means {
                Means::Sink(sink) => match observation.counts(sink) {
                    Ok(counted) => {
                        counting = counted;
                        lease.raw()?.run(request, &mut *counting)
                    }
                    Err(sink) => lease.raw()?.run(request, sink),
                },
                Means::Native(job) => lease.raw()?.with_native(job.sending(&work.bound.statement)),
            };
            work.exposed.set(exposed);
            let running = within(span, running);
            match self.ground().watcher() {
                Some(sandbox) => Box::pin(sandbox.watch(running, work, self.ground())).await,
                None => running.await,
            }
        };
        work.exposed.set(false);
        hold.answered(known);
        let result = result.map_err(|error| hold.judged(error, work, exposed));
        observation.end(affected(result.as_ref(), work), result.as_ref().err());
        hold.settled(self.ground(), result.as_ref().err(), work);
        let result = if hold.wants_care(result.is_err(), work) {
            Box::pin(hold.after(result, work)).await
        } else {
            result
        };
        let done = result.map_err(|error| hold.blamed(error, self.ground()))?;
        Ok(if work.template.counts_rows() {
            done
        } else {
            Done::default()
        })
    }

    /// The level that a transaction begins on. While that is under way, the connection is bound too, by the second, so that
    /// another begin beside it is noticed.
    fn begins_on(
        &self,
        closure: bool,
        owner: Owner,
        chain: &Chain,
        asker: Asker,
    ) -> Result<(Arc<Node>, Option<Arc<Anchor>>)> {
        let node = match self {
            Self::Database(ground, _) => {
                let bound = ground.bound(chain).map_err(|why| why.error(asker.place))?;
                let Some(anchor) = bound.filter(|anchor| !(anchor.opening && closure)) else {
                    let anchor = ground.opening(asker);
                    if !closure {
                        anchor.bind(owner);
                    }
                    return Ok((Arc::clone(&anchor.node), Some(anchor)));
                };
                let node = anchor.node.meant(chain);
                if !closure {
                    node.idle_for(chain.innermost(), asker)?;
                }
                node
            }
            Self::Connection(anchor) => anchor.node.top(chain),
            Self::Guard(anchor) => {
                anchor.adopt(chain, asker);
                if closure {
                    anchor.node.innermost_for(chain, asker)?;
                } else {
                    anchor.node.innermost(asker)?;
                }
                Arc::clone(&anchor.node)
            }
        };
        Ok((node, None))
    }

    /// Begins a transaction for `owner`, and binds it.
    pub(crate) fn begin(
        &self,
        options: BeginOptions,
        closure: bool,
        owner: Owner,
        chain: &Chain,
        asker: Asker,
    ) -> impl Future<Output = Result<Arc<Anchor>>> + Send {
        // Found out here, so that the future has no room for where it was looked for.
        let on = self.begins_on(closure, owner, chain, asker);
        async move {
            let (from, _opening) = on?;
            let node = if from.begins_writing(options) {
                // Boxed, because the future of every transaction has room for this one.
                Box::pin(from.begin_in_turn(options, closure, chain, owner, asker)).await?
            } else {
                from.begin(options, closure, chain, owner, asker).await?
            };
            let anchor = Anchor::new(node);
            anchor.bind(owner);
            Ok(anchor)
        }
    }
}

/// Whether a statement may leave a transaction open, or autocommit off, behind the driver's back.
fn unsettles(work: &Work) -> bool {
    !matches!(work.template.control(), Control::None | Control::Implicit) || work.template.effect().opaque
}

/// How a statement is sent.
enum Means<'m> {
    Sink(&'m mut dyn Sink),
    Native(NativeJob),
}

impl Node {
    /// For a closure transaction: siblings may queue behind each other, but nobody may wait for himself.
    fn innermost_for(&self, chain: &Chain, asker: Asker) -> Result<()> {
        let state = self.state.lock();
        let own = state
            .child
            .as_ref()
            .is_some_and(|child| !child.closure || chain.contains(child.owner));
        drop(state);
        if own { self.innermost(asker) } else { Ok(()) }
    }
}
