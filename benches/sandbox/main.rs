//! What isolating one test costs: `cargo bench --bench sandbox`.
//!
//! A test is three statements in a runtime of its own. docs/PERFORMANCE.md tells the method; `-- --quick` only tries that
//! everything runs, without a verdict.

mod contenders;
mod own;
mod tables;

#[path = "../peers/effort.rs"]
#[allow(dead_code, reason = "this benchmark needs only some of it")]
mod effort;
#[path = "../peers/processor.rs"]
mod processor;
#[path = "../peers/race.rs"]
mod race;
#[path = "../peers/report.rs"]
#[allow(dead_code, reason = "this benchmark needs only some of it")]
mod report;
#[path = "../peers/server.rs"]
mod server;

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use ebbtide::Config;
use ebbtide::testing::{create_database, drop_database};

use contenders::Contenders;
use effort::Effort;
use race::Times;
use report::Report;
use server::Servers;
use tables::Peer;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T = ()> = Result<T, Failure>;

/// Set for the process that measures one backend.
const ALONE: &str = "EBBTIDE_BENCH_ALONE";

fn main() -> ExitCode {
    let processor = processor::pin();
    let outcome = match std::env::var(ALONE) {
        Ok(backend) => alone(&backend),
        Err(_) => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(Failure::from)
            .and_then(|runtime| runtime.block_on(every_backend(processor))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark ended early: {error}");
            ExitCode::FAILURE
        }
    }
}

/// sqlx's own machinery reads `DATABASE_URL`, so each backend is measured in a process of its own.
async fn every_backend(processor: Option<usize>) -> Outcome {
    // Given back what was changed about them when this is dropped, also after Ctrl-C.
    let mut servers = Servers::new(processor);
    let measuring = Effort::from_arguments().verdicts();
    if let Ok(url) = std::env::var("EBBTIDE_TEST_POSTGRES_URL") {
        if measuring {
            servers.pin_postgres(&url).await;
        }
        on_a_server("PostgreSQL", &url).await?;
    } else {
        eprintln!("NOTE: PostgreSQL IS LEFT OUT: set EBBTIDE_TEST_POSTGRES_URL to measure it");
    }
    if let Ok(url) = std::env::var("EBBTIDE_TEST_MYSQL_URL") {
        if measuring {
            servers.pin_mysql(&url).await;
        }
        on_a_server("MariaDB or MySQL", &url).await?;
    } else {
        eprintln!("NOTE: MariaDB IS LEFT OUT: set EBBTIDE_TEST_MYSQL_URL to measure it");
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bench.db");
    on("SQLite file", &format!("sqlite://{}", file.display())).await
}

/// In a database of this run, so that nothing of it stays.
async fn on_a_server(backend: &'static str, url: &str) -> Outcome {
    let name = format!("ebbtide_bench_{}", std::process::id());
    let config = Config::from_url(url)?.database(name.as_str());
    create_database(&config).await?;
    let outcome = on(backend, &config.url().expose()).await;
    drop_database(&config).await?;
    outcome
}

async fn on(backend: &'static str, url: &str) -> Outcome {
    let mut child = Command::new(std::env::current_exe()?)
        .args(std::env::args().skip(1))
        .env(ALONE, backend)
        .env("DATABASE_URL", url)
        .stderr(Stdio::piped())
        .spawn()?;
    let said = child.stderr.take();
    // sqlx announces every database that it makes.
    let listener = tokio::task::spawn_blocking(move || {
        for line in said.into_iter().flat_map(|said| BufReader::new(said).lines()) {
            match line {
                Ok(line) if !line.starts_with("created database") => eprintln!("{line}"),
                _ => {}
            }
        }
        child.wait()
    });
    tokio::select! {
        ended = listener => {
            if ended??.success() {
                Ok(())
            } else {
                Err(format!("{backend} failed").into())
            }
        }
        // The child gets the signal too.
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    }
}

fn alone(backend: &str) -> Outcome {
    let url = std::env::var("DATABASE_URL")?;
    match backend {
        "PostgreSQL" => backend_of::<sqlx::Postgres>(&url),
        "SQLite file" => backend_of::<sqlx::Sqlite>(&url),
        _ => backend_of::<sqlx::MySql>(&url),
    }
}

fn backend_of<P: Peer>(url: &str) -> Outcome {
    let effort = Effort::from_arguments();
    let mut report = Report::new(effort.verdicts());
    report.backend(P::SHOWN);
    let contenders = Contenders::<P>::new(url)?;
    let quick = contenders.race_quick(&effort)?;
    report.table("three statements, what isolating them adds", "µs a test", &quick);
    let slow = contenders.race_slow(&effort)?;
    report.table("three statements, isolated in other ways", "µs a test", &slow);
    println!("\n{}", contenders::NOTE);
    verdicts::<P>(&quick, &slow, &mut report);
    report.finish();
    Ok(())
}

fn verdicts<P: Peer>(quick: &[Times], slow: &[Times], report: &mut Report) {
    if let [nothing, sandbox, ..] = quick {
        let beyond = sandbox.beyond(nothing) / 1e3;
        report.milliseconds("a sandbox, beyond its statements", P::OVERHEAD, beyond);
    }
    let [sandbox, emptied, own] = slow else { return };
    if let Some(limit) = P::BESIDE_OWN {
        report.faster("a sandbox, beside a database for each test", limit, own.over(sandbox));
    }
    if let Some(limit) = P::BESIDE_EMPTYING {
        report.faster("a sandbox, beside TRUNCATE of ten tables", limit, emptied.over(sandbox));
    }
}
