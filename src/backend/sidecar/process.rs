//! The child process of a sidecar.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::answer_queue::{AnswerQueue, QueueEnding};
use super::frame::{AnswerFrame, VERSION};
use super::link::Link;
use super::program;
use super::reading::read_all;
use super::requests::Outbox;
use super::shared_link::{SidecarPeer, spawn};
use super::stderr::LastLines;
use super::target::SidecarKind;
use crate::error::{Error, ErrorKind, Result};

/// The time between two looks at a process that is to end.
const STEP: Duration = Duration::from_millis(5);
/// The time that the last lines of a process have to arrive after its end.
const LAST_LINES: Duration = Duration::from_millis(300);

/// A child process.
struct Process {
    kind: SidecarKind,
    child: Arc<Mutex<Child>>,
    lines: Arc<LastLines>,
}

impl SidecarPeer for Process {
    fn kill(&self) {
        // It may have ended already.
        let _ = self.child.lock().kill();
    }

    fn reap(&self, grace: Duration) -> String {
        let start = Instant::now();
        let status = loop {
            let seen = self.child.lock().try_wait();
            match seen {
                Ok(Some(status)) => break Some(status),
                Err(_) => break None,
                Ok(None) if start.elapsed() < grace => thread::sleep(STEP),
                Ok(None) => {
                    self.kill();
                    break self.child.lock().wait().ok();
                }
            }
        };
        let name = self.kind.process();
        let how = status.map_or_else(|| "unknown".to_owned(), shown);
        format!("{name} ended ({how}){}", self.lines.last(LAST_LINES))
    }

    fn hide(&self, secrets: &[String]) {
        self.lines.hide(secrets);
    }
}

fn shown(status: ExitStatus) -> String {
    status.to_string()
}

impl SidecarKind {
    /// Returns the name of the process in messages.
    pub(super) fn process(self) -> &'static str {
        match self {
            Self::Jdbc => "the Java process of the JDBC drivers",
            Self::DbApi => "the Python process of the DB-API module",
            #[cfg(feature = "odbc")]
            Self::Odbc => "the thread of the ODBC driver",
        }
    }
}

/// Starts a process and waits until it says that it is ready. Blocks; called on a thread of its own.
pub(super) fn start(kind: SidecarKind, command: &[OsString], secrets: &[String], limit: Duration) -> Result<Link> {
    let Some((program, options)) = command.split_first() else {
        return Err(
            Error::new(ErrorKind::Config, format!("no program is given for {}", kind.process())).help(kind.way_out()),
        );
    };
    let folder = program::folder(kind).map_err(|why| {
        Error::new(
            ErrorKind::Config,
            format!("the program of {} cannot be written: {why}", kind.process()),
        )
        .help("set TMPDIR to a folder in which this program may write")
    })?;
    let mut child = Command::new(program);
    child.args(options);
    program::arguments(kind, &folder, &mut child);
    child
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Ctrl-C in a terminal is meant for the program, which ends its sidecars when it is ready.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut child, 0);
    let mut child = child.spawn().map_err(|why| not_started(kind, program, &why))?;
    let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Error::new(
            ErrorKind::Driver,
            format!("{} has no pipes", kind.process()),
        ));
    };
    let lines = Arc::<LastLines>::default();
    lines.hide(secrets);
    let process = Process {
        kind,
        child: Arc::new(Mutex::new(child)),
        lines: Arc::clone(&lines),
    };
    let link = Link::new(Box::new(input), Box::new(process));
    let answers = link.of_process();
    let shared = link.shared();
    let threads = spawn("ebbtide-stderr", move || lines.read(errors))
        .and_then(|()| spawn("ebbtide-read", move || read_all(&shared, output)));
    if let Err(why) = threads {
        link.kill();
        return Err(Error::new(
            ErrorKind::Driver,
            format!("no thread can be started: {why}"),
        ));
    }
    welcome(kind, program, &link, &answers, limit)?;
    // It has read its program, and nothing is left behind if this one is killed.
    drop(folder);
    Ok(link)
}

/// Says hello, and waits for the answer.
pub(super) fn welcome(
    kind: SidecarKind,
    program: &OsString,
    link: &Link,
    answers: &AnswerQueue,
    limit: Duration,
) -> Result<()> {
    let mut hello = Outbox::new(super::frame::OF_PROCESS, 0);
    hello.hello()?;
    link.shared().send(super::frame::OF_PROCESS, hello);
    let name = kind.process();
    let program = Path::new(program).display();
    let failed = |message: String| Error::new(ErrorKind::Connect, message).help(kind.way_out());
    match wait(answers, limit) {
        Some(Ok((
            _,
            AnswerFrame::Welcome {
                version: VERSION,
                pairs,
            },
        ))) => {
            let of = |name| pairs.get(name).unwrap_or_default();
            tracing::debug!(target: "ebbtide::sidecar", "{name} has started: {} {}", of("runtime"), of("version"));
            Ok(())
        }
        Some(Ok((_, AnswerFrame::Welcome { version, .. }))) => {
            link.kill();
            Err(failed(format!(
                "`{program}` speaks version {version} of the protocol instead of {VERSION}"
            )))
        }
        Some(Ok((_, other))) => {
            link.kill();
            Err(failed(format!(
                "`{program}` did not start as {name}: it answered {}",
                other.name()
            )))
        }
        Some(Err(ending)) => Err(failed(format!(
            "`{program}` did not start as {name}: {}",
            ending.reason
        ))),
        None => {
            link.kill();
            let limit = limit.as_secs_f32();
            Err(failed(format!(
                "`{program}` did not start as {name} within {limit} seconds"
            )))
        }
    }
}

/// Waits for an answer on this thread; `None` if none came in time.
fn wait(answers: &AnswerQueue, limit: Duration) -> Option<Result<(u32, AnswerFrame), Arc<QueueEnding>>> {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let end = Instant::now() + limit;
    loop {
        if let std::task::Poll::Ready(answer) = answers.poll(&mut context) {
            return Some(answer);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

/// Returns the error for a program that cannot be started: which one was looked for, and where.
fn not_started(kind: SidecarKind, program: &OsString, why: &io::Error) -> Error {
    let path = Path::new(program);
    let what = match kind {
        SidecarKind::Jdbc => "Java",
        SidecarKind::DbApi => "Python",
        #[cfg(feature = "odbc")]
        SidecarKind::Odbc => "ODBC",
    };
    let is_name = path.components().count() == 1;
    let message = match why.kind() {
        io::ErrorKind::NotFound if is_name => {
            let folders = std::env::var_os("PATH").unwrap_or_default();
            format!(
                "{what} was not found: there is no program `{}` in the folders of PATH ({})",
                path.display(),
                folders.to_string_lossy()
            )
        }
        io::ErrorKind::NotFound => format!("{what} was not found: there is no file {}", absolute(path).display()),
        io::ErrorKind::PermissionDenied => {
            format!(
                "{what} cannot be started: {} is no program that may be run",
                absolute(path).display()
            )
        }
        _ => format!("{what} cannot be started as `{}`: {why}", path.display()),
    };
    Error::new(ErrorKind::Config, message).help(kind.way_out())
}

fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path)
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_owned())
}

impl SidecarKind {
    fn way_out(self) -> &'static str {
        match self {
            Self::Jdbc => {
                "install a Java runtime of version 8 or later (on Debian `default-jre-headless`), or give the path of \
                 the program `java` with the option `java`"
            }
            Self::DbApi => {
                "install Python 3.6 or later, or give the path of the interpreter, such as that of a virtual \
                 environment, with the option `python`"
            }
            #[cfg(feature = "odbc")]
            Self::Odbc => "install unixODBC (on Debian `unixodbc`)",
        }
    }
}
