//! The attribute's description of a test.

use super::content::{Migrations, Script};
use crate::config::Config;
use crate::error::Result;

/// The way in which a test is isolated from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// A sandbox: everything is rolled back.
    Rollback,
    /// A database of its own, dropped at the end.
    Clone,
    /// One database, emptied before each test, which has it exclusively.
    Truncate,
}

/// The tokio runtime of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Everything runs on the thread of the test.
    CurrentThread,
    /// Worker threads: as many as the machine has processors unless a number is given.
    MultiThread(Option<usize>),
}

/// The attribute's description of a test.
#[derive(Debug)]
pub struct Spec {
    /// Full path of the test.
    pub name: &'static str,
    /// Folder of the crate's manifest.
    pub manifest: &'static str,
    /// Database of the test; by default, the environment names it.
    pub source: Option<Result<Config>>,
    /// Migrations that create the tables.
    pub migrations: Migrations,
    /// Fixtures that fill the tables.
    pub fixtures: &'static [Script],
    /// Isolation strategy.
    pub strategy: Strategy,
    /// Runtime of the test.
    pub runtime: Runtime,
    /// `true` if the test is expected to panic.
    pub should_panic: bool,
}
