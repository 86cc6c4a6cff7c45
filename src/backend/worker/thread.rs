//! The runtime thread, on which isolated connections live.

use std::fmt;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

/// Time for which [`RuntimeThread::join`] waits for the thread.
const JOIN_LIMIT: Duration = Duration::from_secs(2);

/// A thread with its own tokio runtime, started when it is first needed. It ends when it is joined, or when this is
/// dropped; the connections on it end with it.
pub(crate) struct RuntimeThread {
    name: String,
    thread: Mutex<Option<Thread>>,
    build: Build,
}

/// A function that creates the runtime; tests use another one.
pub(in crate::backend) type Build = fn() -> io::Result<Runtime>;

/// The thread while it runs.
struct Thread {
    handle: Handle,
    /// Sender whose drop ends the thread; closed when the thread has ended by itself.
    stop: oneshot::Sender<()>,
    /// Receiver that is disconnected when everything on the thread is gone.
    ended: mpsc::Receiver<()>,
    join: JoinHandle<()>,
}

impl RuntimeThread {
    /// Creates a runtime thread with this name. Nothing is started.
    pub(crate) fn new(name: impl Into<String>) -> Arc<Self> {
        Self::building(name, || Builder::new_current_thread().enable_all().build())
    }

    pub(in crate::backend) fn building(name: impl Into<String>, build: Build) -> Arc<Self> {
        Arc::new(Self {
            // The operating system ends thread names at a NUL.
            name: name.into().replace('\0', ""),
            thread: Mutex::new(None),
            build,
        })
    }

    /// Returns the runtime of the thread, which is started if it does not run.
    ///
    /// Fails with [`ErrorKind::Connect`] if the thread cannot be started, with the system's error as the source. The
    /// next call tries again.
    pub(crate) fn handle(&self) -> Result<Handle> {
        let mut thread = self.thread.lock();
        if let Some(running) = thread.as_ref().filter(|thread| !thread.stop.is_closed()) {
            return Ok(running.handle.clone());
        }
        let started = self.start().map_err(|error| self.not_started(error))?;
        Ok(thread.insert(started).handle.clone())
    }

    fn start(&self) -> io::Result<Thread> {
        let runtime = (self.build)()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let (end, ended) = mpsc::channel::<()>();
        // If the thread cannot be started, the runtime comes back: it must not be dropped where blocking is forbidden.
        let cargo = Arc::new(Mutex::new(Some(runtime)));
        let loaded = Arc::clone(&cargo);
        let body = move || {
            let _end = end;
            let runtime = loaded.lock().take();
            if let Some(runtime) = runtime {
                let _ = runtime.block_on(stopped);
                // Name lookups may still run on other threads; they are not awaited.
                runtime.shutdown_background();
            }
        };
        match thread::Builder::new().name(self.name.clone()).spawn(body) {
            Ok(join) => Ok(Thread {
                handle,
                stop,
                ended,
                join,
            }),
            Err(error) => {
                if let Some(runtime) = cargo.lock().take() {
                    runtime.shutdown_background();
                }
                Err(error)
            }
        }
    }

    /// Ends the thread with all connections on it, and waits for its end, at most two seconds. The next
    /// [`handle`](Self::handle) starts another. Does nothing if none runs.
    ///
    /// Fails with [`ErrorKind::Timeout`] if something blocks the thread. Dropped half-way, it still ends the thread.
    pub(crate) async fn join(&self) -> Result<()> {
        let Some(running) = self.thread.lock().take() else {
            return Ok(());
        };
        let Thread { stop, ended, join, .. } = running;
        drop(stop);
        // A separate thread waits, so that the limit also holds without a runtime.
        let (report, outcome) = oneshot::channel();
        let wait = move || {
            let in_time = ended.recv_timeout(JOIN_LIMIT) != Err(mpsc::RecvTimeoutError::Timeout);
            if in_time {
                // A panic was reported when it happened.
                let _ = join.join();
            }
            let _ = report.send(in_time);
        };
        thread::Builder::new()
            .name(format!("{}-join", self.name))
            .spawn(wait)
            .map_err(|error| self.not_started(error))?;
        match outcome.await {
            Ok(true) => Ok(()),
            _ => Err(self.blocked()),
        }
    }

    fn not_started(&self, error: io::Error) -> Error {
        let message = format!(
            "the thread `{}` of full isolation could not be started: {error}",
            self.name
        );
        Error::new(ErrorKind::Connect, message)
            .help("does the system limit the threads or open files of this program?")
            .with_source(error)
    }

    fn blocked(&self) -> Error {
        let message = format!(
            "the thread `{}` of full isolation did not end within {JOIN_LIMIT:?}",
            self.name
        );
        Error::new(ErrorKind::Timeout, message)
            .help("something blocks it; code that runs on an isolated connection must not wait for other threads")
    }
}

impl fmt::Debug for RuntimeThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeThread")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::executor::block_on;

    use super::*;

    /// Returns the name of the thread on which a task of the runtime runs.
    fn thread_name(handle: &Handle) -> Option<String> {
        let (sender, receiver) = mpsc::channel();
        handle.spawn(async move { sender.send(thread::current().name().map(str::to_owned)) });
        receiver.recv_timeout(Duration::from_secs(5)).unwrap()
    }

    #[test]
    fn i2_the_thread_starts_once_and_again_after_it_was_joined() {
        let runtime_thread = RuntimeThread::new("isolated\0-test");
        assert!(runtime_thread.thread.lock().is_none());
        let first = runtime_thread.handle().unwrap();
        assert_eq!(first.id(), runtime_thread.handle().unwrap().id());
        assert_eq!(thread_name(&first).as_deref(), Some("isolated-test"));
        block_on(runtime_thread.join()).unwrap();
        block_on(runtime_thread.join()).unwrap();
        assert!(block_on(first.spawn(async {})).unwrap_err().is_cancelled());
        let second = runtime_thread.handle().unwrap();
        assert!(thread_name(&second).is_some());
        assert_ne!(first.id(), second.id());
    }

    #[test]
    fn i2_joining_waits_until_everything_on_the_thread_is_gone() {
        let runtime_thread = RuntimeThread::new("isolated-test");
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        runtime_thread.handle().unwrap().spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        block_on(runtime_thread.join()).unwrap();
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn i2_a_failure_to_start_carries_its_cause_and_the_next_call_tries_again() {
        static FULL: AtomicBool = AtomicBool::new(true);
        let runtime_thread = RuntimeThread::building("isolated-test", || {
            if FULL.load(Ordering::Relaxed) {
                return Err(io::Error::other("no threads left"));
            }
            Builder::new_current_thread().enable_all().build()
        });
        let error = runtime_thread.handle().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains("help:"), "{error}");
        assert_eq!(
            std::error::Error::source(&error).unwrap().to_string(),
            "no threads left"
        );
        FULL.store(false, Ordering::Relaxed);
        runtime_thread.handle().unwrap();
    }

    #[test]
    fn i2_joining_a_blocked_thread_ends_with_an_error() {
        let runtime_thread = RuntimeThread::new("isolated-test");
        let (release, released) = mpsc::channel::<()>();
        let (block, blocked) = mpsc::channel();
        runtime_thread.handle().unwrap().spawn(async move {
            block.send(()).unwrap();
            let _ = released.recv();
        });
        blocked.recv_timeout(Duration::from_secs(5)).unwrap();
        let error = block_on(runtime_thread.join()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        drop(release);
        runtime_thread.handle().unwrap();
    }

    #[test]
    fn i2_a_dropped_runtime_thread_ends_its_thread_without_waiting() {
        let runtime_thread = RuntimeThread::new("isolated-test");
        runtime_thread.handle().unwrap();
        let ended = runtime_thread.thread.lock().as_mut().map(|thread| {
            let (_, nothing) = mpsc::channel();
            std::mem::replace(&mut thread.ended, nothing)
        });
        drop(runtime_thread);
        let end = ended.unwrap().recv_timeout(Duration::from_secs(5));
        assert_eq!(end, Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
