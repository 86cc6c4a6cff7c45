//! A storm of cancelled operations, and an oracle that knows the allowed results of each.
//!
//! Two dozen kinds of operation are dropped at random polls and at random times: on a runtime with several threads, on
//! one with a single thread, and on runtimes that are shut down while their tasks are busy. All of them share one
//! `Database` with few connections. Each operation writes rows under a number of its own into a ledger, and records how
//! far it has come. Afterwards
//!
//! - every commit that was reported as done is in the ledger exactly once; work that was rolled back, dropped before
//!   its COMMIT or done in a sandbox is not; and work that was cut off in between is there as a whole or not at all;
//! - no operation received the answer of another, because each queries its own number;
//! - `on_commit` callbacks ran once for each committed transaction, and never for another;
//! - no place in the pool is lost: none is in use, and all of them can run statements at the same time;
//! - the server, queried over a separate connection, has no open transaction and holds no lock; after `disconnect` it
//!   has no session left.
//!
//! The same storm runs over bad lines: a proxy closes, resets and holds up connections, and the server ends sessions; and
//! on a server that is killed and started again. An operation may then fail, but only with an error that says what became
//! of it: after `OutcomeUnknown` all of its rows are there or none, after any other error none. A flood of tasks begins
//! thousands of operations at the same time.
//!
//! `EBBTIDE_SOAK` sets the duration: a number of rounds (`EBBTIDE_SOAK=500`) or a time (`EBBTIDE_SOAK=30m`, `90s`,
//! `2h`). Without it, the number of rounds is limited, and the run takes well under a minute for each backend. The seed
//! is printed. With `EBBTIDE_SOAK_SEED` set to it, the operations and the places where they are cut are the same again.
//! The server and the threads are not, so a rare fault may need several runs of the seed that found it.
//!
//! The oracle was tested by breaking the library on purpose, one place at a time. Within a run of limited rounds it
//! saw:
//!
//! | broken | seen as | on |
//! |---|---|---|
//! | a BEGIN that is cut off leaves no mark | an open transaction on the server; a commit that is not there | PostgreSQL, MySQL |
//! | connections go back to the pool uncleaned | BEGIN in a transaction, open transactions, read-only settings that stay | all |
//! | the depth of a connection is not compared | rows of undone levels, aborted transactions that continue | all |
//! | streams, native streams and statements that are cut off leave no mark | packets of one answer read as another's | MySQL |
//! | every connection that was cut off is used on | transactions within transactions, settings that stay | PostgreSQL, MySQL |
//! | a transaction begun by text is forgotten | rows that were reported as kept and are not, and the reverse | all |
//! | a read-only setting is not taken back | writes refused later | SQLite |
//! | a spawned task outlives the shared transaction and continues | its rows are there | all |
//! | a cleaned connection is committed, not rolled back | rows of dropped guards and of sandboxes | all |
//! | a nested rollback is a release | rows of undone savepoints | all |
//! | `execute_many` begins no transaction | some of the rows of one call | all |
//! | a discarded connection keeps its place; a cut-off connect keeps its place | callers wait without an end | all |
//! | `disconnect` leaves idle connections open | sessions, or open files | all but in memory |
//!
//! Some faults are not seen, because the drivers compensate for them: a COMMIT that is cut off and leaves no mark (the
//! transaction still counts as open here, so it is rolled back), an answer that is not read before the next call (sqlx
//! reads it by itself), savepoints counted late and a lent connection without a mark (an operation that is cut off
//! gives up its whole connection), and connections of runtimes that have ended (they fail at their first use). The
//! tests in `src/session/tests/` check marks and counts, on the scripted driver.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::large_futures,
    reason = "a test says what is wrong by panicking"
)]

#[allow(dead_code, reason = "the tests of tests/it say for all whether the servers answer")]
#[path = "../it/backends.rs"]
mod backends;
#[allow(dead_code, reason = "the tests of tests/it say for all whether the servers answer")]
#[path = "../it/drivers.rs"]
mod drivers;
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "it is what the cases of tests/it stand on, and one case needs a part of it"
)]
#[path = "../it/support/mod.rs"]
mod support;

mod aftermath;
mod arena;
mod effort;
mod ledger;
mod operations;
mod storm;
mod weather;
mod world;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use crate::effort::Effort;
use crate::support::{Case, Outcome as _};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let limit = Effort::from_environment().limit().as_secs();
    let storm = Case::new(
        "soak",
        "x4_a_storm_of_cancelled_operations_keeps_every_promise",
        |test| Box::pin(async move { storm::storm(test).await.outcome() }),
    );
    let bad_lines = Case::new(
        "soak",
        "x12_a_storm_over_bad_lines_tells_what_became_of_everything",
        |test| Box::pin(async move { storm::over_bad_lines(test).await.outcome() }),
    );
    let killed_server = Case::new(
        "soak",
        "x12_a_storm_over_a_killed_server_tells_what_became_of_everything",
        |test| Box::pin(async move { storm::over_a_killed_server(test).await.outcome() }),
    );
    let flood = Case::new("soak", "x4_a_flood_of_tasks_keeps_every_promise", |test| {
        Box::pin(async move { storm::flood(test).await.outcome() })
    });
    let cases = [
        storm.option("native"),
        bad_lines.option("only(postgres, mysql)"),
        killed_server.option("only(postgres)").option("cluster"),
        flood.option("native"),
    ];
    let trials = cases.map(|case| case.option(&format!("limit({limit})")).trials());
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}
