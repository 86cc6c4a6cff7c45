//! Whose turn it is on a connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::ask::run;
use super::limit::in_time;
use super::stream::{Drain, drain};
use super::verdict::Sent;
use super::{Chain, Kind, Node, Wire};
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Asker, Flight, Lease, SETTLE_LIMIT, Shield, Stay};
use crate::sql::Dialect;

/// What is gone when a statement that runs others has ended the transaction.
pub(super) const SET_WITNESS: &str = "SAVEPOINT ebbtide_witness";
/// It is set again, so that it can be asked for once more if the answer is not waited for.
const ASK_WITNESS: &str = "RELEASE SAVEPOINT ebbtide_witness; SAVEPOINT ebbtide_witness";

/// Asks the server whether a transaction is open.
async fn is_open(lease: &mut Lease, flight: Flight) -> Result<bool> {
    lease.mark(flight);
    let open = match lease.raw() {
        Ok(raw) => raw.transaction_open().await,
        Err(error) => Err(error),
    };
    lease.mark(Flight::None);
    open
}

impl Node {
    /// Waits for the turn on this level's connection, in the order of asking. An open stream is made to put the rest
    /// of its rows aside. The connection is at rest and exactly as deep in transactions as this level is.
    pub(super) async fn lock(self: &Arc<Self>, chain: &Chain, asker: Asker) -> Result<OwnedMutexGuard<Wire>> {
        self.lock_for(chain, asker, None).await
    }

    /// The same for a transaction: if it is the first use of the sandbox, that begins with the isolation level asked for.
    pub(super) async fn lock_for(
        self: &Arc<Self>,
        chain: &Chain,
        asker: Asker,
        isolation: Option<IsolationLevel>,
    ) -> Result<OwnedMutexGuard<Wire>> {
        let level = self.wired();
        let mut wire = if let Ok(wire) = Arc::clone(&level.wire).try_lock_owned() {
            wire
        } else {
            self.usable()?;
            // Boxed, because the future of every statement has room for this one.
            Box::pin(level.queue(chain, asker)).await?
        };
        self.usable()?;
        if self.ground.sandbox.is_some() {
            level.state.lock().holder = Some((asker, Instant::now()));
        }
        let ready = wire
            .lease()
            .is_some_and(|lease| lease.is_ready() && lease.depth() == level.depth);
        if !ready {
            Box::pin(level.prepare(&mut wire, asker, isolation)).await?;
        }
        Ok(wire)
    }

    async fn queue(self: &Arc<Self>, chain: &Chain, asker: Asker) -> Result<OwnedMutexGuard<Wire>> {
        if let Some(child) = self.state.lock().child.clone()
            && chain.contains(child.owner)
        {
            return Err(Error::new(
                ErrorKind::ConcurrentUse,
                format!(
                    "{asker} waits for a connection that the same task holds itself, since {}",
                    child.opened.place
                ),
            )
            .help("use the inner transaction here, or end it first"));
        }
        let limit = self.patience();
        let _waiting = self.wait(asker);
        let turn = async {
            let mut locking = std::pin::pin!(Arc::clone(&self.wire).lock_owned());
            loop {
                let mut opened = std::pin::pin!(self.stream_opened.notified());
                opened.as_mut().enable();
                let stream = self.state.lock().stream.as_ref().and_then(std::sync::Weak::upgrade);
                let drained = async {
                    match &stream {
                        Some(stream) => drain(&**stream).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    wire = &mut locking => return Ok(wire),
                    drained = drained => {
                        drained?;
                        if let Some(stream) = &stream {
                            self.forget_stream(stream);
                        }
                    }
                    () = opened => {}
                }
            }
        };
        match timeout(limit, turn).await {
            Ok(wire) => wire,
            Err(_) => Err(self.busy(asker, limit).await),
        }
    }

    fn forget_stream(&self, stream: &Arc<dyn Drain>) {
        let mut state = self.state.lock();
        if state
            .stream
            .as_ref()
            .is_some_and(|known| std::ptr::addr_eq(known.as_ptr(), Arc::as_ptr(stream)))
        {
            state.stream = None;
        }
    }

    fn patience(&self) -> Duration {
        let settings = &self.ground.settings;
        if self.ground.sandbox.is_some() {
            settings.lease_timeout
        } else {
            settings.pool_timeout
        }
    }

    /// Acquires the connection at first use and leaves it as deep as this level.
    async fn prepare(self: &Arc<Self>, wire: &mut Wire, asker: Asker, isolation: Option<IsolationLevel>) -> Result<()> {
        let lost = self.kind == Kind::Base && wire.lease().is_some_and(|lease| lease.is_lost());
        if lost || matches!(wire, Wire::Vacant) {
            let turn = match self.kind {
                Kind::Sandbox => {
                    let chain = Chain::current();
                    self.ground
                        .turn(&chain, chain.innermost(), asker, Stay::Sandbox)
                        .await?
                }
                _ => None,
            };
            let mut lease = self.acquire(asker).await?;
            if self.kind == Kind::Sandbox {
                // The outer transaction of force rollback begins with the first use.
                if let Err(error) = self.begin_outer(&mut lease, isolation).await {
                    if !lease.is_lost() || !self.is_private() {
                        return Err(error);
                    }
                    // The copy could not be made anew; another connection makes another.
                    lease = self.acquire(asker).await?;
                    self.begin_outer(&mut lease, isolation).await?;
                }
            }
            if let Some(turn) = turn {
                lease.keep_turn(turn);
            }
            *wire = Wire::Lease(lease);
        }
        let Some(lease) = wire.lease() else {
            return Err(self.gone("the connection was given up"));
        };
        if lease.is_lost() {
            return Err(self.gone("its connection was lost"));
        }
        if let Err(error) = self.level_out(lease).await {
            if lease.is_lost() {
                self.end_by_server(error.message());
            }
            if error.ends_transaction() && self.ground.sandbox.is_none() {
                // The server's own word; running it again may help.
                return Err(error);
            }
            // What was lost says more than how: a transaction, or the whole sandbox.
            return Err(self.usable().err().unwrap_or(error));
        }
        Ok(())
    }

    async fn acquire(&self, asker: Asker) -> Result<Lease> {
        let acquired = self.ground.pool.acquire(asker).await;
        let berth = self.sandbox().is_some_and(|sandbox| sandbox.plan.aloud);
        acquired.map_err(|error| match error.kind() {
            ErrorKind::NotConnected if berth => Error::new(
                ErrorKind::NotConnected,
                "the database that this sandbox was made from was disconnected",
            )
            .help("keep it connected as long as its sandboxes are used"),
            _ => error,
        })
    }

    async fn level_out(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        // What was cut off may have ended the transaction, too: SQLite does so where a statement says OR ROLLBACK, MySQL
        // with a deadlock of which nobody was told.
        let cut = lease.was_cut() && self.ground.dialect() != Dialect::Postgres;
        let depth = lease.ready().await?.depth();
        let doubt = lease.is_in_doubt();
        if self.depth > 0 && (cut || doubt) {
            match self.has_transaction(lease, doubt).await {
                Ok(true) => {}
                // What may have committed by itself is not run again for what came after it.
                Err(conflict) if !doubt => {
                    let conflict = self.ended_with(lease, conflict, false);
                    lease.discard();
                    self.end_by_server(conflict.message());
                    self.note_undone();
                    return Err(conflict);
                }
                Ok(false) | Err(_) => {
                    lease.discard();
                    return Err(self.gone("a statement that was cancelled ended it"));
                }
            }
        }
        if depth > self.depth {
            self.go_back(lease).await?;
            if let Some(journal) = self.ground.journal() {
                journal.note("-- a transaction that was dropped unfinished was rolled back");
            }
            if self.depth == 0 {
                lease.end_turn();
                lease.doubt(false);
                drop(lease.take_writers());
            }
            lease.undo(self.depth).await?;
        } else if lease.shield() == Shield::Doubtful {
            self.recover(lease).await?;
        } else if depth < self.depth {
            return Err(self.gone("the transaction is no longer open on the server"));
        }
        Ok(())
    }

    /// Whether the transaction is still there on the server, after something that may have ended it. `witnessed` says that
    /// a savepoint was set before that. An error is one with which the server ends it, or the connection breaks.
    pub(super) async fn has_transaction(&self, lease: &mut Lease, witnessed: bool) -> Result<bool> {
        lease.doubt(witnessed);
        let asked = if witnessed && self.ground.dialect() == Dialect::MySql {
            // A transaction that was ended and begun again is another, which knows nothing of the witness.
            run(lease, ASK_WITNESS).await.map(|()| true)
        } else {
            // On a thread of its own what was dropped runs to its end, and the next one can look again.
            let apart = lease.raw().is_ok_and(|raw| raw.is_apart()) || self.ground.dialect() == Dialect::Sqlite;
            is_open(lease, if apart { Flight::Statement } else { Flight::Boundary }).await
        };
        lease.doubt(false);
        match asked {
            Err(error) if !error.is_fatal() && !error.ends_transaction() => Ok(false),
            asked => asked,
        }
    }

    /// Undoes the levels above this one, which were dropped. As with what a dropped statement left, whoever waits for that has no
    /// other connection to go to: what is open on this one would be lost with it.
    async fn go_back(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        lease.mark(Flight::Statement);
        let undone = in_time(SETTLE_LIMIT, lease.raw()?.rollback_to(self.depth)).await;
        let undone = undone.unwrap_or_else(|| Err(unanswered()));
        lease.mark(Flight::None);
        let Err(error) = undone.map_err(|error| self.judged(error)) else {
            return Ok(());
        };
        self.heed(lease, &error, Sent::Boundary("ROLLBACK TO SAVEPOINT")).await;
        // What could not be undone must not be committed.
        lease.discard();
        Err(error)
    }

    fn gone(self: &Arc<Self>, why: &str) -> Error {
        self.end_by_server(why);
        self.usable()
            .err()
            .unwrap_or_else(|| Error::new(ErrorKind::ConnectionLost, why.to_owned()))
    }
}

/// The error where the rollback of a level that was dropped is not answered.
fn unanswered() -> Error {
    Error::new(
        ErrorKind::ConnectionLost,
        format!("a transaction that was dropped could not be rolled back within {SETTLE_LIMIT:?}, so its connection was closed"),
    )
    .help("nothing was sent after it; run the work again from its beginning")
    .retryable()
}
