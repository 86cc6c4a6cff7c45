//! The whole application over HTTP: every case starts the server on a port of its own, inside a sandbox of one database
//! that all cases share, and drives it with a real client.
//!
//! SQLite always; PostgreSQL and MySQL or MariaDB where `EBBTIDE_TEST_POSTGRES_URL` and `EBBTIDE_TEST_MYSQL_URL` name a
//! server. `cargo test -p ebbtide-example-web -- postgres` chooses, as with any test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

mod app;
mod cases;
mod own;
mod parent;

use libtest_mimic::{Arguments, Failed, Trial};

use app::App;
use cases::Case;
use parent::Parent;

fn main() {
    let arguments = Arguments::from_args();
    let parents = Parent::all();
    let mut trials = Vec::new();
    for &parent in &parents {
        for case in cases::all() {
            let name = format!("{}::{}", parent.backend, case.name);
            let trial = Trial::test(name, move || run(case, parent));
            trials.push(trial.with_ignored_flag(parent.url.is_none()));
        }
        let name = format!("{}::own::transactions_really_at_once_add_a_tag_once", parent.backend);
        let trial = Trial::test(name, move || {
            let url = parent.url.as_deref().unwrap_or_default();
            runtime()?.block_on(own::transactions_really_at_once_add_a_tag_once(url));
            Ok(())
        });
        trials.push(trial.with_ignored_flag(parent.url.is_none()));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    for parent in parents {
        parent.end();
    }
    conclusion.exit();
}

/// What `#[tokio::test]` makes for every test.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// What a test of one's own looks like: a sandbox, the application on it, and requests.
fn run(case: Case, parent: &'static Parent) -> Result<(), Failed> {
    runtime()?.block_on(async {
        let database = parent.database().sandbox().name(case.name).await?;
        let app = App::start(database).await;
        (case.run)(&app).await;
        app.stop().await;
        Ok(())
    })
}
