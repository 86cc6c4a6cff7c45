//! A transaction that was begun as SQL text.

use std::sync::Arc;

use super::verdict::Sent;
use super::{ConnectionSlot, Level, LevelKind};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Caller, Lease, Turn};
use crate::session::scope::chain::{Chain, Owner};
use crate::session::statement::checkout::Checkout;
use crate::session::statement::run::BoundStatement;
use crate::sql::Control;

/// A transaction on a connection that was begun as SQL text and ends as SQL text.
pub(in crate::session) struct Text {
    /// The owner that used it last, and has to end it.
    pub(super) owner: Owner,
    /// The statement that began it.
    begun: Caller,
    has_turn: bool,
    /// Set if a statement was sent in it, which may have read.
    used: bool,
}

impl Text {
    /// Notes a use. A connection that is passed on takes its transaction along.
    pub(super) fn is_used_by(&mut self, chain: &Chain) {
        self.used = true;
        if !chain.contains(self.owner) {
            self.owner = chain.innermost();
        }
    }
}

impl Level {
    /// Returns whether a transaction is open here that was begun as SQL text, or may be.
    pub(in crate::session) fn is_in_text(&self) -> bool {
        self.state.lock().text.is_some()
    }

    /// Returns the owner that has to end such a transaction; `None` after the connection was dropped, which ends it.
    pub(super) fn owner_of_text(&self) -> Option<Owner> {
        let state = self.state.lock();
        let text = state.text.as_ref()?;
        (state.handles > 0).then_some(text.owner)
    }

    /// Counts a new handle.
    pub(in crate::session) fn gains_handle(&self) {
        self.state.lock().handles += 1;
    }

    /// Counts a dropped handle.
    pub(in crate::session) fn loses_handle(&self) {
        self.state.lock().handles -= 1;
    }

    /// Returns whether such a transaction has the turn.
    pub(super) fn has_turn_of_text(&self) -> bool {
        self.state.lock().text.as_ref().is_some_and(|text| text.has_turn)
    }

    /// Returns whether a statement that writes waits here for the turn. A transaction of SQL text that may have read
    /// does not wait, because the other writers may wait for what it has read.
    pub(super) fn waits_for_turn(&self) -> bool {
        let state = self.state.lock();
        self.kind == LevelKind::Base && state.text.as_ref().is_none_or(|text| !text.has_turn && !text.used)
    }

    /// Notes that SQL text of `begun` has begun a transaction here, or may have. It has the turn that its connection
    /// has.
    pub(in crate::session) fn note_text(&self, lease: Option<&mut Lease>, begun: Caller) {
        let has_turn = lease.is_some_and(|lease| lease.has_turn());
        let owner = Chain::current().innermost();
        let text = &mut self.state.lock().text;
        let text = text.get_or_insert(Text {
            owner,
            begun,
            has_turn,
            used: false,
        });
        text.has_turn = has_turn;
    }

    /// Gives the turn to the transaction of SQL text that is open here.
    pub(super) fn keep_turn_of_text(self: &Arc<Self>, lease: &mut Lease, turn: Turn, begun: Caller) {
        turn.is_for(self.as_writer());
        lease.keep_turn(turn);
        self.note_text(Some(lease), begun);
    }

    /// Notes that no transaction of SQL text is open here any more, and ends its turn.
    pub(super) fn end_text(&self, lease: Option<&mut Lease>) {
        let text = self.state.lock().text.take();
        if let (Some(lease), Some(_)) = (lease, text) {
            lease.end_turn();
        }
    }

    /// Asks whether a transaction of SQL text is open here. `begun` is the statement that may have begun it.
    pub(in crate::session) async fn look_after_text(self: &Arc<Self>, lease: &mut Lease, begun: Caller) {
        if !self.has_transaction(lease, false).await.unwrap_or(false) {
            self.end_text(Some(lease));
            return;
        }
        self.note_text(Some(lease), begun);
        if let Some(turn) = lease.turn() {
            turn.is_for(self.as_writer());
        }
    }

    /// Does the same after something unknown. Where a database has one writer, the others wait for the transaction;
    /// elsewhere it is enough to ask before the library begins one.
    pub(in crate::session) async fn look_after_unknown(self: &Arc<Self>, lease: &mut Lease, begun: Caller) {
        if self.kind != LevelKind::Base {
            return;
        }
        if self.engine.transactions.one_writer {
            self.look_after_text(lease, begun).await;
        } else {
            self.note_text(Some(lease), begun);
        }
    }

    /// Returns whether [`look_after_text`](Self::look_after_text) is due after a statement.
    pub(in crate::session) fn leaves_text_unknown(&self, failed: bool, work: &BoundStatement) -> bool {
        let controls = work.template.control() != Control::None;
        (failed || controls)
            && self.kind == LevelKind::Base
            && self.engine.transactions.one_writer
            && if controls {
                failed || work.template.leaves_open().is_none()
            } else {
                self.is_in_text()
            }
    }

    /// Refuses to begin a transaction inside one of SQL text, whose end the library would not notice, and which its own
    /// commit would end.
    pub(super) async fn refuse_in_text(self: &Arc<Self>, slot: &mut ConnectionSlot, caller: Caller) -> Result<()> {
        let Some(lease) = slot.lease() else { return Ok(()) };
        let asked = self.has_transaction(lease, false).await;
        let open = self.heeded(lease, asked, Sent::Boundary("BEGIN")).await?;
        if !open {
            self.end_text(Some(lease));
            return Ok(());
        }
        let begun = self.state.lock().text.as_ref().map_or(self.opened, |text| text.begun);
        Err(Error::new(
            ErrorKind::Refused,
            format!(
                "{caller} would begin a transaction on a connection where the SQL text or closure of {begun} has begun one; nothing was sent"
            ),
        )
        .help("end that transaction first, with COMMIT or ROLLBACK as SQL text, or begin it with `transaction()`"))
    }
}

impl Checkout {
    /// Notes a text that begins or ends transactions, after it was sent.
    pub(in crate::session) fn note_control(&mut self, work: &BoundStatement, failed: bool) {
        let control = work.template.control();
        let unknown = control >= Control::Begin || work.template.effect().opaque;
        if control == Control::None && !unknown {
            return;
        }
        let Self::Level { level, slot, .. } = self else { return };
        if level.kind != LevelKind::Base {
            return;
        }
        match work.template.leaves_open().filter(|_| !failed) {
            Some(true) => level.note_text(slot.lease(), work.caller),
            Some(false) => level.end_text(slot.lease()),
            // Where a database has one writer, it is asked at once; elsewhere before the library begins a transaction.
            None if unknown && !level.engine.transactions.one_writer => level.note_text(slot.lease(), work.caller),
            None => {}
        }
    }
}
