//! The driver's own connection, lent to others: for one statement, for a stream of rows, for anything.

use std::sync::{Arc, Weak};
use std::task::Poll;

use async_stream::try_stream;
use futures::{FutureExt, StreamExt};

use super::ask::run;
use super::handoff::Reading;
use super::hold::Hold;
use super::lock::SET_WITNESS;
use super::observation::{Observation, within};
use super::stream::{Drain, Source};
use super::verdict::Sent;
use super::{Chain, Handoff, Kind, Node, StreamCore, Target, Work};
use crate::backend::{Done, NativeJob};
use crate::error::{Error, Result};
use crate::pool::{Flight, Lease};
use crate::sql::Dialect;

const RELEASE_WITNESS: &str = "RELEASE SAVEPOINT ebbtide_witness";

impl<T: Send + 'static> StreamCore<T> {
    /// A stream of what `job` puts into the handoff; nothing happens before it is polled.
    pub(crate) fn of_native(target: Target, work: Work, job: NativeJob, handoff: Arc<Handoff<T>>) -> Arc<Self> {
        Self::with(target, work, |target, work, this| {
            source(target, work, this, job, handoff)
        })
    }
}

/// A step of a stream: an item, or the end of the job.
enum Step<T> {
    Item(T),
    End(Result<Done>),
}

fn source<T: Send + 'static>(
    target: Target,
    work: Work,
    this: Weak<dyn Drain>,
    job: NativeJob,
    handoff: Arc<Handoff<T>>,
) -> Source<T> {
    try_stream! {
        let reading = Reading(&*handoff);
        let chain = Chain::current();
        let mut hold = if target.wants_turn(&work) {
            Box::pin(target.hold_in_turn(&work, &chain, Node::STREAM)).await?
        } else {
            target.hold(&work, &chain, Node::STREAM).await?
        };
        hold.opened(target.ground(), this);
        if let Some(precautions) = hold.precautions(&work) {
            hold.before(precautions, &work).await?;
        }
        let mut observation = Observation::of(target.ground(), &hold, &work).streams();
        let exposed = hold.exposes(target.ground(), &work);
        let known = hold.presume_unknown(exposed);
        let mut turn = hold.take_turn();
        let result = {
            let lease = hold.lease()?;
            lease.mark(Flight::Statement);
            let (raw, flight) = lease.split()?;
            if raw.is_apart() {
                handoff.widen();
            }
            let mut running = raw.with_native(job.sending(&work.bound.statement));
            loop {
                let step = std::future::poll_fn(|context| {
                    if let Some(item) = handoff.take() {
                        return Poll::Ready(Step::Item(item));
                    }
                    match running.poll_unpin(context) {
                        Poll::Ready(result) => Poll::Ready(Step::End(result)),
                        Poll::Pending => handoff
                            .take_or_wait(context)
                            .map_or(Poll::Pending, |item| Poll::Ready(Step::Item(item))),
                    }
                })
                .await;
                match step {
                    Step::Item(item) => {
                        *flight = Flight::Rows;
                        turn = None;
                        observation.row();
                        yield item;
                        *flight = Flight::Statement;
                    }
                    Step::End(result) => break result,
                }
            }
        };
        // Of what was put aside while the last was read.
        while let Some(item) = handoff.take() {
            observation.row();
            yield item;
        }
        drop((reading, turn));
        hold.answered(known);
        let result = result.map_err(|error| hold.judged(error, &work, exposed));
        observation.end(None, result.as_ref().err());
        hold.settled(target.ground(), result.as_ref().err(), &work);
        let mut ended = result.map(drop);
        if hold.wants_care(ended.is_err(), &work) {
            ended = hold.after(ended, &work).await;
        }
        drop::<Hold>(hold);
        ended?;
    }
    .boxed()
}

impl Target {
    /// Whether what is done on a lent connection may stay although its answer is lost. Asked again and not kept, because the
    /// futures of callers have no room for it.
    fn lends_what_stays(&self) -> bool {
        self.ground().sandbox.is_none()
    }

    /// Lends the connection to a job of which nothing is known. It may do what it likes but end the transaction it is in.
    pub(crate) async fn lend(&self, work: &Work, job: NativeJob) -> Result<()> {
        let chain = Chain::current();
        let mut hold = if self.wants_turn(work) {
            Box::pin(self.hold_in_turn(work, &chain, "the driver's own connection")).await?
        } else {
            self.hold(work, &chain, "the driver's own connection").await?
        };
        // Boxed, as what follows, because the futures of callers have room for them.
        Box::pin(hold.before_lending()).await?;
        let observation = Observation::of(self.ground(), &hold, work);
        let dialect = self.ground().dialect();
        let known = hold.presume_unknown(self.lends_what_stays());
        let lease = hold.lease()?;
        // SQLite's thread undoes a BEGIN whose asker is gone; over a socket nobody can know where a dropped job stood.
        let survives = lease.raw()?.is_apart() || dialect == Dialect::Sqlite;
        lease.mark(if survives { Flight::Statement } else { Flight::Boundary });
        let running = within(observation.span(), lease.raw()?.with_native(job));
        // The closure may even have committed the transaction that it was lent.
        work.exposed.set(self.lends_what_stays());
        let result = running.await;
        work.exposed.set(false);
        hold.answered(known);
        let result = result.map_err(|error| hold.judged(error, work, self.lends_what_stays()));
        observation.end(None, result.as_ref().err());
        hold.settled(self.ground(), result.as_ref().err(), work);
        if work.template.effect().deferrable {
            self.ground().deferred.set(true);
        }
        let kept = Box::pin(async {
            if let Err(error) = &result {
                hold.heed_lent(error, work).await;
            }
            hold.after_lending().await
        })
        .await;
        result.and(kept)
    }
}

impl Hold {
    /// Leaves a mark by which it is seen afterwards whether the transaction is still there.
    async fn before_lending(&mut self) -> Result<()> {
        let (depth, guarded, level) = match self {
            Self::Pooled { lease, .. } => {
                lease.unsure();
                return Ok(());
            }
            Self::Level {
                level, guarded, node, ..
            } => (node.depth, *guarded, Arc::clone(level)),
        };
        let mysql = level.ground.dialect() == Dialect::MySql;
        let lease = self.lease()?;
        if depth == 0 || mysql {
            // MySQL's session has more that a closure may leave changed than a transaction.
            lease.unsure();
        }
        if depth == 0 {
            return Ok(());
        }
        let marked = if guarded {
            level.shield(lease).await
        } else {
            run(lease, SET_WITNESS).await
        };
        // Should the closure be dropped, the next user looks.
        lease.doubt(!guarded && marked.is_ok());
        level.heeded(lease, marked, Sent::Boundary(SET_WITNESS)).await
    }

    /// An error of lent work. Whether the transaction is still there is looked at afterwards, if the error does not tell.
    async fn heed_lent(&mut self, error: &Error, work: &Work) {
        let Self::Level { wire, node, .. } = self else { return };
        if error.is_retryable() {
            node.note_retryable();
        }
        if let Some(lease) = wire.lease()
            && (lease.is_lost() || error.ends_transaction())
        {
            node.heed(lease, error, Sent::Witnessed(work)).await;
        }
    }

    /// Looks whether the transaction is still there, and keeps what was done in it.
    async fn after_lending(&mut self) -> Result<()> {
        let Self::Level {
            wire,
            level,
            node,
            guarded,
            ..
        } = self
        else {
            return Ok(());
        };
        let Some(lease) = wire.lease().filter(|lease| !lease.is_lost()) else {
            node.end_by_server("its connection was lost");
            return Ok(());
        };
        if node.depth == 0 {
            return Ok(());
        }
        let kept = if lease.depth() < level.depth {
            Err(None)
        } else if *guarded {
            level.recover(lease).await.map_err(Some)
        } else {
            run(lease, RELEASE_WITNESS).await.map_err(Some)
        };
        lease.doubt(false);
        let Err(error) = kept else { return Ok(()) };
        if error.as_ref().is_some_and(Error::is_retryable) {
            node.note_retryable();
        }
        if let Some(error) = error.as_ref().filter(|error| is_abort(error))
            && matches!(node.kind, Kind::Transaction { .. })
        {
            // Still open, but PostgreSQL takes nothing but a rollback now.
            node.state
                .lock()
                .failed
                .get_or_insert_with(|| error.message().to_owned());
            return Ok(());
        }
        let conflict = error.filter(|error| error.ends_transaction() && node.ground.sandbox.is_none());
        Lease::discard(lease);
        node.end_by_server("something done with the driver's own connection ended it");
        match conflict {
            Some(conflict) => {
                node.note_undone();
                Err(conflict)
            }
            None => node.usable(),
        }
    }
}

fn is_abort(error: &Error) -> bool {
    error.sqlstate() == Some("25P02")
}
