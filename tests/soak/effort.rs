//! How long the storm goes on, and from which seed.

use std::collections::hash_map::RandomState;
use std::env;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant};

const EFFORT: &str = "EBBTIDE_SOAK";
const SEED: &str = "EBBTIDE_SOAK_SEED";

/// The rounds of a run without `EBBTIDE_SOAK`.
const ROUNDS: u64 = 20;
/// What a round may take on a loaded machine, with everything that is looked at after it.
const ROUND_LIMIT: Duration = Duration::from_mins(1);

/// How long the storm goes on.
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

    /// Whether there is to be one more round after so many, begun at `since`.
    pub(crate) fn goes_on(self, rounds: u64, since: Instant) -> bool {
        match self {
            Self::Rounds(all) => rounds < all,
            Self::Time(limit) => since.elapsed() < limit,
        }
    }

    /// After what time it is taken for hanging.
    pub(crate) fn limit(self) -> Duration {
        match self {
            Self::Rounds(rounds) => ROUND_LIMIT * u32::try_from(rounds).unwrap_or(u32::MAX),
            Self::Time(limit) => limit + 2 * ROUND_LIMIT,
        }
    }
}

/// The seed of this run.
pub(crate) fn seed() -> u64 {
    match env::var(SEED).ok().filter(|text| !text.is_empty()) {
        None => RandomState::new().build_hasher().finish(),
        Some(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{SEED} is a number, and not `{text}`")),
    }
}
