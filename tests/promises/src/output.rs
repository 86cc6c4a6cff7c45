//! The output of a run of `cargo test` about each test.

use crate::backend::Backend;

/// The result of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Ignored,
    Failed,
}

/// A test of the run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Test {
    /// The name without the modules around it and without the backend.
    pub(crate) name: String,
    pub(crate) backend: Option<Backend>,
    pub(crate) outcome: Outcome,
}

impl Test {
    /// Returns the promise at the front of the name, as `x4` in `x4_cancelled_begin`.
    pub(crate) fn promise(&self) -> Option<&str> {
        number_of(&self.name)
    }

    /// Returns the fault at the end of the name, as `w7` in `q1_no_id_found_w7`.
    pub(crate) fn fault(&self) -> Option<&str> {
        let (_, fault) = self.name.rsplit_once("_found_")?;
        is_number(fault).then_some(fault)
    }
}

/// Returns the number that a name begins with: a letter and digits, followed by an underscore.
pub(crate) fn number_of(name: &str) -> Option<&str> {
    let (number, _) = name.split_once('_')?;
    is_number(number).then_some(number)
}

/// Returns `true` for a letter and digits, as in `x13`.
pub(crate) fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix(|letter: char| letter.is_ascii_lowercase());
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns the tests of a run, except those of the documentation, which have no names.
pub(crate) fn tests(output: &str) -> Vec<Test> {
    output.lines().filter_map(test).collect()
}

fn test(line: &str) -> Option<Test> {
    let (path, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let path = path.split_once(' ').map_or(path, |(path, _)| path);
    let outcome = match outcome.split([',', ' ']).next()? {
        "ok" => Outcome::Passed,
        "ignored" => Outcome::Ignored,
        _ => Outcome::Failed,
    };
    let mut parts: Vec<&str> = path.split("::").collect();
    let backend = parts.last().and_then(|last| Backend::of_test(last));
    if backend.is_some() {
        parts.pop();
    }
    // Suites may append parts to the name that has the number.
    let numbered = parts.iter().rfind(|part| number_of(part).is_some());
    let name = (*numbered.or(parts.last())?).to_owned();
    Some(Test { name, backend, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_modules_and_backends() {
        let output = "running 3 tests\ntest begin::x4_cancelled_begin::sqlite_file ... ok\n\
                      test sql::tests::q2_lists ... FAILED\n\
                      test replicas::r6_pairs_found_w9::mysql ... ignored, no programs\n\
                      test src/lib.rs - (line 3) ... ok\n";
        let read = tests(output);
        assert_eq!(read.len(), 4);
        assert_eq!(read[0].name, "x4_cancelled_begin");
        assert_eq!(
            (read[0].backend, read[0].outcome),
            (Some(Backend::Sqlite), Outcome::Passed)
        );
        assert_eq!((read[1].promise(), read[1].outcome), (Some("q2"), Outcome::Failed));
        assert_eq!((read[2].fault(), read[2].outcome), (Some("w9"), Outcome::Ignored));
        assert_eq!(read[3].promise(), None);
        let unnumbered = tests("test a::q3_columns_are_found_by_name ... ok");
        assert_eq!(unnumbered[0].fault(), None);
    }

    #[test]
    fn a_number_is_a_letter_and_digits() {
        assert_eq!(number_of("x13_writes"), Some("x13"));
        for name in ["xx4_begin", "x_begin", "x4", "4_begin", "begin"] {
            assert_eq!(number_of(name), None, "{name}");
        }
    }
}
