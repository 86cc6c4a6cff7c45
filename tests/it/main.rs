//! The integration tests: one binary, one set of cases, every backend.
//!
//! A case is written once in `cases/` and becomes one test for each backend of `backends.rs`. The choice of backends is
//! made when the tests start: see `backends.rs`. `scripts/test` starts the servers and runs all tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::similar_names,
    clippy::items_after_statements,
    clippy::match_wild_err_arm,
    clippy::manual_let_else,
    clippy::unit_arg,
    clippy::unnecessary_operation,
    clippy::float_cmp,
    clippy::large_futures,
    reason = "a test says what is wrong by panicking, and tells its whole story in one function"
)]

mod backends;
mod cases;
mod drivers;
mod support;

use std::io::Write as _;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::backends::{Backend, setting};
use crate::drivers::Driver;
use crate::support::Case;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases = cases::all();
    let mut trials = vec![
        Trial::test("backends_left_out_without_servers", || {
            say_what_is_left_out();
            Ok(())
        }),
        Trial::test("every_file_of_cases_is_listed", cases::every_file_is_listed),
    ];
    trials.extend(support::trials());
    trials.extend(backends::trials());
    let excepted = setting("EBBTIDE_TEST_EXCEPTED").is_some();
    trials.extend(
        cases
            .iter()
            .flat_map(if excepted { Case::excepted } else { Case::trials }),
    );

    let whole_run = !arguments.list && !arguments.exact;
    let conclusion = libtest_mimic::run(&arguments, trials);
    if whole_run {
        let _ = write!(std::io::stderr(), "\nwhat took longest:\n{}", support::slowest(20));
        say_what_is_left_out();
    }
    conclusion.exit_code()
}

/// Writes directly to standard error, so that no test runner captures it.
fn say_what_is_left_out() {
    let backends = Backend::NATIVE
        .into_iter()
        .filter_map(|backend| Some((backend.name(), backend.left_out()?)));
    let drivers = Driver::ALL
        .into_iter()
        .filter_map(|driver| Some((driver.name(), driver.left_out()?)));
    let left_out: Vec<_> = backends.chain(drivers).collect();
    let no_replication: Vec<_> = [Backend::Postgres, Backend::Mysql]
        .into_iter()
        .filter(|backend| backend.left_out().is_none())
        .filter_map(|backend| Some((backend, backend.no_programs()?)))
        .collect();
    if left_out.is_empty() && no_replication.is_empty() {
        return;
    }
    let mut text = String::from("\n!!! NOT EVERYTHING WAS TESTED !!!\n");
    for (name, reason) in left_out {
        text.extend(["!!!   ", name, ": ", &reason, "\n"]);
    }
    for (backend, reason) in no_replication {
        text.extend(["!!!   replication of ", backend.name(), ": ", &reason, "\n"]);
    }
    text += "!!! scripts/test brings up the servers and tests all of them.\n\n";
    // A closed standard error cannot be helped.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
