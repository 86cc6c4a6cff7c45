//! Turns of several contenders, and their medians.

use std::future::Future;
use std::time::{Duration, Instant};

use ebbtide_bench::Outcome;

/// The times of each contender, in the order of their first turn. The first one is the measure of the others.
#[derive(Debug)]
pub(crate) struct Race {
    rows: usize,
    times: Vec<(&'static str, Vec<Duration>)>,
}

impl Race {
    pub(crate) fn new(rows: usize) -> Self {
        Self {
            rows,
            times: Vec::new(),
        }
    }

    /// Times one turn of a contender that reads all rows.
    pub(crate) fn turn(&mut self, name: &'static str, read: impl FnOnce() -> Outcome<usize>) -> Outcome {
        let begun = Instant::now();
        let read = read()?;
        self.note(name, begun.elapsed(), read)
    }

    /// Times one turn of a contender that waits.
    pub(crate) async fn wait(&mut self, name: &'static str, read: impl Future<Output = Outcome<usize>>) -> Outcome {
        let begun = Instant::now();
        let read = read.await?;
        self.note(name, begun.elapsed(), read)
    }

    fn note(&mut self, name: &'static str, taken: Duration, read: usize) -> Outcome {
        if read != self.rows {
            return Err(format!("{name} read {read} rows instead of {}", self.rows).into());
        }
        match self.times.iter_mut().find(|(known, _)| *known == name) {
            Some((_, times)) => times.push(taken),
            None => self.times.push((name, vec![taken])),
        }
        Ok(())
    }

    /// Prints the medians, and their ratios to the first contender's.
    pub(crate) fn report(&mut self, title: &str) {
        println!(
            "\n{title}\n| | ns a row | × {} |\n|---|---|---|",
            self.times.first().map_or("", |(name, _)| name)
        );
        let rows = self.rows as f64;
        let mut measure = None;
        for (name, times) in &mut self.times {
            times.sort_unstable();
            let median = times[times.len() / 2].as_nanos() as f64 / rows;
            let ratio = median / *measure.get_or_insert(median);
            println!("| {name} | {median:.0} | {ratio:.2} |");
        }
    }
}
