//! The whole application over HTTP. Every case starts the server on its own port, inside a sandbox of one shared
//! database, and sends it requests from a real client.
//!
//! SQLite always; PostgreSQL and MySQL or MariaDB if `EBBTIDE_TEST_POSTGRES_URL` and `EBBTIDE_TEST_MYSQL_URL` name a
//! server. `cargo test -p ebbtide-example-web -- postgres` selects cases, as with any test.

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

/// Creates a runtime as `#[tokio::test]` does for every test.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Shows the shape of a user's test: a sandbox, the application on it, and requests.
fn run(case: Case, parent: &'static Parent) -> Result<(), Failed> {
    runtime()?.block_on(async {
        let database = parent.database().sandbox().name(case.name).await?;
        let app = App::start(database).await;
        (case.run)(&app).await;
        app.stop().await;
        Ok(())
    })
}
