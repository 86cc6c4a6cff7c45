//! Listeners in a sandbox, whose server never sends the notifications, because nothing is committed there.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::backend::Notification;

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
    pub(in crate::session) fn deliver(&self, messages: Vec<Message>) {
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
