//! Listeners in a sandbox, whose server never sends the notifications, because nothing is committed there.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::backend::Notification;
use crate::session::engine::Engine;
use crate::session::level::{Level, LevelKind};
use crate::session::statement::run::BoundStatement;

/// The channel and the payload of a notification.
pub(in crate::session) type Message = (String, String);

/// The listeners of one sandbox.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<Listener>>);

struct Listener {
    channels: Vec<String>,
    sender: UnboundedSender<Notification>,
}

impl Listeners {
    /// Adds a listener. It hears what is sent from now on.
    pub(crate) fn add(&self, channels: Vec<String>) -> UnboundedReceiver<Notification> {
        let (sender, receiver) = unbounded_channel();
        self.0.lock().push(Listener { channels, sender });
        receiver
    }

    /// Ends all of them.
    pub(in crate::session) fn end(&self) {
        self.0.lock().clear();
    }

    /// Sends the notifications of one transaction, equal ones once, as the server does.
    fn deliver(&self, messages: Vec<Message>) {
        let mut seen = HashSet::new();
        let mut listeners = self.0.lock();
        for (channel, payload) in messages {
            if !seen.insert((channel.clone(), payload.clone())) {
                continue;
            }
            let notification = Notification {
                channel,
                payload,
                process_id: None,
            };
            listeners.retain(|listener| {
                let heard = listener.channels.contains(&notification.channel);
                !(listener.sender.is_closed() || heard && listener.sender.send(notification.clone()).is_err())
            });
        }
    }
}

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
