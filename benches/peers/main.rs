//! Compares the library with a bare sqlx connection and its peers, in one run:
//! `cargo bench -p ebbtide-bench --bench peers`.
//!
//! docs/PERFORMANCE.md describes the method; `-- --help` lists the options.

mod cases;
mod counts;
mod database;
mod goals;
mod process;
mod programs;
mod proxy;
mod race;
mod report;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebbtide_bench::job::Backend;
use ebbtide_bench::options::Options;
use ebbtide_bench::server::Servers;
use ebbtide_bench::{Outcome, processor};
use fastrand::Rng;
use tokio::runtime::{Builder, Runtime};

use cases::{Case, FIRST, OURS, again};
use database::BenchDatabase;
use process::Programs;
use proxy::Proxy;
use race::Lane;
use report::Report;

/// The round trip that the proxy adds.
const FAR: Duration = Duration::from_millis(4);

/// Set when Ctrl-C is pressed: the lanes receive it too and end, and the changes to the servers are undone.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    match Options::from_arguments().and_then(|options| options.map_or(Ok(()), |options| run(&options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark ended early: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The state shared by all backends.
struct Bench<'o> {
    options: &'o Options,
    rng: Rng,
    /// An older commit of this library: its name as a lane, and its programs.
    older: Option<(String, Programs)>,
    tokio_rusqlite: Option<Programs>,
}

/// A backend with its database, and its cases.
struct Stage<'r> {
    backend: Backend,
    database: BenchDatabase<'r>,
    proxy: Option<Proxy>,
    cases: Vec<Case>,
}

fn run(options: &Options) -> Outcome {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.spawn(async {
        while tokio::signal::ctrl_c().await.is_ok() {
            INTERRUPTED.store(true, Ordering::SeqCst);
        }
    });
    let mut report = Report::default();
    let mut bench = Bench {
        options,
        rng: Rng::with_seed(options.seed),
        older: None,
        tokio_rusqlite: None,
    };
    if let Some(revision) = &options.against {
        let (commit, programs) = programs::of_commit(revision)?;
        bench.older = Some((format!("{OURS} {commit}"), programs));
    }
    let mut stages = Vec::new();
    for backend in Backend::ALL {
        stages.extend(bench.prepare(backend, &runtime, &mut report)?);
    }
    let mut servers = Servers::new(processor::pin());
    for stage in &stages {
        let url = stage.database.url();
        match (stage.backend, options.quick) {
            (Backend::Postgres, false) => runtime.block_on(servers.pin_postgres(url)),
            (Backend::MySql, false) => runtime.block_on(servers.pin_mysql(url)),
            _ => {}
        }
    }
    for stage in &stages {
        bench.measure(stage, &mut report)?;
    }
    if options.quick {
        report.say("Only tried out: the times above mean nothing. `cargo bench -p ebbtide-bench` measures.");
    }
    report.finish(options.markdown.as_deref())
}

impl Bench<'_> {
    /// Creates the database of a backend. Returns `None` if no case is selected, or there is no server.
    fn prepare<'r>(
        &mut self,
        backend: Backend,
        runtime: &'r Runtime,
        report: &mut Report,
    ) -> Outcome<Option<Stage<'r>>> {
        let mut cases = Case::all(backend);
        cases.retain(|case| self.options.wants(&case.name()));
        if cases.is_empty() {
            return Ok(None);
        }
        let database = match backend {
            Backend::Postgres | Backend::MySql => {
                let variable = format!("EBBTIDE_TEST_{}_URL", backend.word().to_uppercase());
                let Ok(url) = std::env::var(&variable) else {
                    report.left_out(backend.title(), &format!("set {variable} to measure it"));
                    return Ok(None);
                };
                BenchDatabase::on_server(runtime, backend, &url)?
            }
            Backend::Sqlite => {
                match programs::tokio_rusqlite() {
                    Ok(programs) => self.tokio_rusqlite = Some(programs),
                    Err(error) => report.left_out("tokio-rusqlite", &error.to_string()),
                }
                BenchDatabase::in_file(runtime)?
            }
        };
        let proxy = match backend {
            Backend::Sqlite => None,
            Backend::Postgres | Backend::MySql => Some(Proxy::start(database.url())?),
        };
        Ok(Some(Stage {
            backend,
            database,
            proxy,
            cases,
        }))
    }

    fn measure(&mut self, stage: &Stage<'_>, report: &mut Report) -> Outcome {
        let (backend, database) = (stage.backend, &stage.database);
        report.say(&format!("### {} {}", backend.title(), database.version(backend)?));
        if let Some(proxy) = &stage.proxy {
            proxy.set_round_trip(FAR);
            let near = database.round_trip(backend, database.url())?;
            let far = database.round_trip(backend, proxy.url())?;
            report.say(&format!(
                "A ping takes {:.3} ms, and {:.2} ms from far away, by way of a proxy that adds {} ms.",
                near.as_secs_f64() * 1e3,
                far.as_secs_f64() * 1e3,
                FAR.as_millis()
            ));
        }
        for case in &stage.cases {
            if INTERRUPTED.load(Ordering::SeqCst) {
                return Err("interrupted".into());
            }
            if self.options.times {
                self.race(case, stage, report);
            }
            if self.options.counts && case.counts() {
                self.count(case, stage, report);
            }
            database.clear(backend)?;
        }
        Ok(())
    }

    fn count(&self, case: &Case, stage: &Stage<'_>, report: &mut Report) {
        if !self.options.times {
            report.say(&format!("#### {}", case.title()));
        }
        let (url, proxy) = (stage.database.url(), stage.proxy.as_ref());
        if let Some(proxy) = proxy {
            proxy.set_round_trip(Duration::ZERO);
        }
        let counts = counts::count(case, &self.lanes(case, false), url, proxy, self.options.quick);
        report.counts(case, &counts);
        if let Some((older, _)) = &self.older {
            goals::judge_counts(case, &counts, older, report);
        }
    }

    fn race(&mut self, case: &Case, stage: &Stage<'_>, report: &mut Report) {
        let url = match (case.far, &stage.proxy) {
            (true, Some(proxy)) => {
                proxy.set_round_trip(FAR);
                proxy.url()
            }
            _ => stage.database.url(),
        };
        let lanes = self.lanes(case, case.repeats());
        let race = match race::race(case, lanes, url, self.options, &mut self.rng) {
            Ok(race) => race,
            Err(error) => {
                // The others may still succeed.
                report.left_out(&case.name(), &error.to_string());
                return;
            }
        };
        report.race(case, &race);
        if !self.options.quick {
            goals::judge(case, &race, report);
            if let Some((older, _)) = &self.older {
                goals::judge_against(case, &race, older, report);
            }
        }
    }

    /// Returns the lanes of a case, with the bare connection first and, if requested, those that run twice.
    fn lanes(&self, case: &Case, twice: bool) -> Vec<Lane> {
        let own = programs::own();
        let lane = |name: String, programs: &Programs| Lane {
            name,
            programs: programs.clone(),
        };
        let mut lanes: Vec<Lane> = case
            .contenders()
            .into_iter()
            .filter_map(|name| match name {
                "tokio-rusqlite" => Some(lane(name.to_owned(), self.tokio_rusqlite.as_ref()?)),
                name => Some(lane(name.to_owned(), &own)),
            })
            .collect();
        if twice {
            lanes.extend([FIRST, OURS].map(|name| lane(again(name), &own)));
        }
        if let Some((name, programs)) = &self.older {
            lanes.push(lane(name.clone(), programs));
        }
        lanes
    }
}
