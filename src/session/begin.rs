//! How a level begins and ends.

use std::future::poll_fn;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use tokio::sync::OwnedMutexGuard;

use super::ask::run;
use super::begin_options::BeginOptions;
use super::leaving::Leaving;
use super::node::Child;
use super::observation::Observation;
use super::verdict::Sent;
use super::{Chain, Ended, Finish, Kind, Node, Owner, Wire};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Asker, Flight, Lease, Shield};
use crate::sql::Dialect;

impl Node {
    /// Opens the next level: `BEGIN`, or a savepoint.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        options: BeginOptions,
        closure: bool,
        chain: &Chain,
        owner: Owner,
        asker: Asker,
    ) -> Result<Arc<Self>> {
        let _under_way = self.enter(chain.innermost(), asker, "beginning a transaction");
        let mut wire = self.lock_for(chain, asker, options.isolation).await?;
        let level = self.wired();
        let span = self.transaction_span(asker);
        let what = if level.depth == 0 { "BEGIN" } else { "SAVEPOINT" };
        let observation = Observation::beginning(&self.ground, span.as_deref(), what);
        let begun = match wire.lease() {
            Some(lease) => {
                let sending = pin!(level.send_begin(lease, options, asker));
                if closure {
                    sending.await
                } else {
                    beside_siblings(sending).await
                }
            }
            None => Err(Error::new(ErrorKind::ConnectionLost, "the connection was given up")),
        };
        let begun = begun.map_err(|error| self.judged(error));
        if begun.as_ref().is_err_and(Error::is_retryable) {
            self.note_retryable();
        }
        observation.end(None, begun.as_ref().err());
        begun?;
        let node = level.open(self, wire, options, closure, owner, asker);
        node.state.lock().span = span;
        Ok(node)
    }

    /// Sends what begins the level above this one.
    async fn send_begin(self: &Arc<Self>, lease: &mut Lease, options: BeginOptions, asker: Asker) -> Result<()> {
        let dialect = self.ground.dialect();
        let outermost = self.depth == 0;
        let sql = if outermost {
            options.settled(&self.ground).begin(dialect)?
        } else {
            options.nested(dialect, self.kind == Kind::Sandbox)?;
            if self.kind == Kind::Sandbox
                && let Some(isolation) = options.isolation
            {
                self.other_isolation(isolation, asker.place)?;
            }
            None
        };
        lease.mark(if outermost { Flight::Boundary } else { Flight::Statement });
        let begun = lease.raw()?.begin(sql).await;
        lease.mark(Flight::None);
        if let Err(error) = begun {
            // Boxed, because the future of every transaction has room for this one.
            Box::pin(self.not_begun(lease, options, error)).await?;
        }
        if options.read_only && !self.only_reads() {
            Box::pin(self.read_only(lease)).await?;
        }
        if lease.shield() != Shield::Absent {
            lease.set_shield(Shield::Behind);
        }
        Ok(())
    }

    /// The server refused to begin the level above this one.
    async fn not_begun(self: &Arc<Self>, lease: &mut Lease, options: BeginOptions, mut error: Error) -> Result<()> {
        let outermost = self.depth == 0;
        let sqlite = self.ground.dialect() == Dialect::Sqlite;
        if outermost && sqlite && options.mode.is_none() && error.kind() == ErrorKind::ReadOnly {
            // The connection may only read (`PRAGMA query_only`), so there is no lock to take.
            lease.mark(Flight::Boundary);
            let begun = lease.raw()?.begin(None).await;
            lease.mark(Flight::None);
            match begun {
                Ok(()) => return Ok(()),
                Err(second) => error = second,
            }
        }
        let sent = Sent::Boundary(if outermost { "BEGIN" } else { "SAVEPOINT" });
        self.heed(lease, &error, sent).await;
        if outermost && sqlite && error.kind() == ErrorKind::LockTimeout {
            // Without the lock nothing has begun, and the session keeps what is its own.
            lease.mark(Flight::None);
        } else if outermost {
            // Whether something was begun nobody knows.
            lease.discard();
        }
        Err(error)
    }

    /// Makes the level above this one, just begun, read-only.
    async fn read_only(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        let made = read_only(lease, self.ground.dialect(), self.depth).await;
        self.heeded(lease, made, Sent::Boundary("SET TRANSACTION READ ONLY"))
            .await
    }

    /// Whether SQLite's connections are read-only by their settings, so that there is nothing to set and nothing to undo.
    fn only_reads(&self) -> bool {
        let on = |value: &str| {
            !["0", "off", "false", "no"]
                .iter()
                .any(|off| value.eq_ignore_ascii_case(off))
        };
        let settings = &self.ground.settings.server_settings;
        let query_only = settings
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("query_only"));
        self.ground.dialect() == Dialect::Sqlite && query_only.is_some_and(|(_, value)| on(value))
    }

    /// The level above this one, on the connection whose lock is `wire`. `from` is the view it was begun through.
    fn open(
        self: &Arc<Self>,
        from: &Arc<Self>,
        wire: OwnedMutexGuard<Wire>,
        options: BeginOptions,
        closure: bool,
        owner: Owner,
        asker: Asker,
    ) -> Arc<Self> {
        let kind = Kind::Transaction { closure };
        let node = Self::new(
            &self.ground,
            kind,
            self.depth + 1,
            asker,
            Some(Arc::clone(from)),
            Wire::Parent(wire),
        );
        {
            let mut state = node.state.lock();
            state.rollback_only = options.rollback_only;
            state.read_only = options.read_only && self.depth > 0 && self.ground.dialect() == Dialect::MySql;
        }
        let child = Child {
            node: Arc::downgrade(&node),
            opened: asker,
            since: Instant::now(),
            owner,
            closure,
        };
        if !Arc::ptr_eq(self, from) {
            from.state.lock().child = Some(child.clone());
        }
        self.state.lock().child = Some(child);
        node
    }

    /// Commits or rolls back this level.
    ///
    /// Dropped half-way, the level has ended all the same; a connection of which nobody knows whether it committed is
    /// thrown away.
    pub(crate) async fn finish(
        self: &Arc<Self>,
        how: Finish,
        chain: &Chain,
        place: &'static Location<'static>,
    ) -> Result<()> {
        let asker = Asker::at(place);
        let _under_way = self.enter(chain.innermost(), asker, "ending a transaction");
        if how == Finish::Rollback && self.is_undone() {
            return self.finish_undone(asker);
        }
        self.usable()?;
        self.innermost(asker)?;
        let mut wire = self.lock(chain, asker).await?;
        self.innermost(asker)?;
        let (how, sent, failed, retryable) = {
            let mut state = self.state.lock();
            let how = if state.rollback_only { Finish::Rollback } else { how };
            let failed = state.failed.take();
            // Of a rollback it is certain that nothing is kept, also if it is cut off.
            let sent = if failed.is_some() { Finish::Rollback } else { how };
            state.ended = Some(match sent {
                Finish::Commit => Ended::Interrupted(place),
                Finish::Rollback => Ended::RolledBack(place),
            });
            (how, sent, failed, state.retryable)
        };
        let what = match (how, self.depth) {
            (Finish::Commit, 1) => "COMMIT",
            (Finish::Commit, _) => "RELEASE SAVEPOINT",
            (Finish::Rollback, 1) => "ROLLBACK",
            (Finish::Rollback, _) => "ROLLBACK TO SAVEPOINT",
        };
        let observation = Observation::ending(&self.ground, self, what);
        let _leaving = Leaving(self);
        let mut held = std::mem::replace(&mut *wire, Wire::Gone);
        drop(wire);
        let _wrote = self.note_commit(how, chain, held.lease());
        let result = match held.lease() {
            Some(lease) => self.finish_on(lease, how, failed).await,
            None => Err(Error::new(ErrorKind::ConnectionLost, "the connection was given up")),
        };
        let result = result.map_err(|error| self.judged_end(sent, error, place));
        observation.end(None, result.as_ref().err());
        if result.as_ref().is_err_and(Error::is_retryable) {
            self.note_retryable();
        }
        if sent == Finish::Rollback && self.depth == 1 {
            // It was given up for a reason of its own, and not because its rollback was not heard.
            self.state.lock().retryable = retryable;
        }
        self.state.lock().ended = Some(match &result {
            Ok(()) if how == Finish::Commit => Ended::Committed(place),
            Err(error) if error.outcome_unknown() => Ended::Interrupted(place),
            _ => Ended::RolledBack(place),
        });
        self.close_span();
        result
    }

    /// The rollback of what the server has rolled back already.
    fn finish_undone(self: &Arc<Self>, asker: Asker) -> Result<()> {
        self.innermost(asker)?;
        if !matches!(self.ended(), Some(Ended::ByServer(_))) {
            return self.usable();
        }
        self.state.lock().ended = Some(Ended::RolledBack(asker.place));
        self.close_span();
        self.let_go();
        Ok(())
    }

    async fn finish_on(self: &Arc<Self>, lease: &mut Lease, how: Finish, failed: Option<String>) -> Result<()> {
        let below = self.depth - 1;
        let aborted = failed.map(|failed| aborted(&failed));
        let result = match (how, aborted) {
            (Finish::Rollback, _) => self.roll_back(lease, below).await,
            (Finish::Commit, Some(aborted)) => self.roll_back(lease, below).await.and(Err(aborted)),
            (Finish::Commit, None) => {
                let committed = match self.check_virtually(lease).await {
                    Ok(first) => {
                        // A savepoint is counted by the driver's side even if the call is dropped.
                        lease.mark(if self.depth > 1 {
                            Flight::Statement
                        } else {
                            Flight::Boundary
                        });
                        lease.raw()?.commit(first).await
                    }
                    Err(error) => Err(error),
                };
                lease.mark(Flight::None);
                match committed {
                    Ok(()) => Ok(()),
                    // Boxed, because the future of every end has room for this one.
                    Err(error) => Err(Box::pin(self.not_committed(lease, error)).await),
                }
            }
        };
        if lease.depth() == 0 {
            lease.end_turn();
        }
        if !lease.is_lost()
            && let Err(error) = lease.undo(below).await
        {
            self.not_restored(lease, &error);
        }
        result
    }

    /// The server refused to commit; what is left of the level is undone. The first error is the one to tell: what comes
    /// after it speaks of its consequences.
    async fn not_committed(self: &Arc<Self>, lease: &mut Lease, error: Error) -> Error {
        let stands = if self.depth > 1 {
            self.heed(lease, &error, Sent::Boundary("RELEASE SAVEPOINT")).await
        } else {
            if error.is_fatal() {
                lease.lose();
            }
            !lease.is_lost()
        };
        if stands && let Err(second) = self.roll_back(lease, self.depth - 1).await {
            tracing::debug!(error = %second, "rolling back after a refused commit failed");
        }
        error
    }

    async fn roll_back(self: &Arc<Self>, lease: &mut Lease, depth: usize) -> Result<()> {
        let hurried = depth == 0 && self.state.lock().hurried;
        lease.mark(if hurried { Flight::Boundary } else { Flight::Statement });
        match lease.raw()?.rollback_to(depth).await {
            Ok(()) => {
                lease.mark(Flight::None);
                Ok(())
            }
            Err(error) => Box::pin(self.not_rolled_back(lease, error, depth)).await,
        }
    }

    async fn not_rolled_back(self: &Arc<Self>, lease: &mut Lease, error: Error, depth: usize) -> Result<()> {
        let error = self.judged(error);
        let sent = Sent::Boundary(if depth > 0 { "ROLLBACK TO SAVEPOINT" } else { "ROLLBACK" });
        self.heed(lease, &error, sent).await;
        // What is open on it is undone with it.
        lease.discard();
        if depth > 0 {
            self.end_by_server(&sent.ended_by(&error));
        }
        // Where the server has rolled back by itself, there is what was asked for.
        if error.ends_transaction() { Ok(()) } else { Err(error) }
    }

    /// What became of the level is known; with a setting that was made for it alone nobody may go on.
    fn not_restored(self: &Arc<Self>, lease: &mut Lease, error: &Error) {
        lease.discard();
        if self.depth > 1 {
            self.end_by_server(&Sent::Boundary("PRAGMA query_only = 0").ended_by(error));
        }
    }
}

/// Waits for a guard's beginning, and at least once. Siblings in the same task get their turn meanwhile, so that a second
/// guard beside this one is refused always, and not only when the server is slow.
async fn beside_siblings<T>(mut beginning: Pin<&mut impl Future<Output = T>>) -> T {
    let mut waited = false;
    let begun = poll_fn(|context| {
        let polled = beginning.as_mut().poll(context);
        waited |= polled.is_pending();
        polled
    })
    .await;
    if !waited {
        yield_once().await;
    }
    begun
}

/// Lets the other futures of the task run once.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Makes the level just begun read-only.
async fn read_only(lease: &mut Lease, dialect: Dialect, below: usize) -> Result<()> {
    let sql = match dialect {
        Dialect::Postgres if below > 0 => "SET TRANSACTION READ ONLY",
        Dialect::Sqlite => {
            lease.undo_at(below, "PRAGMA query_only = 0");
            "PRAGMA query_only = 1"
        }
        _ => return Ok(()),
    };
    run(lease, sql).await
}

fn aborted(failed: &str) -> Error {
    Error::new(
        ErrorKind::TransactionAborted,
        format!("the transaction was rolled back instead of committed, because a statement in it had failed: {failed}"),
    )
    .help("on PostgreSQL a failed statement aborts its transaction; put a statement that may fail into a nested transaction")
}
