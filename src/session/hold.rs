//! The connection while one statement has it: what comes before the statement, and what comes after it.

use std::sync::{Arc, Weak};

use tokio::sync::OwnedMutexGuard;

use super::Work;
use super::ask::run;
use super::lock::SET_WITNESS;
use super::operation::UnderWay;
use super::replicas::{Wrote, blame};
use super::report::shown;
use super::stream::Drain;
use super::verdict::{Sent, Verdict};
use super::{Ground, Node, Wire};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Flight, Lease, Pool};
use crate::sql::Control;

/// What has to be done before a statement is sent.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(super) struct Precautions {
    /// It is to undo itself alone if it fails.
    shield: bool,
    /// It may end the transaction, which is to be noticed.
    witness: bool,
    /// What it sets is to end with the transaction.
    settings: bool,
    /// It may put off checks of rows that were wrong before.
    keys: bool,
}

impl Precautions {
    fn any(self) -> bool {
        self.shield || self.witness || self.settings || self.keys
    }
}

/// The connection, held for one statement.
pub(super) enum Hold {
    Pooled {
        lease: Lease,
        _wrote: Option<Wrote>,
    },
    Level {
        wire: OwnedMutexGuard<Wire>,
        level: Arc<Node>,
        node: Arc<Node>,
        /// Whether the statement runs under a savepoint of its own.
        guarded: bool,
        under_way: UnderWay,
        _wrote: Option<Wrote>,
    },
}

impl Hold {
    pub(super) fn lease(&mut self) -> Result<&mut Lease> {
        match self {
            Self::Pooled { lease, .. } => Ok(lease),
            Self::Level { wire, .. } => wire.lease().ok_or_else(given_up),
        }
    }

    /// The pool that its connection is of.
    pub(super) fn pool<'h>(&'h self, ground: &'h Ground) -> &'h Arc<Pool> {
        match self {
            Self::Pooled { lease, .. } => lease.pool(),
            Self::Level { .. } => &ground.pool,
        }
    }

    /// The error of a read, marked if it is the trouble of a replica.
    pub(super) fn blamed(&self, error: Error, ground: &Ground) -> Error {
        if Arc::ptr_eq(self.pool(ground), &ground.pool) {
            error
        } else {
            blame(error)
        }
    }

    /// A stream was opened; whoever waits for this connection may ask it to put its rows aside.
    pub(super) fn opened(&self, ground: &Ground, stream: Weak<dyn Drain>) {
        ground.stream_opened(&stream);
        if let Self::Level { level, .. } = self {
            level.state.lock().stream = Some(stream);
            level.stream_opened.notify_waiters();
        }
    }

    /// What has to be done before the statement is sent, if there is something.
    pub(super) fn precautions(&self, work: &Work) -> Option<Precautions> {
        let Self::Level {
            guarded, level, node, ..
        } = self
        else {
            return None;
        };
        let effect = work.template.effect();
        let precautions = Precautions {
            shield: *guarded,
            witness: effect.opaque && level.depth > 0,
            // Alone, and outside of a transaction, what it sets is simply undone.
            keys: effect.deferrable && node.wants_violations(),
            settings: !effect.local.is_empty() && node.ground.sandbox.is_some() && !(*guarded && effect.local_only),
        };
        precautions.any().then_some(precautions)
    }

    pub(super) async fn before(&mut self, precautions: Precautions, work: &Work) -> Result<()> {
        let Self::Level { wire, level, node, .. } = self else {
            return Ok(());
        };
        let Some(lease) = wire.lease() else {
            return Err(given_up());
        };
        let taken = take(precautions, lease, level, node, work).await;
        node.heeded(lease, taken, Sent::Statement(work)).await
    }

    /// Whether there is something to do after the statement.
    pub(super) fn wants_care(&self, failed: bool, work: &Work) -> bool {
        match self {
            Self::Pooled { .. } => false,
            Self::Level { guarded, level, .. } => {
                *guarded || (level.depth > 0 && (failed || work.template.effect().opaque))
            }
        }
    }

    /// What has to be done after it: it is looked whether the transaction is still there, and in the sandbox a
    /// statement outside of a transaction is kept, or undone alone.
    pub(super) async fn after<T>(&mut self, result: Result<T>, work: &Work) -> Result<T> {
        let ended = self.look_after(result.as_ref().err(), work).await;
        let Self::Level { guarded, level, .. } = self else {
            return result;
        };
        if let Some(ended) = ended {
            return Err(match result {
                Ok(_) => ended,
                // The first error is the one to tell, and the second what became of the transaction.
                Err(first) if ended.is_retryable() => first.retryable(),
                Err(first) => first,
            });
        }
        if !*guarded {
            return result;
        }
        let level = Arc::clone(level);
        let unshielded = level
            .unshield(self.lease()?, work.template.effect(), result.as_ref().err())
            .await;
        match unshielded {
            // What was lost says more than how.
            Err(broken) if broken.kind() == ErrorKind::SandboxBroken => Err(broken),
            unshielded => result.and_then(|done| unshielded.map(|()| done)),
        }
    }

    /// The statement has ended. What its error means for a transaction, [`after`](Self::after) finds out.
    pub(super) fn settled(&mut self, ground: &Ground, error: Option<&Error>, work: &Work) {
        match work.template.control() {
            // A ROLLBACK that fails had nothing to roll back.
            Control::Rollback => self.end_turn_of_text(),
            Control::Commit if error.is_none() => self.end_turn_of_text(),
            Control::Begin if error.is_some() => self.end_turn_of_text(),
            _ => {}
        }
        let Ok(lease) = self.lease() else { return };
        lease.mark(Flight::None);
        let Some(error) = error else {
            if work.template.effect().deferrable {
                // Also outside of the sandboxes that want to know of it.
                ground.deferred.set(true);
            }
            if let (Self::Level { node, .. }, Control::Savepoint) = (&*self, work.template.control()) {
                // After ROLLBACK TO the transaction can be committed again.
                node.state.lock().failed = None;
            }
            return;
        };
        if error.is_fatal() {
            lease.lose();
        }
    }

    /// SQLite may end a transaction with an error (`ON CONFLICT ROLLBACK`, `RAISE(ROLLBACK)`, a full disk), MySQL with
    /// errors that nobody can list and with a procedure that commits, and neither says so. The next statement must not run
    /// outside of it.
    async fn look_after(&mut self, error: Option<&Error>, work: &Work) -> Option<Error> {
        let Self::Level { wire, level, node, .. } = self else {
            return None;
        };
        let lease = wire.lease()?;
        let witnessed = level.depth > 0 && work.template.effect().opaque;
        let heard = match error {
            Some(error) => {
                let sent = if witnessed {
                    Sent::Witnessed(work)
                } else {
                    Sent::Statement(work)
                };
                match node.verdict(lease, error, sent).await {
                    Verdict::Stands => return None,
                    Verdict::Ended(heard) => heard,
                }
            }
            None if !witnessed => return None,
            None => match node.has_transaction(lease, true).await {
                Ok(true) => return None,
                Ok(false) => {
                    lease.discard();
                    let (text, asker) = (shown(work.text()), work.asker);
                    node.end_by_server(&format!("the statement `{text}` of {asker} ended it"));
                    None
                }
                Err(conflict) => Some(node.ended_after(lease, conflict, work)),
            },
        };
        // What was lost says more than how, where it is the whole sandbox.
        match heard.filter(|_| node.ground.sandbox.is_none()) {
            Some(heard) => Some(heard),
            None => node.usable().err(),
        }
    }
}

impl Node {
    /// The transaction was found ended with an error of its own after a statement that was done.
    fn ended_after(self: &Arc<Self>, lease: &mut Lease, error: Error, work: &Work) -> Error {
        let unheard = error.leaves_open();
        let ended = self.ended_with(lease, error, true);
        lease.discard();
        self.end_by_server(&work.ended_by(&ended));
        if unheard && self.ground.sandbox.is_none() {
            // What it ran may have committed.
            return ended.unknown(&work.named(), work.asker.place);
        }
        self.note_undone();
        ended
    }
}

async fn take(
    precautions: Precautions,
    lease: &mut Lease,
    level: &Arc<Node>,
    node: &Arc<Node>,
    work: &Work,
) -> Result<()> {
    if precautions.keys {
        node.note_violations(lease).await?;
    }
    if precautions.witness {
        run(lease, SET_WITNESS).await?;
        lease.doubt(true);
    }
    if precautions.shield {
        level.shield(lease).await?;
    }
    if precautions.settings {
        node.keep_settings(lease, work).await?;
    }
    Ok(())
}

fn given_up() -> Error {
    Error::new(ErrorKind::ConnectionLost, "the connection was given up")
}
