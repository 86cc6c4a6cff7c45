//! Contenders that take turns, so that drift affects all of them equally.

use std::time::{Duration, Instant};

use ebbtide_bench::statistics::quantile;
use ebbtide_bench::{Failure, Outcome};
use futures::future::LocalBoxFuture;

use crate::effort::Effort;

/// One contender of a case: a name, and a number of operations to run.
pub(crate) trait Runner {
    fn name(&self) -> &'static str;
    fn run(&mut self, operations: usize) -> LocalBoxFuture<'_, Outcome>;
}

struct Lane<F> {
    name: &'static str,
    operations: F,
}

/// Creates a contender from a closure that runs a number of operations one after the other.
pub(crate) fn lane<'a, F>(name: &'static str, operations: F) -> Box<dyn Runner + 'a>
where
    F: AsyncFnMut(usize) -> Outcome + 'a,
{
    Box::new(Lane { name, operations })
}

impl<F: AsyncFnMut(usize) -> Outcome> Runner for Lane<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&mut self, operations: usize) -> LocalBoxFuture<'_, Outcome> {
        Box::pin((self.operations)(operations))
    }
}

/// The times of one contender, in microseconds for each counted thing, round by round.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) name: &'static str,
    rounds: Vec<f64>,
}

impl Times {
    pub(crate) fn median(&self) -> f64 {
        quantile(&self.rounds, 0.5)
    }

    pub(crate) fn quartiles(&self) -> (f64, f64) {
        (quantile(&self.rounds, 0.25), quantile(&self.rounds, 0.75))
    }

    /// Returns the ratio of this time to the other: the median over the rounds, in each of which both ran.
    pub(crate) fn over(&self, other: &Self) -> f64 {
        let ratios: Vec<f64> = self.rounds.iter().zip(&other.rounds).map(|(a, b)| a / b).collect();
        quantile(&ratios, 0.5)
    }

    /// Returns the difference to the other in microseconds: again the median over the rounds.
    pub(crate) fn beyond(&self, other: &Self) -> f64 {
        let differences: Vec<f64> = self.rounds.iter().zip(&other.rounds).map(|(a, b)| a - b).collect();
        quantile(&differences, 0.5)
    }
}

/// Runs the contenders in turns. `things` is the number of things one operation counts for, `least` the fewest
/// operations of a turn. `before` runs ahead of every turn, outside of the measured time.
pub(crate) async fn race(
    lanes: &mut [Box<dyn Runner + '_>],
    effort: &Effort,
    things: usize,
    least: usize,
    mut before: impl AsyncFnMut() -> Outcome,
) -> Outcome<Vec<Times>> {
    let mut operations = Vec::new();
    for lane in lanes.iter_mut() {
        before().await?;
        // The first turn connects, prepares and warms up; the second determines the number of operations of a turn.
        turn(lane.as_mut(), least).await?;
        before().await?;
        let one = turn(lane.as_mut(), least).await? / least as f64;
        operations.push(least.max((effort.turn().as_secs_f64() / one) as usize));
    }
    let mut times: Vec<Times> = lanes
        .iter()
        .map(|lane| Times {
            name: lane.name(),
            rounds: Vec::new(),
        })
        .collect();
    let begun = Instant::now();
    let mut round = 0;
    while round < effort.rounds() || begun.elapsed() < effort.case() {
        for place in 0..lanes.len() {
            // Another contender begins each round.
            let index = (place + round) % lanes.len();
            before().await?;
            let taken = turn(lanes[index].as_mut(), operations[index]).await?;
            times[index]
                .rounds
                .push(taken * 1e6 / (operations[index] * things) as f64);
        }
        round += 1;
    }
    Ok(times)
}

/// Does nothing ahead of a turn.
pub(crate) async fn nothing() -> Outcome {
    Ok(())
}

async fn turn(lane: &mut dyn Runner, operations: usize) -> Outcome<f64> {
    let begun = Instant::now();
    lane.run(operations)
        .await
        .map_err(|error| Failure::from(format!("{}: {error}", lane.name())))?;
    Ok(begun.elapsed().max(Duration::from_nanos(1)).as_secs_f64())
}
