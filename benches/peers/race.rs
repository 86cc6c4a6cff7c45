//! Lanes that take turns in random order, so that drift affects all of them equally.

use std::time::{Duration, Instant};

use ebbtide_bench::Outcome;
use ebbtide_bench::options::Options;
use ebbtide_bench::statistics::{Ratio, median, noise, quantile};
use fastrand::Rng;

use crate::cases::{Case, again};
use crate::process::{LaneProcess, Programs};

/// Duration of a turn of the first lane.
const TURN: Duration = Duration::from_millis(12);

/// The least credible noise: few sittings may agree by chance.
const LEAST_NOISE: f64 = 0.005;

/// A contender.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) name: String,
    pub(crate) programs: Programs,
}

/// The microseconds for each thing of one lane: turn by turn, sitting by sitting.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    pub(crate) name: String,
    pub(crate) sittings: Vec<Vec<f64>>,
    /// Maximum growth of memory.
    pub(crate) kilobytes: f64,
}

impl Times {
    fn all(&self) -> Vec<f64> {
        self.sittings.concat()
    }

    pub(crate) fn median(&self) -> f64 {
        median(&self.all())
    }

    pub(crate) fn quartiles(&self) -> (f64, f64) {
        (quantile(&self.all(), 0.25), quantile(&self.all(), 0.75))
    }

    pub(crate) fn over(&self, other: &Self) -> Ratio {
        Ratio::of(&self.sittings, &other.sittings)
    }
}

/// The results of one case.
#[derive(Clone, Debug)]
pub(crate) struct Race {
    pub(crate) lanes: Vec<Times>,
    /// Number of operations of a turn.
    pub(crate) operations: usize,
}

impl Race {
    pub(crate) fn lane(&self, name: &str) -> Option<&Times> {
        self.lanes.iter().find(|lane| lane.name == name)
    }

    /// Returns the lanes that ran twice, each compared with itself.
    pub(crate) fn equals(&self) -> Vec<(String, Ratio)> {
        self.lanes
            .iter()
            .filter_map(|lane| Some((lane.name.clone(), self.lane(&again(&lane.name))?.over(lane))))
            .collect()
    }

    /// Returns the difference of a lane from itself; [`LEAST_NOISE`] if none ran twice.
    pub(crate) fn noise(&self) -> f64 {
        let pairs: Vec<Ratio> = self.equals().into_iter().map(|(_, ratio)| ratio).collect();
        noise(&pairs).max(LEAST_NOISE)
    }
}

/// Runs a case: several sittings, in each of which every lane has new processes and connections.
///
/// A lane that fails is left out, with a note.
pub(crate) fn race(case: &Case, mut lanes: Vec<Lane>, url: &str, options: &Options, rng: &mut Rng) -> Outcome<Race> {
    let mut race = Race {
        lanes: Vec::new(),
        operations: options.turn.unwrap_or(0),
    };
    let mut sitting = Sitting::open(case, &mut lanes, url);
    race.lanes.extend(sitting.lanes.iter().map(|(lane, _)| Times {
        name: lane.name.clone(),
        sittings: Vec::new(),
        kilobytes: 0.0,
    }));
    let begun = Instant::now();
    // If one lane is very slow, fewer sittings have to suffice.
    let limit = budget(options) * 2;
    for number in 0..options.sittings {
        if number > 0 {
            if begun.elapsed() > limit {
                break;
            }
            sitting = Sitting::open(case, &mut lanes, url);
        }
        if sitting.lanes.len() != race.lanes.len() {
            return Err("a lane that ran before does not start again".into());
        }
        sitting.measure(&mut race, options, rng)?;
    }
    Ok(race)
}

/// Returns the time limit of a case.
fn budget(options: &Options) -> Duration {
    Duration::from_secs(if options.quick { 0 } else { 5 })
}

/// The lanes of a case, with their processes.
struct Sitting<'c> {
    case: &'c Case,
    lanes: Vec<(Lane, LaneProcess)>,
    /// Duration of a round of all lanes.
    round: Duration,
    /// Duration of one operation of the first lane.
    first: Duration,
}

impl<'c> Sitting<'c> {
    /// Starts the processes, and warms them up: connections are opened, statements prepared. Failing lanes are removed
    /// from the list.
    fn open(case: &'c Case, lanes: &mut Vec<Lane>, url: &str) -> Self {
        let mut sitting = Self {
            case,
            lanes: Vec::new(),
            round: Duration::ZERO,
            first: Duration::ZERO,
        };
        lanes.retain(|lane| {
            let started = sitting.start(lane, url);
            if let Err(error) = &started {
                eprintln!("NOTE: {} IS LEFT OUT of {}: {error}", lane.name, case.name());
            }
            started.is_ok()
        });
        sitting
    }

    fn start(&mut self, lane: &Lane, url: &str) -> Outcome {
        let mut process = LaneProcess::start(&lane.programs.plain, &self.case.job(&lane.name), url)?;
        if !self.case.repeats() {
            // Only the memory of the first stream of a process counts.
            self.lanes.push((lane.clone(), process));
            return Ok(());
        }
        let warm = least(self.case);
        process.go(warm)?;
        let taken = Duration::from_nanos(process.go(warm)?.nanos as u64) / warm as u32;
        if self.lanes.is_empty() {
            self.first = taken;
        }
        self.round += taken;
        self.lanes.push((lane.clone(), process));
        Ok(())
    }

    fn measure(&mut self, race: &mut Race, options: &Options, rng: &mut Rng) -> Outcome {
        if race.operations == 0 {
            race.operations = operations(self.case, options, self.first);
        }
        let (operations, begun) = (race.operations, Instant::now());
        let time = budget(options) / options.sittings as u32;
        let most = match (options.quick, self.case.repeats()) {
            (true, _) | (_, false) => 1,
            (false, true) => 100,
        };
        for times in &mut race.lanes {
            times.sittings.push(Vec::new());
        }
        let mut order: Vec<usize> = (0..self.lanes.len()).collect();
        for round in 0..most {
            // At least one round, and no further one that would not end in time.
            let expected = self.round * operations as u32;
            if round > 0 && begun.elapsed() + expected > time {
                break;
            }
            rng.shuffle(&mut order);
            for &index in &order {
                let (lane, process) = &mut self.lanes[index];
                let turn = process
                    .go(operations)
                    .map_err(|error| format!("{}: {error}", lane.name))?;
                let things = operations as f64 * self.case.workload.things() as f64;
                let times = &mut race.lanes[index];
                times.kilobytes = times.kilobytes.max(turn.kilobytes);
                if let Some(sitting) = times.sittings.last_mut() {
                    sitting.push(turn.nanos / 1e3 / things);
                }
            }
        }
        Ok(())
    }
}

/// Returns the fewest operations: every task has some, so that each connection of a pool is opened and warm.
fn least(case: &Case) -> usize {
    match case.tasks {
        1 => 1,
        tasks => tasks * 4,
    }
}

/// Returns the number of operations of a turn: the same for all lanes.
fn operations(case: &Case, options: &Options, one: Duration) -> usize {
    if !case.repeats() {
        return if options.quick { 1 } else { 100 };
    }
    let least = least(case);
    if options.quick {
        return least;
    }
    let enough = TURN.as_secs_f64() / one.as_secs_f64();
    // A multiple, so that every task has equally many.
    least.max((enough / case.tasks as f64).ceil() as usize * case.tasks)
}
