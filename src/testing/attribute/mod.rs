//! What `#[ebbtide::test]` runs on. The attribute makes a `Spec` of its options and hands it to `run` with the
//! body of the test; nothing here is meant to be called by hand.

mod backstage;
mod content;
mod empty;
mod environment;
mod lock;
mod names;
mod parents;
mod ready;
mod report;
mod run;
mod spec;
mod stage;

pub use content::{Migration, Migrations, Script};
pub use run::{run, run_without_database};
pub use spec::{Runtime, Spec, Strategy};
