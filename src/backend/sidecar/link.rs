//! The link to a process: its channels, what is sent to it, and what comes back.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::frame::{AnswerFrame, Frame, Malformed, OF_PROCESS};
use super::mailbox::{AnswerQueue, ProcessEnding};
use super::requests::Outbox;
use crate::error::Result;

/// Number of bytes of unanswered requests up to which the caller itself writes. A pipe holds at least that many, so it
/// cannot be full.
const SURELY_FITS: usize = 16 * 1024;
/// The time that a process has to end by itself.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// The process at the other end.
pub(super) trait SidecarPeer: Send + Sync {
    /// Ends it.
    fn kill(&self);

    /// Waits for its end, ends it after a time, and returns how it ended.
    fn reap(&self, grace: Duration) -> String;

    /// Notes what no message may show.
    fn hide(&self, _secrets: &[String]) {}
}

/// The link to a process. When the last user drops it, the process is ended.
pub(super) struct Link(Arc<Wires>);

/// What the threads of a link share.
pub(super) struct Wires {
    peer: Box<dyn SidecarPeer>,
    writer: Mutex<Writer>,
    /// Signalled when there is something for the thread that writes.
    to_write: Condvar,
    channels: Mutex<Channels>,
    /// Signalled when the process has ended.
    has_ended: Condvar,
}

struct Writer {
    /// `None` while the thread writes, and after the end.
    pipe: Option<Box<dyn Write + Send>>,
    queue: VecDeque<Vec<u8>>,
    /// Set once there is a thread that writes what does not fit.
    threaded: bool,
    closed: bool,
}

#[derive(Default)]
struct Channels {
    last: u32,
    open: HashMap<u32, Line>,
    /// Number of bytes of unanswered requests.
    unanswered: usize,
    ending: Option<Arc<ProcessEnding>>,
}

/// The library's end of a channel.
struct Line {
    mailbox: Arc<AnswerQueue>,
    /// The last request of each lot that was sent at once, and the number of its bytes.
    unanswered: VecDeque<(u32, usize)>,
    /// The request whose final answer ends the channel.
    closes: Option<u32>,
}

impl Link {
    pub(super) fn new(pipe: Box<dyn Write + Send>, peer: Box<dyn SidecarPeer>) -> Self {
        Self(Arc::new(Wires {
            peer,
            writer: Mutex::new(Writer {
                pipe: Some(pipe),
                queue: VecDeque::new(),
                threaded: false,
                closed: false,
            }),
            to_write: Condvar::new(),
            channels: Mutex::default(),
            has_ended: Condvar::new(),
        }))
    }

    /// Returns what the thread that reads needs.
    pub(super) fn wires(&self) -> Arc<Wires> {
        Arc::clone(&self.0)
    }

    /// Opens the channel of the process itself.
    pub(super) fn of_process(&self) -> Arc<AnswerQueue> {
        self.0.register(OF_PROCESS)
    }

    /// Opens a channel. Returns its number.
    pub(super) fn open(&self) -> (u32, Arc<AnswerQueue>) {
        let number = {
            let mut channels = self.0.channels.lock();
            channels.last += 1;
            channels.last
        };
        (number, self.0.register(number))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.channels.lock().ending.is_some()
    }

    pub(super) fn hide(&self, secrets: &[String]) {
        self.0.peer.hide(secrets);
    }

    pub(super) fn kill(&self) {
        self.0.peer.kill();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.0.close_input();
        let wires = Arc::clone(&self.0);
        // Ended by the end of its input. The thread that reads sees it.
        let watch = move || {
            let mut channels = wires.channels.lock();
            if channels.ending.is_none() {
                wires.has_ended.wait_for(&mut channels, GRACE);
            }
            let ended = channels.ending.is_some();
            drop(channels);
            if !ended {
                wires.peer.kill();
            }
        };
        if spawn("ebbtide-end", watch).is_err() {
            self.0.peer.kill();
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// Starts a thread.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

impl Wires {
    fn register(&self, number: u32) -> Arc<AnswerQueue> {
        let mailbox = Arc::<AnswerQueue>::default();
        let mut channels = self.channels.lock();
        if let Some(ending) = &channels.ending {
            mailbox.end(ending);
        } else {
            let line = Line {
                mailbox: Arc::clone(&mailbox),
                unanswered: VecDeque::new(),
                closes: None,
            };
            channels.open.insert(number, line);
        }
        mailbox
    }

    /// Sends requests of a channel.
    pub(super) fn send(self: &Arc<Self>, channel: u32, outbox: Outbox) {
        let last = outbox.last();
        self.write(channel, outbox.bytes, Some(last));
    }

    /// Sends a frame that has no answer.
    pub(super) fn notify(self: &Arc<Self>, channel: u32, bytes: Vec<u8>) {
        self.write(channel, bytes, None);
    }

    /// Sends the end of a channel: nobody reads its answers any more.
    pub(super) fn close(self: &Arc<Self>, channel: u32, outbox: Outbox) {
        if let Some(line) = self.channels.lock().open.get_mut(&channel) {
            line.closes = Some(outbox.last());
        }
        self.send(channel, outbox);
    }

    /// Ends a channel for its reader.
    pub(super) fn end_channel(&self, channel: u32, why: &Arc<ProcessEnding>) {
        let mailbox = self
            .channels
            .lock()
            .open
            .get(&channel)
            .map(|line| Arc::clone(&line.mailbox));
        if let Some(mailbox) = mailbox {
            mailbox.end(why);
        }
    }

    pub(super) fn kill(&self) {
        self.peer.kill();
    }

    /// Writes at once what surely fits into the pipe; a thread writes the rest. `last` is the last of the requests, if
    /// they are any.
    fn write(self: &Arc<Self>, channel: u32, bytes: Vec<u8>, last: Option<u32>) {
        let mut writer = self.writer.lock();
        let fits = {
            let mut channels = self.channels.lock();
            if channels.ending.is_some() {
                return;
            }
            let fits = channels.unanswered + bytes.len() <= SURELY_FITS;
            let Some(line) = channels.open.get_mut(&channel) else {
                return;
            };
            match (last, line.unanswered.back_mut()) {
                (Some(last), _) => line.unanswered.push_back((last, bytes.len())),
                (None, Some((_, size))) => *size += bytes.len(),
                // It comes too late.
                (None, None) => return,
            }
            channels.unanswered += bytes.len();
            fits
        };
        if writer.closed {
            return;
        }
        if fits
            && writer.queue.is_empty()
            && let Some(pipe) = &mut writer.pipe
        {
            let written = pipe.write_all(&bytes).and_then(|()| pipe.flush());
            drop(writer);
            if written.is_err() {
                self.peer.kill();
            }
            return;
        }
        writer.queue.push_back(bytes);
        if !std::mem::replace(&mut writer.threaded, true) {
            let wires = Arc::clone(self);
            if spawn("ebbtide-write", move || wires.write_queued()).is_err() {
                drop(writer);
                self.peer.kill();
                return;
            }
        }
        self.to_write.notify_one();
    }

    /// Writes what is queued, until the end.
    fn write_queued(&self) {
        let mut writer = self.writer.lock();
        while !writer.closed {
            let Some(bytes) = writer.queue.pop_front() else {
                self.to_write.wait(&mut writer);
                continue;
            };
            let Some(mut pipe) = writer.pipe.take() else { return };
            drop(writer);
            let written = pipe.write_all(&bytes).and_then(|()| pipe.flush());
            writer = self.writer.lock();
            if written.is_err() {
                writer.closed = true;
                self.peer.kill();
            } else if !writer.closed {
                writer.pipe = Some(pipe);
            }
        }
        writer.pipe = None;
    }

    fn close_input(&self) {
        let mut writer = self.writer.lock();
        writer.closed = true;
        writer.pipe = None;
        writer.queue.clear();
        drop(writer);
        self.to_write.notify_all();
    }

    /// Delivers an answer. Returns what is to be woken, or what is wrong with the answer.
    pub(super) fn deliver(&self, frame: Frame) -> Result<Option<std::task::Waker>, Malformed> {
        let Frame {
            channel,
            request,
            answer,
        } = frame;
        let mut channels = self.channels.lock();
        let Some(line) = channels.open.get_mut(&channel) else {
            return Err(Malformed::new(format!("there is no channel {channel}")));
        };
        let mailbox = Arc::clone(&line.mailbox);
        // The connection has ended by itself.
        if request == 0 && channel != OF_PROCESS {
            drop(channels);
            return Ok(mailbox.put(request, answer));
        }
        let mut bytes = 0;
        if answer.is_final() {
            match line.unanswered.front() {
                Some((last, size)) if *last == request => {
                    bytes = *size;
                    line.unanswered.pop_front();
                }
                Some((last, _)) if *last > request => {}
                _ => {
                    return Err(Malformed::new(format!(
                        "{} has the number {request} of no request",
                        answer.name()
                    )));
                }
            }
        } else if line.unanswered.front().is_none_or(|(last, _)| *last < request) {
            return Err(Malformed::new(format!(
                "{} has the number {request} of no request",
                answer.name()
            )));
        }
        let closed = line.closes == Some(request) && answer.is_final();
        let unread = line.closes.is_some();
        if closed {
            channels.open.remove(&channel);
            self.has_ended.notify_all();
        }
        channels.unanswered -= bytes;
        drop(channels);
        // Nobody reads rows of a channel that is being closed.
        if unread && matches!(answer, AnswerFrame::Rows(..)) {
            return Ok(None);
        }
        Ok(mailbox.put(request, answer))
    }

    /// Ends everything: the process wrote nothing more, or something wrong.
    pub(super) fn end(&self, why: Option<&Malformed>) {
        self.close_input();
        if why.is_some() {
            self.peer.kill();
        }
        let how = self.peer.reap(GRACE);
        let message = match why {
            Some(why) => format!("it did not keep to the protocol ({why}); {how}"),
            None => how,
        };
        let ending = Arc::new(ProcessEnding(message));
        let open = {
            let mut channels = self.channels.lock();
            channels.ending = Some(Arc::clone(&ending));
            std::mem::take(&mut channels.open)
        };
        self.has_ended.notify_all();
        for line in open.into_values() {
            line.mailbox.end(&ending);
        }
    }

    /// Waits for the end of a channel that is being closed; returns `false` if it did not come in time.
    pub(super) fn wait_closed(&self, channel: u32, limit: Duration) -> bool {
        let mut channels = self.channels.lock();
        let is_open = |channels: &mut Channels| channels.ending.is_none() && channels.open.contains_key(&channel);
        let timed_out = self.has_ended.wait_while_for(&mut channels, is_open, limit).timed_out();
        !timed_out
    }
}
