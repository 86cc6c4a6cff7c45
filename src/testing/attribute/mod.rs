//! The runtime part of `#[ebbtide::test]`. The attribute creates a `Spec` from its options and passes it to `run` with
//! the body of the test. Nothing here is meant to be called by hand.

mod content;
mod empty;
mod environment;
mod lock;
mod names;
mod ready;
mod report;
mod run;
mod runner_runtime;
mod running;
mod shared_database;
mod spec;

pub use content::{Migration, Migrations, Script};
pub use run::{run, run_without_database};
pub use spec::{Runtime, Spec, Strategy};
