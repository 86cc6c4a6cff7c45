//! What the attribute says about a test.

use super::content::{Migrations, Script};
use crate::config::Config;
use crate::error::Result;

/// How a test is kept apart from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// A sandbox: everything is rolled back.
    Rollback,
    /// A database of its own, dropped at the end.
    Clone,
    /// One database, emptied before each test, which has it alone.
    Truncate,
}

/// The tokio runtime of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// The thread of the test does everything.
    CurrentThread,
    /// With threads of its own, as many as the machine has processors unless a number is given.
    MultiThread(Option<usize>),
}

/// What the attribute says about a test.
#[derive(Debug)]
pub struct Spec {
    /// Its full path.
    pub name: &'static str,
    /// The folder of the crate's manifest.
    pub manifest: &'static str,
    /// Which database; without it the environment says.
    pub source: Option<Result<Config>>,
    /// What makes the tables.
    pub migrations: Migrations,
    /// What fills them.
    pub fixtures: &'static [Script],
    /// How it is kept apart.
    pub strategy: Strategy,
    /// What it runs on.
    pub runtime: Runtime,
    /// Whether a panic is what it wants.
    pub should_panic: bool,
}
