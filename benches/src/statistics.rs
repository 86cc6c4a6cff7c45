//! Medians, ratios, and the noise used to judge claims.

/// Returns the value at a share of the sorted values; not a number if there are none.
pub fn quantile(values: &[f64], at: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = ((sorted.len().saturating_sub(1)) as f64 * at).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// Returns the median.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The ratio of one lane's time to another's: the median over the sittings, in each of which the two took turns.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratio {
    sittings: Vec<f64>,
}

impl Ratio {
    /// Compares the turns of two lanes, which are in the same order for each sitting.
    pub fn of(lane: &[Vec<f64>], other: &[Vec<f64>]) -> Self {
        let sittings = lane.iter().zip(other).map(|(lane, other)| {
            let ratios: Vec<f64> = lane.iter().zip(other).map(|(a, b)| a / b).collect();
            median(&ratios)
        });
        Self {
            sittings: sittings.collect(),
        }
    }

    /// Returns the median of the sittings.
    pub fn median(&self) -> f64 {
        median(&self.sittings)
    }

    /// Returns the lowest and the highest sitting.
    pub fn range(&self) -> (f64, f64) {
        (quantile(&self.sittings, 0.0), quantile(&self.sittings, 1.0))
    }
}

/// Returns the noise: the difference of a lane from itself between sittings, as the root mean square over all pairs of
/// equal lanes and all sittings.
pub fn noise(pairs: &[Ratio]) -> f64 {
    let squares: Vec<f64> = pairs
        .iter()
        .flat_map(|pair| &pair.sittings)
        .map(|ratio| (ratio - 1.0).powi(2))
        .collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

/// The result of comparing a figure with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the limit.
    Pass,
    /// Beyond the limit, by at most twice the noise: this run does not decide it.
    Noise,
    /// Beyond the limit by more than twice the noise.
    Fail,
}

impl Verdict {
    /// Judges a ratio that should be at most `limit`.
    pub fn at_most(limit: f64, ratio: f64, noise: f64) -> Self {
        if ratio <= limit {
            Self::Pass
        } else if ratio <= limit * (1.0 + 2.0 * noise) {
            Self::Noise
        } else {
            Self::Fail
        }
    }

    /// Judges a ratio that should be at least `limit`.
    pub fn at_least(limit: f64, ratio: f64, noise: f64) -> Self {
        Self::at_most(ratio, limit, noise)
    }

    /// Returns the word for tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Noise => "within noise",
            Self::Fail => "FAIL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ratio, Verdict, median, noise, quantile};

    /// Times are results of divisions, so they are compared with a tolerance.
    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn quantiles_are_values_of_the_list() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert!(near(median(&values), 3.0));
        assert!(near(quantile(&values, 0.25), 2.0) && near(quantile(&values, 1.0), 5.0));
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_disturbance_of_one_round_or_sitting_does_not_move_the_ratio() {
        let bare = [vec![10.0, 10.0, 90.0], vec![10.0; 3], vec![50.0; 3]];
        let lane = [vec![11.0, 11.0, 99.0], vec![11.0; 3], vec![100.0; 3]];
        let ratio = Ratio::of(&lane, &bare);
        assert!(near(ratio.median(), 1.1));
        assert!(near(ratio.range().0, 1.1) && near(ratio.range().1, 2.0));
    }

    #[test]
    fn noise_is_the_spread_of_equals() {
        let bare = [vec![10.0], vec![10.0]];
        let again = [vec![10.2], vec![9.8]];
        assert!(near(noise(&[Ratio::of(&again, &bare)]), 0.02));
        assert!(near(noise(&[Ratio::of(&bare, &bare)]), 0.0));
    }

    #[test]
    fn a_limit_is_judged_by_twice_the_noise() {
        assert_eq!(Verdict::at_most(1.0, 1.0, 0.0), Verdict::Pass);
        assert_eq!(Verdict::at_most(1.0, 1.03, 0.02), Verdict::Noise);
        assert_eq!(Verdict::at_most(1.0, 1.05, 0.02), Verdict::Fail);
        assert_eq!(Verdict::at_least(6.0, 6.5, 0.0), Verdict::Pass);
        assert_eq!(Verdict::at_least(6.0, 5.9, 0.02), Verdict::Noise);
        assert_eq!(Verdict::at_least(6.0, 3.0, 0.02), Verdict::Fail);
    }
}
