//! The output, printed and written to a file.

use std::fmt::Write;
use std::path::Path;

use ebbtide_bench::Outcome;
use ebbtide_bench::statistics::Verdict;

use crate::cases::{Case, FIRST, is_again};
use crate::counts::Counts;
use crate::race::Race;

/// The tables, as Markdown.
#[derive(Debug, Default)]
pub(crate) struct Report {
    text: String,
    goals: Vec<Goal>,
    left_out: Vec<String>,
}

#[derive(Debug)]
struct Goal {
    what: String,
    figure: String,
    verdict: &'static str,
}

impl Report {
    /// Prints a paragraph.
    pub(crate) fn say(&mut self, text: &str) {
        println!("{text}\n");
        self.text.push_str(text);
        self.text.push_str("\n\n");
    }

    /// Prints prominently that there are no figures of a backend.
    pub(crate) fn left_out(&mut self, name: &str, reason: &str) {
        let note = format!("{name} IS LEFT OUT: {reason}");
        eprintln!("NOTE: {note}");
        self.left_out.push(note);
    }

    pub(crate) fn race(&mut self, case: &Case, race: &Race) {
        let mut table = format!("#### {}\n\n", case.title());
        let memory = !case.repeats();
        let last = if memory {
            "memory above idle, MB"
        } else {
            "lowest to highest sitting"
        };
        let _ = writeln!(
            table,
            "| | {} | quartiles | × {FIRST} | {last} |\n|---|---|---|---|---|",
            case.unit()
        );
        for lane in &race.lanes {
            let (low, high) = lane.quartiles();
            let _ = write!(
                table,
                "| {} | {} | {} to {} |",
                lane.name,
                short(lane.median()),
                short(low),
                short(high)
            );
            let Some(ratio) = race.lane(FIRST).map(|first| lane.over(first)) else {
                let _ = writeln!(table, " | |");
                continue;
            };
            let (lowest, highest) = ratio.range();
            let last = if memory {
                format!("{:.1}", lane.kilobytes / 1024.0)
            } else {
                format!("{lowest:.2} to {highest:.2}")
            };
            let _ = writeln!(table, " {:.3} | {last} |", ratio.median());
        }
        self.say(table.trim_end());
        let equals: Vec<String> = race
            .equals()
            .iter()
            .map(|(name, ratio)| format!("{name} beside itself {:.3}", ratio.median()))
            .collect();
        if !equals.is_empty() {
            let (noise, sittings) = (race.noise(), race.lanes.first().map_or(0, |lane| lane.sittings.len()));
            self.say(&format!(
                "A/A: {}; noise {:.1} %, so a difference counts from {:.3} × on. {} operations a turn, {} turns in {sittings} sittings.",
                equals.join(", "),
                noise * 100.0,
                1.0 + 2.0 * noise,
                race.operations,
                race.lanes.first().map_or(0, |lane| lane.sittings.iter().map(Vec::len).sum())
            ));
        }
    }

    pub(crate) fn counts(&mut self, case: &Case, counts: &[Counts]) {
        let unit = if case.workload.things() == 1 {
            "operation"
        } else {
            "row"
        };
        let mut table = format!(
            "Counted, for each {unit} (round trips for all rows):\n\n\
             | | round trips | allocations | bytes | instructions | L1 instruction misses |\n|---|---|---|---|---|---|\n"
        );
        for lane in counts.iter().filter(|lane| !is_again(&lane.name)) {
            let _ = write!(table, "| {} |", lane.name);
            for count in [
                lane.round_trips,
                lane.allocations,
                lane.bytes,
                lane.instructions,
                lane.misses,
            ] {
                let _ = write!(table, " {} |", count.map_or("–".to_owned(), short));
            }
            table.push('\n');
        }
        self.say(table.trim_end());
    }

    pub(crate) fn goal(&mut self, what: String, figure: String, verdict: Verdict) {
        let verdict = verdict.word();
        self.goals.push(Goal { what, figure, verdict });
    }

    /// Prints the goals, and writes everything into the folder, goals first.
    pub(crate) fn finish(mut self, folder: Option<&Path>) -> Outcome {
        let tables = std::mem::take(&mut self.text);
        if !self.goals.is_empty() {
            let mut table = "### Goals\n\n| goal | measured | |\n|---|---|---|\n".to_owned();
            for Goal { what, figure, verdict } in &self.goals {
                let _ = writeln!(table, "| {what} | {figure} | {verdict} |");
            }
            self.say(table.trim_end());
        }
        for note in std::mem::take(&mut self.left_out) {
            self.say(&format!("**{note}**"));
        }
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)?;
            let head = "# ebbtide beside its peers\n\nWritten by `cargo bench -p ebbtide-bench`; docs/PERFORMANCE.md describes the method.";
            let text = format!("{head}\n\n{}{}\n", self.text, tables.trim_end());
            std::fs::write(folder.join("peers.md"), text)?;
        }
        Ok(())
    }
}

/// Formats a value with three or four significant digits.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.995 => 2,
        _ => 3,
    };
    // No "-0".
    format!("{:.digits$}", value + 0.0)
}
