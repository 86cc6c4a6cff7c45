//! The command line of both benchmarks.

use std::path::{Path, PathBuf};

use crate::Outcome;

/// The options of a benchmark.
#[derive(Debug)]
pub struct Options {
    /// `true` to only check that everything runs; the figures are meaningless.
    pub quick: bool,
    /// Words that select the cases with one of them in their names; without any, all cases run.
    pub words: Vec<String>,
    /// Folder for the tables.
    pub markdown: Option<PathBuf>,
    /// An older commit of this library, which takes part as a lane.
    pub against: Option<String>,
    /// Seed of the order of the turns.
    pub seed: u64,
    /// Number of times that the processes and connections of a case are recreated.
    pub sittings: usize,
    /// Fixed number of operations of a turn; by default it depends on their duration.
    pub turn: Option<usize>,
    /// `true` if round trips, allocations and instructions are counted.
    pub counts: bool,
    /// `true` if anything is timed.
    pub times: bool,
}

/// Printed by `--help`.
const USAGE: &str = "\
cargo bench -p ebbtide-bench [--bench peers|sandbox] -- [OPTIONS] [WORDS]
  WORDS            only the cases whose names have one of these words: postgres, select, transaction-64, far …
  --quick          only try that everything runs
  --against REV    an older commit of this library takes part as a lane
  --markdown DIR   write the tables into this folder of the repository, as peers.md and sandbox.md
  --counts         only what is counted: round trips, allocations, instructions
  --times          only what is timed
  --sittings N     make the processes and connections of a case N times (default 5)
  --turn N         run N operations in a turn (default: as many as last 12 ms)
  --seed N         the seed of the order of turns";

impl Options {
    /// Reads the arguments of the process. `cargo bench` passes `--bench`; without it only a few calls are made.
    ///
    /// Returns `None` if only the usage was requested.
    pub fn from_arguments() -> Outcome<Option<Self>> {
        Self::read(std::env::args().skip(1))
    }

    fn read(arguments: impl IntoIterator<Item = String>) -> Outcome<Option<Self>> {
        let mut options = Self {
            quick: true,
            words: Vec::new(),
            markdown: None,
            against: None,
            seed: 1,
            sittings: 5,
            turn: None,
            counts: true,
            times: true,
        };
        let mut quick = false;
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--bench" => options.quick = false,
                "--quick" | "--test" => quick = true,
                "--against" => options.against = Some(value()?),
                "--markdown" => options.markdown = Some(of_repository(&value()?)),
                "--seed" => options.seed = value()?.parse()?,
                "--sittings" => options.sittings = value()?.parse()?,
                "--turn" => options.turn = Some(value()?.parse()?),
                "--counts" => options.times = false,
                "--times" => options.counts = false,
                "--help" | "-h" => {
                    println!("{USAGE}");
                    return Ok(None);
                }
                option if option.starts_with('-') => {
                    return Err(format!("there is no option {option}\n{USAGE}").into());
                }
                _ => options.words.push(argument),
            }
        }
        options.quick |= quick;
        if options.quick {
            options.sittings = 1;
        }
        Ok(Some(options))
    }

    /// Returns whether to run a case.
    pub fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word))
    }
}

/// Cargo runs a benchmark in the folder of its package, which is not where the command was given.
fn of_repository(folder: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).join(folder)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Options;

    fn read(line: &str) -> crate::Outcome<Options> {
        Options::read(line.split_whitespace().map(str::to_owned))?.ok_or_else(|| "only the usage".into())
    }

    #[test]
    fn options_are_read() -> crate::Outcome {
        let options = read("--bench --against 4e34695 --sittings 3 select-8 mysql")?;
        assert!(!options.quick && options.counts && options.times);
        assert_eq!((options.against.as_deref(), options.sittings), (Some("4e34695"), 3));
        assert!(options.wants("postgres-select-8") && options.wants("mysql-rows"));
        assert!(!options.wants("postgres-rows"));
        assert!(read("")?.quick && read("--bench --quick")?.quick);
        let folder = read("--markdown docs/performance")?.markdown;
        assert!(folder.is_some_and(|folder| folder.is_absolute() && !folder.starts_with(env!("CARGO_MANIFEST_DIR"))));
        let folder = read("--markdown /elsewhere")?.markdown;
        assert_eq!(folder.as_deref(), Some(Path::new("/elsewhere")));
        assert!(read("--bench --nothing").is_err() && read("--turn").is_err());
        Ok(())
    }
}
