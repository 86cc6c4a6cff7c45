//! The duration of the storm, and its seed.

use std::collections::hash_map::RandomState;
use std::env;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant};

const EFFORT: &str = "EBBTIDE_SOAK";
const SEED: &str = "EBBTIDE_SOAK_SEED";

/// The number of rounds of a run without `EBBTIDE_SOAK`.
const ROUNDS: u64 = 20;
/// The limit for a round on a loaded machine, including all checks after it.
const ROUND_LIMIT: Duration = Duration::from_mins(1);

/// The duration of the storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    Rounds(u64),
    Time(Duration),
}

impl Effort {
    pub(crate) fn from_environment() -> Self {
        match env::var(EFFORT).ok().filter(|text| !text.is_empty()) {
            None => Self::Rounds(ROUNDS),
            Some(text) => Self::read(&text).unwrap_or_else(|| {
                panic!("{EFFORT} is a number of rounds, or a time such as 90s, 30m or 2h, and not `{text}`")
            }),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let number = number.parse().ok()?;
        Some(match unit {
            "" => Self::Rounds(number),
            "s" => Self::Time(Duration::from_secs(number)),
            "m" => Self::Time(Duration::from_mins(number)),
            "h" => Self::Time(Duration::from_hours(number)),
            _ => return None,
        })
    }

    /// Returns a quarter of it, for each of the rarer storms.
    pub(crate) fn part(self) -> Self {
        match self {
            Self::Rounds(rounds) => Self::Rounds(rounds.div_ceil(4)),
            Self::Time(limit) => Self::Time(limit / 4),
        }
    }

    /// Returns whether another round follows after `rounds` rounds that began at `since`.
    pub(crate) fn goes_on(self, rounds: u64, since: Instant) -> bool {
        match self {
            Self::Rounds(all) => rounds < all,
            Self::Time(limit) => since.elapsed() < limit,
        }
    }

    /// Returns the time after which the storm counts as hanging.
    pub(crate) fn limit(self) -> Duration {
        match self {
            Self::Rounds(rounds) => ROUND_LIMIT * u32::try_from(rounds).unwrap_or(u32::MAX),
            Self::Time(limit) => limit + 2 * ROUND_LIMIT,
        }
    }
}

/// Returns the seed of this run.
pub(crate) fn seed() -> u64 {
    match env::var(SEED).ok().filter(|text| !text.is_empty()) {
        None => RandomState::new().build_hasher().finish(),
        Some(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{SEED} is a number, and not `{text}`")),
    }
}
