//! What the threads of a link share: the channels of its process, what is sent to it, and what comes back.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::answer_queue::{AnswerQueue, QueueEnding};
use super::frame::{AnswerFrame, Frame, Malformed, OF_PROCESS};
use super::open_channel::OpenChannel;
use super::requests::Outbox;

/// Number of bytes of unanswered requests up to which the caller itself writes. A pipe holds at least that many, so it
/// cannot be full.
const SURELY_FITS: usize = 16 * 1024;
/// The time that a process has to end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// The process at the other end.
pub(super) trait SidecarPeer: Send + Sync {
    /// Ends it.
    fn kill(&self);

    /// Waits for its end, ends it after a time, and returns how it ended.
    fn reap(&self, grace: Duration) -> String;

    /// Notes what no message may show.
    fn hide(&self, _secrets: &[String]) {}
}

/// What the threads of a link share.
pub(super) struct SharedLink {
    peer: Box<dyn SidecarPeer>,
    writer: Mutex<Writer>,
    /// Signalled when there is something for the thread that writes.
    to_write: Condvar,
    channels: Mutex<Channels>,
    /// Signalled when the process or a channel has ended.
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
    open: HashMap<u32, OpenChannel>,
    /// Number of bytes of unanswered requests.
    unanswered: usize,
    ending: Option<Arc<QueueEnding>>,
}

/// Starts a thread.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

impl SharedLink {
    pub(super) fn new(pipe: Box<dyn Write + Send>, peer: Box<dyn SidecarPeer>) -> Self {
        Self {
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
        }
    }

    /// Opens the channel of the process itself.
    pub(super) fn of_process(&self) -> Arc<AnswerQueue> {
        self.register(OF_PROCESS)
    }

    /// Opens a channel. Returns its number.
    pub(super) fn open(&self) -> (u32, Arc<AnswerQueue>) {
        let number = {
            let mut channels = self.channels.lock();
            channels.last += 1;
            channels.last
        };
        (number, self.register(number))
    }

    fn register(&self, number: u32) -> Arc<AnswerQueue> {
        let answers = Arc::<AnswerQueue>::default();
        let mut channels = self.channels.lock();
        match &channels.ending {
            Some(ending) => answers.end(ending),
            None => {
                channels.open.insert(number, OpenChannel::new(&answers));
            }
        }
        answers
    }

    pub(super) fn has_ended(&self) -> bool {
        self.channels.lock().ending.is_some()
    }

    pub(super) fn hide(&self, secrets: &[String]) {
        self.peer.hide(secrets);
    }

    pub(super) fn kill(&self) {
        self.peer.kill();
    }

    /// Returns whether requests of a channel are under way.
    pub(super) fn is_busy(&self, channel: u32) -> bool {
        self.channels
            .lock()
            .open
            .get(&channel)
            .is_some_and(OpenChannel::is_busy)
    }

    /// Sends requests of a channel.
    pub(super) fn send(self: &Arc<Self>, channel: u32, outbox: Outbox) {
        self.write(channel, |open| open.requests(outbox));
    }

    /// Sends a frame about a request under way, which has no answer.
    pub(super) fn notify(self: &Arc<Self>, channel: u32, bytes: Vec<u8>) {
        self.write(channel, |open| open.notice(bytes));
    }

    /// Cancels everything under way on a channel.
    pub(super) fn cancel(self: &Arc<Self>, channel: u32) {
        self.write(channel, |open| open.cancel(channel));
    }

    /// Sends the end of a channel: nobody reads its rows any more. `cancels` tells whether what is under way is ended.
    pub(super) fn close(self: &Arc<Self>, channel: u32, cancels: bool) {
        self.write(channel, |open| open.close(channel, cancels));
    }

    /// Ends a channel for its reader.
    pub(super) fn end_channel(&self, channel: u32, why: &Arc<QueueEnding>) {
        let answers = {
            let channels = self.channels.lock();
            channels.open.get(&channel).map(|open| Arc::clone(&open.answers))
        };
        if let Some(answers) = answers {
            answers.end(why);
        }
    }

    /// Writes frames at once if they surely fit into the pipe; a thread writes the rest.
    fn write(self: &Arc<Self>, channel: u32, frames: impl FnOnce(&mut OpenChannel) -> Option<Vec<u8>>) {
        let mut writer = self.writer.lock();
        let (bytes, fits) = {
            let mut channels = self.channels.lock();
            let Some(bytes) = channels.open.get_mut(&channel).and_then(frames) else {
                return;
            };
            channels.unanswered += bytes.len();
            (bytes, channels.unanswered <= SURELY_FITS)
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
            let shared = Arc::clone(self);
            if spawn("ebbtide-write", move || shared.write_queued()).is_err() {
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

    pub(super) fn close_input(&self) {
        let mut writer = self.writer.lock();
        writer.closed = true;
        writer.pipe = None;
        writer.queue.clear();
        drop(writer);
        self.to_write.notify_all();
    }

    /// Delivers an answer. Returns what is to be woken, or what is wrong with the answer.
    pub(super) fn deliver(&self, frame: Frame) -> Result<Option<Waker>, Malformed> {
        let mut channels = self.channels.lock();
        let last = channels.last;
        let Some(open) = channels.open.get_mut(&frame.channel) else {
            return if (1..=last).contains(&frame.channel) {
                // The channel was closed before.
                Ok(None)
            } else {
                Err(Malformed::new(format!("there is no channel {}", frame.channel)))
            };
        };
        let answers = Arc::clone(&open.answers);
        if let (0, AnswerFrame::Failed(failure)) = (frame.request, &frame.answer) {
            drop(channels);
            answers.end(&Arc::new(QueueEnding {
                reason: failure.message.clone(),
                nothing_ran: true,
            }));
            return Ok(None);
        }
        let answered = open.answered(frame.request, frame.answer.is_final())?;
        if answered.closed {
            channels.open.remove(&frame.channel);
            self.has_ended.notify_all();
        }
        channels.unanswered -= answered.bytes;
        drop(channels);
        if answered.unread && matches!(frame.answer, AnswerFrame::Rows(..)) {
            return Ok(None);
        }
        Ok(answers.put(frame.request, frame.answer))
    }

    /// Ends everything: the process wrote nothing more, or something wrong.
    pub(super) fn end(&self, why: Option<&Malformed>) {
        self.close_input();
        if why.is_some() {
            self.peer.kill();
        }
        let how = self.peer.reap(GRACE);
        let reason = match why {
            Some(why) => format!("it did not keep to the protocol ({why}); {how}"),
            None => how,
        };
        let ending = Arc::new(QueueEnding {
            reason,
            nothing_ran: false,
        });
        let open = {
            let mut channels = self.channels.lock();
            channels.ending = Some(Arc::clone(&ending));
            std::mem::take(&mut channels.open)
        };
        self.has_ended.notify_all();
        for open in open.into_values() {
            open.answers.end(&ending);
        }
    }

    /// Ends the process if it does not end by itself, its input being closed.
    pub(super) fn end_in_time(&self) {
        let has_ended = {
            let mut channels = self.channels.lock();
            let runs = |channels: &mut Channels| channels.ending.is_none();
            !self.has_ended.wait_while_for(&mut channels, runs, GRACE).timed_out()
        };
        if !has_ended {
            self.peer.kill();
        }
    }

    /// Waits for the end of a channel that is being closed; returns `false` if it did not come in time.
    pub(super) fn wait_closed(&self, channel: u32, limit: Duration) -> bool {
        let mut channels = self.channels.lock();
        let is_open = |channels: &mut Channels| channels.open.contains_key(&channel);
        let timed_out = self.has_ended.wait_while_for(&mut channels, is_open, limit).timed_out();
        !timed_out
    }
}
