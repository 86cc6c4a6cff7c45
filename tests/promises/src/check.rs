//! The check for contradictions between the documents and the tests.

use crate::backend::Backend;
use crate::entry::Entry;
use crate::output::{Outcome, Test};

/// The result of a check.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// A line for each contradiction.
    pub(crate) wrong: Vec<String>,
    pub(crate) promises: usize,
    /// Number of promises with a passed test on each tested backend they name.
    pub(crate) shown: usize,
    /// Number of tests that have a number in their name and passed.
    pub(crate) tests: usize,
    pub(crate) mended: usize,
    pub(crate) open: usize,
}

/// Checks the documents against the tests of a run on `backends`.
pub(crate) fn check(promises: &[Entry], faults: &[Entry], tests: &[Test], backends: &[Backend]) -> Findings {
    let mut findings = Findings {
        promises: promises.len(),
        tests: tests
            .iter()
            .filter(|test| test.promise().is_some() && test.outcome == Outcome::Passed)
            .count(),
        mended: faults.iter().filter(|fault| !fault.open).count(),
        open: faults.iter().filter(|fault| fault.open).count(),
        ..Findings::default()
    };
    for promise in promises {
        let missing = missing(promise, tests, backends, |test| test.promise());
        findings.shown += usize::from(missing.is_empty());
        findings.wrong.extend(missing.iter().map(|place| {
            let number = promise.number.to_uppercase();
            format!("{number} of PROMISES.md has no test that passed {place}")
        }));
    }
    for fault in faults {
        findings.wrong.extend(fault_of(fault, tests, backends));
    }
    findings.wrong.extend(unknown(promises, faults, tests));
    findings
}

/// Returns a line for each backend on which an entry has no passed test.
fn missing<'t>(
    entry: &Entry,
    tests: &'t [Test],
    backends: &[Backend],
    number: impl Fn(&'t Test) -> Option<&'t str>,
) -> Vec<String> {
    let mine = |test: &&'t Test| number(test) == Some(&entry.number) && test.outcome == Outcome::Passed;
    let passed: Vec<&Test> = tests.iter().filter(mine).collect();
    if entry.backends.is_empty() {
        let nowhere = passed.is_empty().then(|| "anywhere".to_owned());
        return nowhere.into_iter().collect();
    }
    let wanted = entry.backends.iter().filter(|backend| backends.contains(backend));
    wanted
        .filter(|backend| !passed.iter().any(|test| test.backend == Some(**backend)))
        .map(|backend| format!("on {backend}"))
        .collect()
}

fn fault_of(fault: &Entry, tests: &[Test], backends: &[Backend]) -> Vec<String> {
    let number = fault.number.to_uppercase();
    let mut wrong = Vec::new();
    if fault.open {
        let shown = tests.iter().any(|test| test.fault() == Some(&fault.number));
        if shown && fault.named.is_empty() {
            wrong.push(format!(
                "{number} of FAULTS.md is open and names no test, but a test bears it: tick it, or name what is done"
            ));
        }
    } else {
        let missing = missing(fault, tests, backends, Test::fault);
        let describe = |place: &String| format!("{number} of FAULTS.md is ticked, but no test of it passed {place}");
        wrong.extend(missing.iter().map(describe));
        if fault.named.is_empty() {
            wrong.push(format!("{number} of FAULTS.md is ticked, but names no test"));
        }
    }
    for name in &fault.named {
        if !tests
            .iter()
            .any(|test| test.name == *name && test.fault() == Some(&fault.number))
        {
            wrong.push(format!(
                "{number} of FAULTS.md names the test `{name}`, which there is not"
            ));
        }
    }
    wrong
}

/// Returns the numbers in the names of tests that no document has.
fn unknown(promises: &[Entry], faults: &[Entry], tests: &[Test]) -> Vec<String> {
    let mut wrong = Vec::new();
    let known = |entries: &[Entry], number: &str| entries.iter().any(|entry| entry.number == number);
    for test in tests {
        let name = &test.name;
        if let Some(number) = test.promise().filter(|number| !known(promises, number)) {
            wrong.push(format!(
                "the test `{name}` bears the number {}, which PROMISES.md has not",
                number.to_uppercase()
            ));
        }
        if let Some(number) = test.fault().filter(|number| !known(faults, number)) {
            wrong.push(format!(
                "the test `{name}` bears the number {}, which FAULTS.md has not",
                number.to_uppercase()
            ));
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{faults, promises};
    use crate::output::tests;

    /// Returns the contradictions of two documents and the output of a run on SQLite and PostgreSQL.
    fn wrong(promised: &str, found: &str, output: &str) -> Result<Vec<String>, String> {
        let backends = [Backend::Sqlite, Backend::Postgres];
        Ok(check(&promises(promised)?, &faults(found)?, &tests(output), &backends).wrong)
    }

    #[test]
    fn a_promise_needs_a_passed_test_on_each_tested_backend() -> Result<(), String> {
        let promised = "- **X4** (every backend) a\n- **U1** (no server) b";
        let unit = "test url::u1_parts ... ok\ntest begin::x4_cancelled::sqlite_memory ... ok\n";
        let shown = format!("{unit}test begin::x4_cancelled::postgres ... ok\n");
        assert_eq!(wrong(promised, "", &shown)?, Vec::<String>::new());
        for missing in ["", "test begin::x4_cancelled::postgres ... ignored, no server\n"] {
            let left = wrong(promised, "", &format!("{unit}{missing}"))?;
            assert_eq!(left, ["X4 of PROMISES.md has no test that passed on PostgreSQL"]);
        }
        assert_eq!(
            wrong("- **U1** (no server) b", "", "")?,
            ["U1 of PROMISES.md has no test that passed anywhere"]
        );
        Ok(())
    }

    #[test]
    fn a_number_that_no_document_has_is_named() -> Result<(), String> {
        let left = wrong(
            "",
            "",
            "test a::x99_new::sqlite_file ... ok\ntest a::b_found_w3 ... FAILED\n",
        )?;
        assert_eq!(left.len(), 2);
        assert!(left[0].contains("W3, which FAULTS.md has not"), "{left:?}");
        assert!(left[1].contains("X99, which PROMISES.md has not"), "{left:?}");
        Ok(())
    }

    #[test]
    fn a_ticked_fault_names_tests_that_passed() -> Result<(), String> {
        let promised = "- **Q1** (no server) verbs";
        let ran = "test a::q1_id_found_w7::sqlite_file ... ok\n";
        assert!(wrong(promised, "- [x] **W7** (SQLite) ids: `q1_id_found_w7`", ran)?.is_empty());
        for (found, part) in [
            ("- [x] **W7** (SQLite) ids: `q1_other_found_w7`", "which there is not"),
            ("- [x] **W7** (SQLite) ids", "names no test"),
            (
                "- [x] **W7** (PostgreSQL) ids: `q1_id_found_w7`",
                "no test of it passed on PostgreSQL",
            ),
            ("- [ ] **W7** (SQLite) ids", "tick it"),
        ] {
            let left = wrong(promised, found, ran)?;
            assert!(left.len() == 1 && left[0].contains(part), "{found}: {left:?}");
        }
        Ok(())
    }
}
