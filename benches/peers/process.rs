//! A lane from the benchmark's side: a process that runs operations on demand.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use ebbtide_bench::job::Job;
use ebbtide_bench::{LANE_URL, Outcome};

/// The figures of one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) nanos: f64,
    pub(crate) allocations: f64,
    pub(crate) bytes: f64,
    pub(crate) kilobytes: f64,
}

/// The programs of a lane: for times, and for allocations.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) plain: PathBuf,
    pub(crate) counted: PathBuf,
}

#[derive(Debug)]
pub(crate) struct LaneProcess {
    child: Child,
    /// `None` once the process has been asked to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl LaneProcess {
    /// Starts a lane, and waits until it has connected.
    pub(crate) fn start(program: &Path, job: &Job, url: &str) -> Outcome<Self> {
        Self::run(Command::new(program), job, url)
    }

    /// Starts a lane through a command that runs the program, such as valgrind.
    pub(crate) fn run(mut command: Command, job: &Job, url: &str) -> Outcome<Self> {
        let mut child = command
            .args(job.arguments())
            .env(LANE_URL, url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the pipes of a lane".into());
        };
        let mut lane = Self {
            child,
            input: Some(input),
            output: BufReader::new(output),
        };
        match lane.line()?.as_str() {
            "ready" => Ok(lane),
            other => Err(format!("{job}: `{other}` instead of `ready`").into()),
        }
    }

    /// Runs a number of operations.
    pub(crate) fn go(&mut self, operations: usize) -> Outcome<Turn> {
        let input = self.input.as_mut().ok_or("the lane has ended")?;
        writeln!(input, "go {operations}")?;
        input.flush()?;
        let line = self.line()?;
        let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [nanos, allocations, bytes, kilobytes] = numbers[..] else {
            return Err(format!("a lane said `{line}`").into());
        };
        Ok(Turn {
            nanos,
            allocations,
            bytes,
            kilobytes,
        })
    }

    /// Lets the process end by itself, so that it reports its counts.
    pub(crate) fn finish(mut self) -> Outcome {
        drop(self.input.take());
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(format!("a lane ended with {status}").into())
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("the lane ended".into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for LaneProcess {
    fn drop(&mut self) {
        if self.input.take().is_some() {
            // Its connections may be busy; they are no longer needed.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
