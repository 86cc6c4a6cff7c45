//! The thread of a connection.

use std::sync::mpsc;
use std::thread;

use crate::error::{Error, ErrorKind, Result};

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does one job after the other. It ends when this is dropped, after the jobs that it was given.
#[derive(Debug)]
pub(super) struct ConnectionThread {
    jobs: mpsc::Sender<Job>,
}

impl ConnectionThread {
    /// Starts a thread. Fails with [`ErrorKind::Connect`] if the system has none left.
    pub(super) fn start() -> Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let body = move || {
            for job in inbox {
                job();
            }
        };
        thread::Builder::new()
            .name("ebbtide-rusqlite".to_owned())
            .spawn(body)
            .map_err(|error| {
                Error::new(
                    ErrorKind::Connect,
                    format!("the thread of a connection cannot be started: {error}"),
                )
                .help("does the system limit the threads of this program?")
                .with_source(error)
            })?;
        Ok(Self { jobs })
    }

    /// Gives it a job. Returns `false` if the thread has ended, because a job has panicked.
    pub(super) fn submit(&self, job: impl FnOnce() + Send + 'static) -> bool {
        self.jobs.send(Box::new(job)).is_ok()
    }
}
