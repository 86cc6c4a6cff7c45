//! The driver's own connection, lent to other code: for one statement, for a stream of rows, for anything.

use std::sync::{Arc, Weak};
use std::task::Poll;

use async_stream::try_stream;
use futures::{FutureExt, StreamExt};

use super::checkout::Checkout;
use super::handoff::{Handoff, Reading};
use super::internal::run;
use super::observe::{Observation, within};
use super::run::{BoundStatement, Target};
use super::stream::{Source, StreamCore};
use crate::backend::{NativeJob, QueryResult};
use crate::error::{Error, Result};
use crate::pool::{InFlight, Lease};
use crate::session::level::drain::Drain;
use crate::session::level::probe::SET_PROBE;
use crate::session::level::verdict::Sent;
use crate::session::level::{Level, LevelKind};
use crate::session::scope::chain::Chain;
use crate::sql::Dialect;

const RELEASE_PROBE: &str = "RELEASE SAVEPOINT ebbtide_marker";

impl<T: Send + 'static> StreamCore<T> {
    /// Creates a stream of the items that `job` puts into the handoff. Nothing happens before it is polled.
    pub(crate) fn of_native(
        target: Target,
        work: BoundStatement,
        job: NativeJob,
        handoff: Arc<Handoff<T>>,
    ) -> Arc<Self> {
        Self::with(target, work, |target, work, this| {
            source(target, work, this, job, handoff)
        })
    }
}

/// A step of a stream: an item, or the end of the job.
enum Step<T> {
    Item(T),
    End(Result<QueryResult>),
}

fn source<T: Send + 'static>(
    target: Target,
    work: BoundStatement,
    this: Weak<dyn Drain>,
    job: NativeJob,
    handoff: Arc<Handoff<T>>,
) -> Source<T> {
    try_stream! {
        let reading = Reading(&*handoff);
        let chain = Chain::current();
        let mut check_out = if target.wants_turn(&work) {
            Box::pin(target.check_out_in_turn(&work, &chain, Level::STREAM)).await?
        } else {
            target.check_out(&work, &chain, Level::STREAM).await?
        };
        check_out.opened(target.engine(), this);
        if let Some(preamble) = check_out.preamble(&work) {
            check_out.before(preamble, &work).await?;
        }
        let mut observation = Observation::of(target.engine(), &check_out, &work).streams();
        let exposed = check_out.exposes(target.engine(), &work);
        let known = check_out.presume_unknown(exposed);
        // Read to the end before the first item is returned, as in `stream.rs`.
        let writes = check_out.has_own_turn();
        let mut written = Vec::new();
        let result = {
            let lease = check_out.lease()?;
            lease.mark(InFlight::Statement);
            let (raw, in_flight) = lease.split()?;
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
                    Step::Item(item) if writes => {
                        observation.row();
                        written.push(item);
                    }
                    Step::Item(item) => {
                        *in_flight = InFlight::Rows;
                        observation.row();
                        yield item;
                        *in_flight = InFlight::Statement;
                    }
                    Step::End(result) => break result,
                }
            }
        };
        // Items that were buffered while the last one was read.
        while let Some(item) = handoff.take() {
            observation.row();
            if writes {
                written.push(item);
            } else {
                yield item;
            }
        }
        drop(reading);
        check_out.answered(known);
        let result = result.map_err(|error| check_out.judged(error, &work, exposed));
        observation.end(None, result.as_ref().err());
        check_out.settled(target.engine(), result.as_ref().err(), &work);
        let mut ended = result.map(drop);
        if check_out.wants_care(ended.is_err(), &work) {
            ended = check_out.after(ended, &work).await;
        }
        drop::<Checkout>(check_out);
        ended?;
        for item in written {
            yield item;
        }
    }
    .boxed()
}

impl Target {
    /// Returns whether effects on a lent connection may stay although the answer is lost. Computed again and not
    /// stored, because the futures of callers have no room for it.
    fn lends_what_stays(&self) -> bool {
        self.engine().sandbox.is_none()
    }

    /// Lends the connection to a job of unknown content. It may do anything except end the transaction it is in.
    pub(crate) async fn lend(&self, work: &BoundStatement, job: NativeJob) -> Result<()> {
        let chain = Chain::current();
        let mut check_out = if self.wants_turn(work) {
            Box::pin(self.check_out_in_turn(work, &chain, "the driver's own connection")).await?
        } else {
            self.check_out(work, &chain, "the driver's own connection").await?
        };
        // Boxed, like what follows, or the futures of callers would contain them.
        Box::pin(check_out.before_lending()).await?;
        let observation = Observation::of(self.engine(), &check_out, work);
        let dialect = self.engine().dialect();
        let known = check_out.presume_unknown(self.lends_what_stays());
        let readers = check_out.waits_for_streams(self.engine(), work);
        let lease = check_out.lease()?;
        // SQLite's thread undoes a BEGIN whose caller is gone. Over a socket it is unknown where a dropped job stood.
        let survives = lease.raw()?.is_apart() || dialect == Dialect::Sqlite;
        lease.mark(if survives {
            InFlight::Statement
        } else {
            InFlight::Boundary
        });
        let running = within(observation.span(), lease.raw()?.with_native(job));
        // The closure may even have committed the transaction that it was lent.
        work.exposed.set(self.lends_what_stays());
        let result = match readers {
            Some(streams) => Box::pin(streams.beside(running, None)).await,
            None => running.await,
        };
        work.exposed.set(false);
        check_out.answered(known);
        let result = result.map_err(|error| check_out.judged(error, work, self.lends_what_stays()));
        observation.end(None, result.as_ref().err());
        check_out.settled(self.engine(), result.as_ref().err(), work);
        if work.template.effect().deferrable {
            self.engine().deferred.set(true);
        }
        let kept = Box::pin(async {
            if let Err(error) = &result {
                check_out.heed_lent(error, work).await;
            }
            check_out.after_lending().await
        })
        .await;
        result.and(kept)
    }
}

impl Checkout {
    /// Sets a mark that shows afterwards whether the transaction is still open.
    async fn before_lending(&mut self) -> Result<()> {
        let (depth, guarded, slot_level) = match self {
            Self::Pooled { lease, .. } => {
                lease.may_have_transaction();
                return Ok(());
            }
            Self::Level {
                slot_level,
                guarded,
                level,
                ..
            } => (level.depth, *guarded, Arc::clone(slot_level)),
        };
        let mysql = slot_level.engine.dialect() == Dialect::MySql;
        let lease = self.lease()?;
        if depth == 0 || mysql {
            // In a MySQL session a closure may leave more changed than a transaction.
            lease.may_have_transaction();
        }
        if depth == 0 {
            return Ok(());
        }
        let marked = if guarded {
            slot_level.protect(lease).await
        } else {
            run(lease, SET_PROBE).await
        };
        // If the closure is dropped, the next user checks.
        lease.set_transaction_unverified(!guarded && marked.is_ok());
        slot_level.heeded(lease, marked, Sent::Boundary(SET_PROBE)).await
    }

    /// Handles an error of lent work. If the error does not say whether the transaction is still open, that is checked
    /// afterwards.
    async fn heed_lent(&mut self, error: &Error, work: &BoundStatement) {
        let Self::Level { slot, level, .. } = self else { return };
        if error.is_retryable() {
            level.note_retryable();
        }
        if let Some(lease) = slot.lease()
            && (lease.is_lost() || error.ends_transaction())
        {
            level.heed(lease, error, Sent::Probed(work)).await;
        }
    }

    /// Checks whether the transaction is still open, and keeps what was done in it.
    async fn after_lending(&mut self) -> Result<()> {
        let Self::Level {
            slot,
            slot_level,
            level,
            guarded,
            ..
        } = self
        else {
            return Ok(());
        };
        let Some(lease) = slot.lease().filter(|lease| !lease.is_lost()) else {
            level.end_by_server("its connection was lost");
            return Ok(());
        };
        if level.depth == 0 {
            return Ok(());
        }
        let kept = if lease.depth() < slot_level.depth {
            Err(None)
        } else if *guarded {
            slot_level.recover(lease).await.map_err(Some)
        } else {
            run(lease, RELEASE_PROBE).await.map_err(Some)
        };
        lease.set_transaction_unverified(false);
        let Err(error) = kept else { return Ok(()) };
        if error.as_ref().is_some_and(Error::is_retryable) {
            level.note_retryable();
        }
        if let Some(error) = error.as_ref().filter(|error| is_abort(error))
            && matches!(level.kind, LevelKind::Transaction { .. })
        {
            // Still open, but PostgreSQL accepts only a rollback now.
            level
                .state
                .lock()
                .failed
                .get_or_insert_with(|| error.message().to_owned());
            return Ok(());
        }
        let conflict = error.filter(|error| error.ends_transaction() && level.engine.sandbox.is_none());
        Lease::discard(lease);
        level.end_by_server("something done with the driver's own connection ended it");
        match conflict {
            Some(conflict) => {
                level.note_undone();
                Err(conflict)
            }
            None => level.usable(),
        }
    }
}

fn is_abort(error: &Error) -> bool {
    error.sqlstate() == Some("25P02")
}
