//! Measures the wall time of 200 tests on 8 threads: in sandboxes of one database, and each with its own database,
//! created, migrated and dropped by `#[sqlx::test]`.
//!
//! `cargo bench -p ebbtide-example-web` measures; `-- --quick` only checks that it runs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a benchmark that cannot go on says so by panicking"
)]

#[path = "../tests/suite/app.rs"]
mod app;
#[path = "../tests/suite/cases/mod.rs"]
mod cases;
#[path = "../tests/suite/parent.rs"]
mod parent;

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ebbtide::{Config, Database};
use sqlx::migrate::Migrator;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::testing::{TestArgs, TestFn};

use app::App;
use cases::Case;
use parent::Parent;

const THREADS: usize = 8;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    let quick = given("--quick") || given("--test") || !given("--bench");
    let parents = Parent::all();
    if let Ok(backend) = std::env::var("EBBTIDE_BENCH_ALONE") {
        let parent = parents.iter().find(|parent| parent.backend == backend).unwrap();
        measure(parent, if quick { 8 } else { 200 }, if quick { 1 } else { 3 });
        parent.end();
        return ExitCode::SUCCESS;
    }
    let mut passed = true;
    // sqlx reads the URL from the environment, so each backend gets its own process.
    for parent in parents.iter().filter(|parent| parent.backend != "sqlite") {
        if parent.url.is_none() {
            continue;
        }
        // sqlx leaves its own table in it, so it is dropped at the end.
        let url = parent.database().url().expose();
        let mut alone = Command::new(std::env::current_exe().unwrap())
            .args(&arguments)
            .env("EBBTIDE_BENCH_ALONE", parent.backend)
            .env("DATABASE_URL", url)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // sqlx prints every database that it creates.
        let said = BufReader::new(alone.stderr.take().unwrap()).lines();
        for line in said
            .map_while(Result::ok)
            .filter(|line| !line.starts_with("created database"))
        {
            eprintln!("{line}");
        }
        passed &= alone.wait().unwrap().success();
    }
    for parent in parents {
        parent.end();
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(parent: &'static Parent, tests: usize, rounds: usize) {
    let cases: Vec<Case> = cases::all().into_iter().cycle().take(tests).collect();
    let own = Own::new(parent);
    let own = |number, case| own.run(number, case);
    let sandboxed = |_, case| in_a_sandbox(parent, case);
    // Equal warm-up: servers, pools and the shared database are ready.
    all(&cases[..THREADS], &own);
    all(&cases[..THREADS], &sandboxed);
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        times.0.push(all(&cases, &own));
        times.1.push(all(&cases, &sandboxed));
    }
    let (own, sandboxed) = (median(times.0), median(times.1));
    println!(
        "\n### {}: {tests} tests of the web example, {THREADS} threads\n",
        parent.backend
    );
    println!("| | wall time, s | tests a second |\n|---|---|---|");
    for (name, time) in [
        ("a database for each test, `#[sqlx::test]`", own),
        ("sandboxes of one database", sandboxed),
    ] {
        let seconds = time.as_secs_f64();
        println!("| {name} | {seconds:.2} | {:.0} |", tests as f64 / seconds);
    }
    println!("\n{:.1} × as fast", own.as_secs_f64() / sandboxed.as_secs_f64());
}

/// Runs all cases on the threads; every test has its own runtime, as with `#[tokio::test]`.
fn all(cases: &[Case], run: &(dyn Fn(usize, Case) + Sync)) -> Duration {
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number) else { return };
                    run(number, *case);
                }
            });
        }
    });
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn in_a_sandbox(parent: &'static Parent, case: Case) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let database = parent.database().sandbox().name(case.name).await.unwrap();
        drive(database, case).await;
    });
}

async fn drive(database: Database, case: Case) {
    let app = App::start(database).await;
    (case.run)(&app).await;
    app.stop().await;
}

/// A separate database for each test, as with `#[sqlx::test]`: this is the expansion of that attribute.
struct Own {
    backend: &'static str,
    migrator: &'static Migrator,
}

thread_local! {
    /// The next test on this thread: sqlx accepts only functions, which capture nothing.
    static CASE: Cell<Option<Case>> = const { Cell::new(None) };
}

impl Own {
    fn new(parent: &Parent) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("migrations")
            .join(parent.backend);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let migrator = runtime.block_on(Migrator::new(folder)).unwrap();
        Self {
            backend: parent.backend,
            migrator: Box::leak(Box::new(migrator)),
        }
    }

    fn run(&self, number: usize, case: Case) {
        CASE.set(Some(case));
        let mut arguments = TestArgs::new(format!("{}::{number}", case.name).leak());
        arguments.migrator(self.migrator);
        if self.backend == "postgres" {
            let test: fn(_, _) -> _ = on_postgres;
            test.run_test(arguments);
        } else {
            let test: fn(_, _) -> _ = on_mysql;
            test.run_test(arguments);
        }
    }
}

async fn on_postgres(_pool: PgPoolOptions, options: PgConnectOptions) {
    in_the_database(options.get_database().unwrap()).await;
}

async fn on_mysql(_pool: MySqlPoolOptions, options: MySqlConnectOptions) {
    in_the_database(options.get_database().unwrap()).await;
}

async fn in_the_database(name: &str) {
    let url = std::env::var("DATABASE_URL").unwrap();
    let database = Database::connect(Config::from_url(url).unwrap().database(name))
        .await
        .unwrap();
    drive(database, CASE.take().unwrap()).await;
}
