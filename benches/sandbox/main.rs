//! Measures the cost of isolating one test: `cargo bench -p ebbtide-bench --bench sandbox`.
//!
//! A test is three statements in its own runtime. docs/PERFORMANCE.md describes the method; `-- --quick` only checks
//! that everything runs, without a verdict.

mod contenders;
mod effort;
mod own;
mod race;
mod report;
mod strictness;
mod tables;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use ebbtide::Config;
use ebbtide::testing::{create_database, drop_database};
use ebbtide_bench::options::Options;
use ebbtide_bench::server::Servers;
use ebbtide_bench::{Outcome, processor};

use contenders::Contenders;
use effort::Effort;
use race::Times;
use report::Report;
use strictness::Strictness;
use tables::Peer;

/// Set for the process that measures one backend.
const ALONE: &str = "EBBTIDE_BENCH_ALONE";

fn main() -> ExitCode {
    match Options::from_arguments().and_then(|options| options.map_or(Ok(()), |options| run(&options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark ended early: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Outcome {
    if !options.times {
        return Ok(());
    }
    let processor = processor::pin();
    if let Ok(backend) = std::env::var(ALONE) {
        return alone(&backend, &Effort::new(options.quick));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let tables = runtime.block_on(every_backend(options, processor))?;
    if let Some(folder) = options.markdown.as_deref().filter(|_| !tables.is_empty()) {
        std::fs::create_dir_all(folder)?;
        let head = "# The cost of isolating a test\n\nWritten by `cargo bench -p ebbtide-bench`; docs/PERFORMANCE.md describes the method.";
        std::fs::write(folder.join("sandbox.md"), format!("{head}\n{tables}"))?;
    }
    Ok(())
}

/// Returns the tables of all backends. sqlx's own machinery reads `DATABASE_URL`, so each backend is measured in its
/// own process.
async fn every_backend(options: &Options, processor: Option<usize>) -> Outcome<String> {
    // Dropping this undoes the changes to the servers, also after Ctrl-C.
    let mut servers = Servers::new(processor);
    let mut tables = String::new();
    if options.wants("postgres-sandbox") {
        if let Ok(url) = std::env::var("EBBTIDE_TEST_POSTGRES_URL") {
            if !options.quick {
                servers.pin_postgres(&url).await;
            }
            tables += &on_a_server("PostgreSQL", &url).await?;
        } else {
            eprintln!("NOTE: PostgreSQL IS LEFT OUT: set EBBTIDE_TEST_POSTGRES_URL to measure it");
        }
    }
    if options.wants("mysql-sandbox") {
        if let Ok(url) = std::env::var("EBBTIDE_TEST_MYSQL_URL") {
            if !options.quick {
                servers.pin_mysql(&url).await;
            }
            tables += &on_a_server("MariaDB or MySQL", &url).await?;
        } else {
            eprintln!("NOTE: MariaDB IS LEFT OUT: set EBBTIDE_TEST_MYSQL_URL to measure it");
        }
    }
    if options.wants("sqlite-sandbox") {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("bench.db");
        tables += &on("SQLite file", &format!("sqlite://{}", file.display())).await?;
    }
    Ok(tables)
}

/// Measures in a database of this run, so that nothing of it stays.
async fn on_a_server(backend: &'static str, url: &str) -> Outcome<String> {
    let name = format!("ebbtide_bench_{}", std::process::id());
    let config = Config::from_url(url)?.database(name.as_str());
    create_database(&config).await?;
    let outcome = on(backend, &config.url().expose()).await;
    drop_database(&config).await?;
    outcome
}

/// Returns the tables of one backend, which are printed as they come.
async fn on(backend: &'static str, url: &str) -> Outcome<String> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(std::env::args().skip(1))
        .env(ALONE, backend)
        .env("DATABASE_URL", url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (said, complained) = (child.stdout.take(), child.stderr.take());
    let listener = tokio::task::spawn_blocking(move || {
        // sqlx prints every database that it creates.
        let complaints = thread::spawn(move || {
            pass_on(complained, |line| {
                if !line.starts_with("created database") {
                    eprintln!("{line}");
                }
            });
        });
        let mut tables = String::new();
        pass_on(said, |line| {
            println!("{line}");
            tables.push_str(line);
            tables.push('\n');
        });
        let ended = child.wait();
        // This thread only prints.
        let _ = complaints.join();
        ended.map(|status| (status, tables))
    });
    tokio::select! {
        ended = listener => {
            let (status, tables) = ended??;
            if status.success() {
                Ok(tables)
            } else {
                Err(format!("{backend} failed").into())
            }
        }
        // The child receives the signal too.
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    }
}

fn pass_on(from: Option<impl Read>, mut line: impl FnMut(&str)) {
    let lines = from.into_iter().flat_map(|from| BufReader::new(from).lines());
    lines.map_while(Result::ok).for_each(|text| line(&text));
}

fn alone(backend: &str, effort: &Effort) -> Outcome {
    let url = std::env::var("DATABASE_URL")?;
    match backend {
        "PostgreSQL" => backend_of::<sqlx::Postgres>(&url, effort),
        "SQLite file" => backend_of::<sqlx::Sqlite>(&url, effort),
        _ => backend_of::<sqlx::MySql>(&url, effort),
    }
}

fn backend_of<P: Peer>(url: &str, effort: &Effort) -> Outcome {
    let mut report = Report::new(effort.verdicts());
    report.backend(P::SHOWN);
    let contenders = Contenders::<P>::new(url)?;
    let quick = contenders.race_quick(effort)?;
    report.table("three statements, what isolating them adds", "µs a test", &quick);
    let slow = contenders.race_slow(effort)?;
    report.table("three statements, isolated in other ways", "µs a test", &slow);
    println!("\n{}", contenders::NOTE);
    if P::MANY_WRITERS {
        let strictness = Strictness::new::<P>(url)?;
        report.table("a read", "µs", &strictness.race_reads(effort)?);
        report.table("a read of a view", "µs", &strictness.race_views(effort)?);
        report.table("begin, insert, end", "µs", &strictness.race_transactions(effort)?);
    }
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
