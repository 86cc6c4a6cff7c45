//! The library against a bare sqlx connection and against `sqlx::Pool`, in one run: `cargo bench`.
//!
//! docs/PERFORMANCE.md tells the method. `cargo bench -- --quick` and `cargo test --benches` only try that everything
//! runs, without a verdict.

mod cases;
mod contenders;
mod effort;
mod memory;
mod peer;
mod processor;
mod race;
mod report;
mod server;

use std::path::Path;
use std::process::ExitCode;

use contenders::Contenders;
use effort::Effort;
use peer::Peer;
use report::Report;
use server::Servers;

/// Whatever ends the run early.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T = ()> = Result<T, Failure>;

fn main() -> ExitCode {
    let effort = Effort::from_arguments();
    let processor = processor::pin();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| match cases::stream::Alone::from_environment() {
            Some(alone) => runtime.block_on(alone.run()),
            None => runtime.block_on(all(&effort, processor)),
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark ended early: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn all(effort: &Effort, processor: Option<usize>) -> Outcome {
    let mut report = Report::new(effort.verdicts());
    // Given back what was changed about them when this is dropped, also after Ctrl-C.
    let mut servers = Servers::new(processor);
    tokio::select! {
        outcome = every_backend(effort, &mut report, &mut servers) => outcome?,
        _ = tokio::signal::ctrl_c() => return Err("interrupted".into()),
    }
    report.finish();
    Ok(())
}

async fn every_backend(effort: &Effort, report: &mut Report, servers: &mut Servers) -> Outcome {
    match std::env::var("EBBTIDE_TEST_POSTGRES_URL") {
        Ok(url) => {
            servers.pin_postgres(&url).await;
            backend::<sqlx::Postgres>(&url, effort, report).await?;
        }
        Err(_) => report.left_out("PostgreSQL", "EBBTIDE_TEST_POSTGRES_URL"),
    }
    match std::env::var("EBBTIDE_TEST_MYSQL_URL") {
        Ok(url) => {
            servers.pin_mysql(&url).await;
            backend::<sqlx::MySql>(&url, effort, report).await?;
        }
        Err(_) => report.left_out("MariaDB", "EBBTIDE_TEST_MYSQL_URL"),
    }
    let folder = tempfile::tempdir()?;
    backend::<sqlx::Sqlite>(&file(folder.path()), effort, report).await
}

fn file(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("bench.db").display())
}

async fn backend<P: Peer>(url: &str, effort: &Effort, report: &mut Report) -> Outcome {
    report.backend(P::SHOWN);
    let contenders = Contenders::<P>::new(url).await?;
    if effort.wants("stream") {
        cases::stream::run::<P>(url, effort, report)?;
    }
    if effort.wants("point") {
        cases::point::run(&contenders, effort, report).await?;
    }
    if effort.wants("crowd") {
        cases::point::run_crowded(&contenders, effort, report).await?;
    }
    if effort.wants("transaction") {
        cases::transaction::run(&contenders, effort, report).await?;
    }
    if effort.wants("ambient") {
        cases::ambient::run(&contenders, effort, report).await?;
    }
    if effort.wants("rows") {
        cases::rows::run(&contenders, effort, report).await?;
    }
    if effort.wants("batch") {
        cases::batch::run(&contenders, effort, report).await?;
    }
    contenders.end().await
}
