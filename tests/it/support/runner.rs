//! Runs one test: a separate thread and runtime, a time limit, and the clean-up afterwards.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::Test;
use super::case::Body;
use crate::backends::Backend;
use crate::drivers::Driver;

/// The time that a timed-out test may take to stop, and a runtime to shut down.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Runs the test on a separate thread, so that a test that blocks its thread also runs out of time. The limit does not
/// use the runtime's clock, which a test may have stopped.
pub(crate) fn run(
    name: &str,
    backend: Backend,
    driver: Option<Driver>,
    body: Body,
    current_thread: bool,
    limit: Duration,
) -> Result<(), String> {
    let start = Instant::now();
    let test = Test::new(name, backend, driver)?;
    let cleanup = test.cleanup();
    let (cancel, cancelled) = oneshot::channel();
    let (done, finished) = mpsc::channel();
    let on_thread = move || {
        let result = catch_unwind(AssertUnwindSafe(|| {
            run_on_runtime(test, body, current_thread, cancelled)
        }));
        // The receiver is gone when the test has timed out.
        let _ = done.send(result.unwrap_or_else(|payload| Err(panic_message(&*payload))));
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(on_thread)
        .map_err(|error| error.to_string())?;

    let mut result = finished.recv_timeout(limit);
    if result == Err(RecvTimeoutError::Timeout) {
        let _ = cancel.send(());
        let stuck = finished.recv_timeout(STOP_LIMIT).is_err();
        let how = if stuck {
            "; its thread is blocked and was left behind"
        } else {
            ""
        };
        result = Ok(Err(format!("{name} did not end within {} s{how}", limit.as_secs_f64())));
    }
    let cleaned = cleanup
        .empty()
        .map_err(|error| format!("{name}: cannot drop the tables of the test: {error}"));
    TIMES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((start.elapsed(), name.to_owned()));
    result.map_err(|error| error.to_string()).flatten().and(cleaned)
}

/// What each case took.
static TIMES: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

/// Returns the cases that took longest so far, one in a line.
pub(crate) fn slowest(count: usize) -> String {
    let mut times = TIMES.lock().unwrap_or_else(PoisonError::into_inner);
    times.sort_unstable_by(|one, other| other.cmp(one));
    let lines = times.iter().take(count);
    lines
        .map(|(time, name)| format!("{:6.1} s  {name}\n", time.as_secs_f64()))
        .collect()
}

fn run_on_runtime(
    test: Test,
    body: Body,
    current_thread: bool,
    cancelled: oneshot::Receiver<()>,
) -> Result<(), String> {
    let mut builder = if current_thread {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    if !current_thread {
        builder.worker_threads(2);
    }
    let runtime = builder.enable_all().build().map_err(|error| error.to_string())?;
    let result = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            match select(body(test), cancelled).await {
                Either::Left((result, _)) => result,
                Either::Right(_) => Err("ran out of time".to_owned()),
            }
        })
    }));
    runtime.shutdown_timeout(STOP_LIMIT);
    result.unwrap_or_else(|payload| Err(panic_message(&*payload)))
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("the test panicked")
        .to_owned()
}

/// Runs a future to its end on a separate runtime, outside of any other.
pub(crate) fn block_on_here<T>(future: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let runtime: Runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(sqlx::Error::Io)?;
    runtime.block_on(async {
        let limited = tokio::time::timeout(Duration::from_secs(20), future).await;
        limited.unwrap_or_else(|_| Err(sqlx::Error::Protocol("no answer within 20 s".to_owned())))
    })
}
