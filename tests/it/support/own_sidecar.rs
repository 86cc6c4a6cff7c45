//! A JVM or an interpreter of one test alone, which the test can end.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ebbtide::Config;

use super::Test;
use crate::drivers::Bridge;

/// A program of one test in front of Java or Python. It writes down its process and becomes the other one.
#[derive(Debug)]
pub(crate) struct OwnSidecar {
    program: PathBuf,
    processes: PathBuf,
}

impl OwnSidecar {
    pub(crate) fn new(t: &Test) -> Self {
        let bridge = t.driver().map(crate::drivers::Driver::bridge);
        let real = match bridge {
            Some(Bridge::DbApi) => std::env::var("EBBTIDE_TEST_PYTHON").unwrap(),
            _ => "java".to_owned(),
        };
        Self::before(t.folder(), &real)
    }

    /// Puts a program into `folder` in front of `real`.
    pub(crate) fn before(folder: &Path, real: &str) -> Self {
        let (program, processes) = (folder.join("sidecar"), folder.join("processes"));
        let script = format!(
            "#!/bin/sh\necho $$ >> '{}'\nexec '{real}' \"$@\"\n",
            processes.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { program, processes }
    }

    /// Returns the test's configuration with this program.
    pub(crate) fn config(&self, t: &Test) -> Config {
        let config = Config::from_url(t.url().as_str()).unwrap();
        let program = self.program.to_str().unwrap();
        match t.driver().map(crate::drivers::Driver::bridge) {
            Some(Bridge::DbApi) => config.python(program),
            _ => config.java(program),
        }
    }

    /// Returns the processes that were started so far.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let text = fs::read_to_string(&self.processes).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Sends a signal to all processes that still run.
    pub(crate) fn signal(&self, signal: &str) {
        for process in self.processes() {
            let _ = Command::new("kill")
                .arg(format!("-{signal}"))
                .arg(process.to_string())
                .stderr(std::process::Stdio::null())
                .status();
        }
    }

    /// Returns how many of the processes still run.
    pub(crate) fn running(&self) -> usize {
        let runs = |process: &u32| {
            let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            let state = status
                .rsplit_once(')')
                .map(|(_, rest)| rest.trim_start().starts_with('Z'));
            state == Some(false)
        };
        self.processes().iter().filter(|process| runs(process)).count()
    }

    /// Waits until none of the processes runs.
    pub(crate) async fn ended(&self) {
        for _ in 0..500 {
            if self.running() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("a sidecar still runs: {:?}", self.processes());
    }
}

impl Drop for OwnSidecar {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}
