//! The notifications of a sandbox, which wait for the commit of their transaction.

use super::{Level, LevelKind};
use crate::session::engine::Engine;
use crate::session::sandbox::listeners::Message;
use crate::session::statement::run::BoundStatement;

impl Engine {
    /// Delivers notifications to the listeners of the sandbox, if it is one.
    pub(in crate::session) fn deliver(&self, messages: Vec<Message>) {
        if let Some(sandbox) = self.sandbox.as_ref().filter(|_| !messages.is_empty()) {
            sandbox.listeners.deliver(messages);
        }
    }
}

impl Level {
    /// Delivers the notifications of a statement that was run here: at once, or after the commit of its transaction.
    pub(in crate::session) fn notifies(&self, work: &BoundStatement) {
        let calls = work.template.effect().notifies.iter();
        let messages: Vec<_> = calls.filter_map(|call| call.resolve(&work.bound.values)).collect();
        match self.kind {
            LevelKind::Transaction { .. } => self.state.lock().messages.extend(messages),
            _ => self.engine.deliver(messages),
        }
    }

    /// Passes the notifications of a level that was committed to the level below, if that one decides, or delivers them.
    /// Those of a level that was rolled back are forgotten.
    pub(in crate::session) fn pass_messages(&self, committed: bool, below: Option<&Self>) {
        let messages = std::mem::take(&mut self.state.lock().messages);
        if !committed || messages.is_empty() {
            return;
        }
        match below {
            Some(below) => below.state.lock().messages.extend(messages),
            None => self.engine.deliver(messages),
        }
    }
}
