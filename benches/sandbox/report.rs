//! The output: a table for each case, and the targets at the end.

use crate::race::Times;

/// A report that prints immediately, and keeps the verdicts.
#[derive(Debug)]
pub(crate) struct Report {
    verdicts: bool,
    backend: &'static str,
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    what: String,
    figure: String,
    passed: bool,
}

impl Report {
    pub(crate) fn new(verdicts: bool) -> Self {
        Self {
            verdicts,
            backend: "",
            targets: Vec::new(),
        }
    }

    pub(crate) fn backend(&mut self, name: &'static str) {
        self.backend = name;
        println!("\n## {name}");
    }

    /// Prints the times of a case; the others are compared with the first contender.
    pub(crate) fn table(&self, case: &str, unit: &str, times: &[Times]) {
        println!("\n### {}: {case}\n", self.backend);
        println!("| | {unit} | quartiles | × the first |\n|---|---|---|---|");
        for time in times {
            let (low, high) = time.quartiles();
            let ratio = times.first().map_or(f64::NAN, |first| time.over(first));
            let (name, median) = (time.name, time.median());
            println!("| {name} | {median:.2} | {low:.2} to {high:.2} | {ratio:.2} |");
        }
    }

    /// Adds a target of the kind "is so many times as fast".
    pub(crate) fn faster(&mut self, what: &str, limit: f64, figure: f64) {
        self.target(
            &format!("{what}: at least {limit:.1} × faster"),
            format!("{figure:.2} ×"),
            figure >= limit,
        );
    }

    /// Adds a target of the kind "takes at most so many milliseconds".
    pub(crate) fn milliseconds(&mut self, what: &str, limit: f64, figure: f64) {
        self.target(
            &format!("{what}: at most {limit:.2} ms"),
            format!("{figure:.3} ms"),
            figure <= limit,
        );
    }

    fn target(&mut self, what: &str, figure: String, passed: bool) {
        let what = format!("{}, {what}", self.backend);
        self.targets.push(Target { what, figure, passed });
    }

    pub(crate) fn finish(&self) {
        if !self.verdicts {
            println!("\nOnly tried out: the figures above mean nothing. `cargo bench -p ebbtide-bench` measures.");
            return;
        }
        println!("\n## Targets\n\n| target | measured | |\n|---|---|---|");
        for Target { what, figure, passed } in &self.targets {
            println!("| {what} | {figure} | {} |", if *passed { "PASS" } else { "FAIL" });
        }
    }
}
