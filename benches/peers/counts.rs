//! Figures that do not depend on the load of the machine: round trips, allocations, instructions, instruction-cache
//! misses.

use std::path::Path;
use std::process::{Command, Stdio};

use ebbtide_bench::job::Workload;
use ebbtide_bench::{Failure, Outcome};

use crate::cases::{Case, FIRST, OURS};
use crate::process::LaneProcess;
use crate::proxy::Proxy;
use crate::race::Lane;

/// The counts of one operation, or of one row if an operation has many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) name: String,
    pub(crate) round_trips: Option<f64>,
    pub(crate) allocations: Option<f64>,
    pub(crate) bytes: Option<f64>,
    pub(crate) instructions: Option<f64>,
    /// Misses of a first-level instruction cache of 32 KiB, 8 ways, lines of 64 bytes.
    pub(crate) misses: Option<f64>,
}

/// Returns the number of counted operations: as many again as ran before, so that fixed costs cancel out.
fn operations(workload: Workload, quick: bool) -> usize {
    match workload {
        workload if workload.things() == 1 => {
            if quick {
                30
            } else {
                300
            }
        }
        _ if quick => 1,
        _ => 2,
    }
}

/// Counts everything of every lane; if a lane fails, its fields stay empty.
pub(crate) fn count(case: &Case, lanes: &[Lane], url: &str, proxy: Option<&Proxy>, quick: bool) -> Vec<Counts> {
    let mut counts: Vec<Counts> = lanes
        .iter()
        .map(|lane| {
            let mut counts = Counts {
                name: lane.name.clone(),
                ..Counts::default()
            };
            excuse(case, lane, allocations(case, lane, url, proxy, quick, &mut counts));
            counts
        })
        .collect();
    let simulated = matches!(
        case.workload,
        Workload::Select | Workload::Transaction | Workload::Autocommit | Workload::Insert
    );
    // To simulate takes seconds for each lane, so a trial does so for two of them in one case.
    let tried =
        |lane: &Lane| !quick || case.workload == Workload::Select && [FIRST, OURS].contains(&lane.name.as_str());
    if simulated && have_valgrind() {
        for (lane, counts) in lanes.iter().zip(&mut counts).filter(|(lane, _)| tried(lane)) {
            let outcome = simulate(case, lane, url, quick).map(|(instructions, misses)| {
                counts.instructions = Some(instructions);
                counts.misses = Some(misses);
            });
            excuse(case, lane, outcome);
        }
    }
    counts
}

fn excuse(case: &Case, lane: &Lane, outcome: Outcome) {
    if let Err(error) = outcome {
        eprintln!("NOTE: {} was not counted in {}: {error}", lane.name, case.name());
    }
}

fn allocations(
    case: &Case,
    lane: &Lane,
    url: &str,
    proxy: Option<&Proxy>,
    quick: bool,
    counts: &mut Counts,
) -> Outcome {
    let url = proxy.map_or(url, Proxy::url);
    let mut process = LaneProcess::start(&lane.programs.counted, &case.job(&lane.name), url)?;
    let operations = operations(case.workload, quick);
    let round_trips = || proxy.map(|proxy| proxy.round_trips() as f64);
    // The first turn connects and prepares.
    process.go(operations)?;
    let before = round_trips();
    let once = process.go(operations)?;
    let between = round_trips();
    let twice = process.go(2 * operations)?;
    let after = round_trips();
    let things = operations as f64 * case.workload.things() as f64;
    counts.allocations = Some((twice.allocations - once.allocations) / things);
    counts.bytes = Some((twice.bytes - once.bytes) / things);
    if let (Some(before), Some(between), Some(after)) = (before, between, after) {
        counts.round_trips = Some(((after - between) - (between - before)) / operations as f64);
    }
    Ok(())
}

fn have_valgrind() -> bool {
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Returns the instructions and the misses of one operation: the difference between two processes, of which one runs
/// more.
///
/// Some percent depend on whether an answer is already there or has to be awaited, because a simulated client is slow.
/// It shares one processor with the server, as when it is timed.
fn simulate(case: &Case, lane: &Lane, url: &str, quick: bool) -> Outcome<(f64, f64)> {
    let operations = 2 * operations(case.workload, quick);
    let folder = tempfile::tempdir()?;
    let run = |operations: usize| {
        let file = folder.path().join(operations.to_string());
        let mut command = Command::new("valgrind");
        command
            .args(["--quiet", "--tool=cachegrind", "--cache-sim=yes", "--I1=32768,8,64"])
            .arg(format!("--cachegrind-out-file={}", file.display()))
            // Otherwise it prints that it guesses the other caches.
            .arg("--log-file=/dev/null")
            .arg(&lane.programs.plain);
        let mut process = LaneProcess::run(command, &case.job(&lane.name), url)?;
        process.go(100.min(operations))?;
        process.go(operations)?;
        process.finish()?;
        summary(&file)
    };
    let (once, twice) = (run(operations)?, run(2 * operations)?);
    let each = |once: f64, twice: f64| (twice - once) / operations as f64;
    Ok((each(once.0, twice.0), each(once.1, twice.1)))
}

/// Reads instructions and first-level instruction misses from a cachegrind file.
fn summary(file: &Path) -> Outcome<(f64, f64)> {
    let text = std::fs::read_to_string(file)?;
    let words = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map(|line| line.split_whitespace().collect::<Vec<_>>())
            .ok_or_else(|| Failure::from(format!("cachegrind wrote no {name}")))
    };
    let (events, sums) = (words("events:")?, words("summary:")?);
    let sum = |event: &str| {
        let place = events.iter().position(|name| *name == event);
        let sum = place.and_then(|place| sums.get(place)?.parse().ok());
        sum.ok_or_else(|| Failure::from(format!("cachegrind counted no {event}")))
    };
    Ok((sum("Ir")?, sum("I1mr")?))
}
