//! A lane: one contender, in its own process, driven by lines on its standard input.
//!
//! `go N` runs N operations and is answered by a line of four numbers: nanoseconds, allocations, bytes allocated, and
//! the growth of resident memory in kilobytes. Between two such lines the process does nothing. So work that a
//! contender leaves to its tasks, such as a ping when a connection is returned, counts in its own next turn.

#[cfg(feature = "peers")]
mod deadpool_postgres;
#[cfg(feature = "peers")]
mod diesel_async;
mod ebbtide;
#[cfg(feature = "peers")]
mod mysql_async;
mod records;
#[cfg(feature = "peers")]
mod rusqlite;
mod serve;
mod sqlx;
mod worker;

use std::process::ExitCode;

pub use serve::{Counter, Counts};

use crate::job::Job;
use crate::{LANE_URL, Outcome};

/// Runs a lane process; `counter` reads the allocations so far.
pub fn main(counter: Counter) -> ExitCode {
    serve::main(counter, open)
}

fn open(counter: Counter, job: &Job) -> Outcome {
    let url = std::env::var(LANE_URL).map_err(|_| format!("{LANE_URL} is not set"))?;
    // A name may have an addition, which distinguishes two lanes of one kind.
    let kind = job.lane.split(' ').next().unwrap_or_default();
    match kind {
        "sqlx" => sqlx::serve(counter, job, &url),
        "sqlx::Pool" => sqlx::serve_pool(counter, job, &url),
        "ebbtide" => ebbtide::serve(counter, job, &url),
        #[cfg(feature = "peers")]
        "ebbtide+rusqlite" => ebbtide::serve(counter, job, &with_driver(&url, "rusqlite")?),
        #[cfg(feature = "peers")]
        "ebbtide+tokio-postgres" => ebbtide::serve(counter, job, &with_driver(&url, "tokio-postgres")?),
        #[cfg(feature = "peers")]
        "deadpool-postgres" => deadpool_postgres::serve(counter, job, &url),
        #[cfg(feature = "peers")]
        "diesel-async" => diesel_async::serve(counter, job, &url),
        #[cfg(feature = "peers")]
        "mysql_async" => mysql_async::serve(counter, job, &url),
        #[cfg(feature = "peers")]
        "rusqlite" => rusqlite::serve(counter, job, &url),
        _ => Err(format!("no lane is called {kind}").into()),
    }
}

/// Returns the URL of the same database for another driver of this library.
#[cfg(feature = "peers")]
fn with_driver(url: &str, driver: &str) -> Outcome<String> {
    Ok(::ebbtide::DatabaseUrl::parse(url)?.with_driver(driver).expose())
}
