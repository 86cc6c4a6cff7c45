//! Checks `docs/PROMISES.md` and `docs/FAULTS.md` against the output of a test run.
//!
//! ```text
//! ebbtide-promises DOCS OUTPUT BACKENDS
//! ```
//!
//! `DOCS` is the folder of the two documents, `OUTPUT` a file with the output of `cargo test`, `BACKENDS` the tested
//! families, for instance `sqlite,postgres,mysql`. Every promise needs a test that passed, and was not ignored, on each
//! tested backend it names. Every number in a test's name must be a promise or a fault. Exits with 1 and a line for
//! each contradiction.

mod backend;
mod check;
mod entry;
mod output;

use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;

use backend::Backend;
use check::Findings;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(findings) => {
            print!("{}", report(&findings));
            ExitCode::from(u8::from(!findings.wrong.is_empty()))
        }
        Err(message) => {
            eprintln!("ebbtide-promises: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<Findings, String> {
    let [docs, output, backends] = arguments else {
        return Err("usage: ebbtide-promises DOCS OUTPUT BACKENDS".to_owned());
    };
    let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"));
    let backends: Vec<Backend> = backends.split(',').map(Backend::of_family).collect::<Result<_, _>>()?;
    let promises = entry::promises(&read(&format!("{docs}/PROMISES.md"))?)?;
    let faults = entry::faults(&read(&format!("{docs}/FAULTS.md"))?)?;
    // The output of tests may not be valid UTF-8.
    let output = fs::read(output).map_err(|error| format!("cannot read {output}: {error}"))?;
    let tests = output::tests(&String::from_utf8_lossy(&output));
    Ok(check::check(&promises, &faults, &tests, &backends))
}

fn report(findings: &Findings) -> String {
    let mut report = String::new();
    for wrong in &findings.wrong {
        let _ = writeln!(report, "promises: {wrong}");
    }
    let _ = writeln!(
        report,
        "promises: {} of {} shown by {} tests; faults: {} mended, {} open; {} contradictions",
        findings.shown,
        findings.promises,
        findings.tests,
        findings.mended,
        findings.open,
        findings.wrong.len()
    );
    report
}
