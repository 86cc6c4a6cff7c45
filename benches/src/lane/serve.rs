//! The loop of a lane process.

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use super::worker::{Worker, run};
use crate::Outcome;
use crate::job::Job;
use crate::memory::Growth;

/// The allocations of a process so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Number of allocations and reallocations.
    pub allocations: u64,
    /// Number of requested bytes.
    pub bytes: u64,
}

/// A function that reads the counts of the process' allocator.
pub type Counter = fn() -> Counts;

/// Runs a process with a lane.
pub(crate) fn main(counter: Counter, open: impl FnOnce(Counter, &Job) -> Outcome) -> ExitCode {
    let job = Job::from_arguments(std::env::args().skip(1));
    match job.and_then(|job| open(counter, &job).map_err(|error| format!("{job}: {error}").into())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Creates the runtime of a lane: everything on one thread, which is pinned to one processor.
pub(crate) fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Answers the lines of standard input until it ends.
pub(crate) fn serve<W: Worker>(runtime: &Runtime, counter: Counter, job: &Job, mut workers: Vec<W>) -> Outcome {
    let mut output = std::io::stdout().lock();
    writeln!(output, "ready")?;
    output.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let operations = match line.split_once(' ') {
            Some(("go", operations)) => operations.parse()?,
            _ => return Err(format!("`{line}` is no command; `go N` is").into()),
        };
        for worker in &mut workers {
            runtime.block_on(worker.before(job.workload))?;
        }
        let mut growth = Growth::from_now();
        let (counts, begun) = (counter(), Instant::now());
        workers = runtime.block_on(run(workers, job, operations, &mut growth))?;
        let (taken, after) = (begun.elapsed().max(Duration::from_nanos(1)), counter());
        for worker in &mut workers {
            runtime.block_on(worker.after(job.workload))?;
        }
        writeln!(
            output,
            "{} {} {} {}",
            taken.as_nanos(),
            after.allocations - counts.allocations,
            after.bytes - counts.bytes,
            growth.kilobytes()
        )?;
        output.flush()?;
    }
    Ok(())
}
