//! Checkpoints: a write-ahead log is written back beside its writers, so that no commit of theirs does it.

use std::cell::Cell;
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::open_options::OpenOptions;

/// Number of pages in the log from which on it is written back: that of SQLite itself.
const PAGES: i32 = 1_000;

/// Number of pages from which on a writer does it itself, because those beside it do not keep up.
const TOO_MANY: i32 = 4 * PAGES;

thread_local! {
    /// The number of pages in the log after the last commit on this thread. SQLite calls the hook of a connection during
    /// the call that commits, and the session looks at it right after that.
    static LOGGED: Cell<i32> = const { Cell::new(0) };
}

/// Notes the pages in the log of a commit.
#[expect(clippy::unnecessary_wraps, reason = "a hook of the driver may fail")]
pub(super) fn note(wal: &Wal, pages: i32) -> rusqlite::Result<()> {
    if wal.name() == c"main" {
        LOGGED.set(pages);
    }
    Ok(())
}

/// Writes back the log of one file, at most once at a time.
#[derive(Debug)]
pub(super) struct Checkpoints {
    options: OpenOptions,
    work: Mutex<Work>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    /// Number of sessions with the file.
    sessions: usize,
    is_running: bool,
}

/// The checkpoints of one session. Dropped with the last one, it waits until nothing has the file open any more.
#[derive(Debug)]
pub(super) struct SessionCheckpoints(Arc<Checkpoints>);

impl Drop for SessionCheckpoints {
    fn drop(&mut self) {
        let mut work = self.0.work.lock();
        work.sessions -= 1;
        while work.sessions == 0 && work.is_running {
            self.0.ended.wait(&mut work);
        }
    }
}

/// A checkpoint under way.
struct RunningCheckpoint(Arc<Checkpoints>);

impl Drop for RunningCheckpoint {
    fn drop(&mut self) {
        self.0.work.lock().is_running = false;
        self.0.ended.notify_all();
    }
}

/// What the writer has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterCommit {
    Nothing,
    /// The log has become too long, and must be written back before the next commit.
    Checkpoint,
}

impl Checkpoints {
    pub(super) fn new(options: OpenOptions) -> Arc<Self> {
        Arc::new(Self {
            options,
            work: Mutex::default(),
            ended: Condvar::new(),
        })
    }

    /// Returns the checkpoints of a new session.
    pub(super) fn join(self: &Arc<Self>) -> SessionCheckpoints {
        self.work.lock().sessions += 1;
        SessionCheckpoints(Arc::clone(self))
    }

    /// Writes back what no reader needs. What fails is left to the next checkpoint: the log loses nothing.
    fn run(&self) {
        if let Ok(connection) = self.options.open() {
            let _ = checkpoint(&connection);
            let _ = connection.close();
        }
    }
}

impl SessionCheckpoints {
    /// Looks at the log after a commit on this thread, if there was one.
    pub(super) fn after_commit(&self) -> AfterCommit {
        let pages = LOGGED.replace(0);
        if pages >= PAGES && !std::mem::replace(&mut self.0.work.lock().is_running, true) {
            let running = RunningCheckpoint(Arc::clone(&self.0));
            let name = "ebbtide-checkpoint".to_owned();
            // Without a thread, the next commit tries again.
            let _ = thread::Builder::new().name(name).spawn(move || running.0.run());
        }
        if pages >= TOO_MANY {
            AfterCommit::Checkpoint
        } else {
            AfterCommit::Nothing
        }
    }
}

/// Writes back what no reader needs, on a connection.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()))
}
