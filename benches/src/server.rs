//! Prepares the servers for measuring, as far as permitted: on the same processor as the client.

use std::process::{Command, Stdio};

use sqlx::{Connection, MySqlConnection, PgConnection};

use crate::{Failure, Outcome};

/// The changes to the servers. Dropping this undoes them.
#[derive(Debug)]
pub struct Servers {
    processor: Option<usize>,
    /// Processes, and the processors they were allowed before.
    pinned: Vec<(u32, String)>,
}

impl Servers {
    /// Prepares nothing yet; without a processor nothing can be pinned.
    pub fn new(processor: Option<usize>) -> Self {
        Self {
            processor,
            pinned: Vec::new(),
        }
    }

    /// Pins PostgreSQL's main process; the processes it starts for connections from now on inherit that.
    pub async fn pin_postgres(&mut self, url: &str) {
        let pinned = match postmaster(url).await {
            Ok(process) => self.pin(process),
            Err(error) => Err(error),
        };
        excuse("PostgreSQL", pinned);
    }

    /// Pins every thread of MySQL or MariaDB.
    pub async fn pin_mysql(&mut self, url: &str) {
        let pinned = match mysqld(url).await {
            Ok(process) => self.pin(process),
            Err(error) => Err(error),
        };
        excuse("MySQL or MariaDB", pinned);
    }

    fn pin(&mut self, process: u32) -> Outcome {
        let Some(processor) = self.processor else {
            return Err("this process itself is not pinned".into());
        };
        let before = allowed(process)?;
        taskset(&processor.to_string(), process)?;
        self.pinned.push((process, before));
        Ok(())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for (process, before) in self.pinned.drain(..) {
            if let Err(error) = taskset(&before, process) {
                eprintln!("NOTE: process {process} stays on one processor (before: {before}): {error}");
            }
        }
    }
}

fn excuse(server: &str, pinned: Outcome) {
    if let Err(error) = pinned {
        eprintln!(
            "NOTE: {server} is not pinned to the client's processor ({error}); wake-ups between processors will blur its figures"
        );
    }
}

/// Returns the parent of the process that serves a connection.
async fn postmaster(url: &str) -> Outcome<u32> {
    let mut connection = PgConnection::connect(url).await?;
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut connection)
        .await?;
    // The process exists as long as the connection is open.
    let status = std::fs::read_to_string(format!("/proc/{backend}/status")).map_err(|_| elsewhere())?;
    connection.close().await?;
    let parent = field(&status, "PPid:").ok_or_else(elsewhere)?;
    known(parent.parse()?, &["postgres", "postmaster"])
}

async fn mysqld(url: &str) -> Outcome<u32> {
    let mut connection = MySqlConnection::connect(url).await?;
    let (file, folder): (String, String) = sqlx::query_as("SELECT @@pid_file, @@datadir")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    let process = std::fs::read_to_string(std::path::Path::new(&folder).join(file)).map_err(|_| elsewhere())?;
    known(process.trim().parse()?, &["mariadbd", "mysqld"])
}

/// Returns the process if it is the server's: on another machine the number may belong to any process.
fn known(process: u32, names: &[&str]) -> Outcome<u32> {
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).map_err(|_| elsewhere())?;
    if names.contains(&name.trim()) {
        return Ok(process);
    }
    Err(elsewhere())
}

fn elsewhere() -> Failure {
    "its process was not found on this machine".into()
}

fn allowed(process: u32) -> Outcome<String> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    Ok(field(&status, "Cpus_allowed_list:").ok_or_else(elsewhere)?.to_owned())
}

fn field<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// Allows a process and all its threads a list of processors. The crates for this need unsafe code to change another
/// process, so an external program does it.
fn taskset(processors: &str, process: u32) -> Outcome {
    let status = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", processors, &process.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("taskset: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("taskset was not allowed to move process {process}").into())
}
