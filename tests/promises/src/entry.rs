//! The entries of the two documents.
//!
//! A promise is a list item `- **X4** (every backend) …`, a fault `- [ ] **W7** (SQLite) …` while it is open and
//! `- [x] …` when it is fixed. The parentheses list the backends whose tests show it: `every backend`, some of
//! `SQLite`, `PostgreSQL`, `MySQL`, or `no server` where a test without a database is enough.

use crate::backend::Backend;

/// A promise or a fault.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The number in lower case, as in the names of tests.
    pub(crate) number: String,
    pub(crate) backends: Vec<Backend>,
    /// `true` for a fault that is not fixed yet.
    pub(crate) open: bool,
    /// The tests that the text names.
    pub(crate) named: Vec<String>,
}

/// Returns the promises of a document.
pub(crate) fn promises(text: &str) -> Result<Vec<Entry>, String> {
    entries(text, |item| item.starts_with("**").then_some((false, item)))
}

/// Returns the faults of a document.
pub(crate) fn faults(text: &str) -> Result<Vec<Entry>, String> {
    entries(text, |item| {
        let open = item.strip_prefix("[ ] ").map(|rest| (true, rest));
        open.or_else(|| item.strip_prefix("[x] ").map(|rest| (false, rest)))
    })
}

fn entries(text: &str, marked: impl Fn(&str) -> Option<(bool, &str)>) -> Result<Vec<Entry>, String> {
    let mut found: Vec<Entry> = Vec::new();
    for (item, line) in items(text) {
        let Some((open, rest)) = marked(&item) else { continue };
        let entry = entry(rest, open).ok_or_else(|| {
            format!("line {line}: an entry is written `**X4** (every backend) …`, with the backends in the parentheses")
        })?;
        if found.iter().any(|known| known.number == entry.number) {
            return Err(format!(
                "line {line}: {} stands there twice",
                entry.number.to_uppercase()
            ));
        }
        found.push(entry);
    }
    Ok(found)
}

/// Returns the list items of a document, each on one line, with the number of its first line.
fn items(text: &str) -> Vec<(String, usize)> {
    let mut items: Vec<(String, usize)> = Vec::new();
    let mut inside = false;
    for (line, number) in text.lines().zip(1..) {
        if let Some(item) = line.strip_prefix("- ") {
            items.push((item.to_owned(), number));
            inside = true;
        } else if let (true, Some(more)) = (inside, line.strip_prefix("  ")) {
            if let Some((item, _)) = items.last_mut() {
                item.push(' ');
                item.push_str(more.trim());
            }
        } else {
            inside = false;
        }
    }
    items
}

fn entry(text: &str, open: bool) -> Option<Entry> {
    let (number, rest) = text.strip_prefix("**")?.split_once("**")?;
    let (backends, rest) = rest.trim_start().strip_prefix('(')?.split_once(')')?;
    let backends = match backends {
        "every backend" => Backend::NATIVE.to_vec(),
        "no server" => Vec::new(),
        names => names.split(", ").map(Backend::of_name).collect::<Option<_>>()?,
    };
    let number = number.to_lowercase();
    if !crate::output::is_number(&number) {
        return None;
    }
    let named = rest.split('`').skip(1).step_by(2);
    let named = named
        .filter(|name| name.contains("_found_"))
        .map(str::to_owned)
        .collect();
    Some(Entry {
        number,
        backends,
        open,
        named,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_with_their_backends() -> Result<(), String> {
        let text = "# Title\n\n- **X4** (every backend) Cancelling\n  at any point.\n- **U1** (no server) Parses.\n- a remark\n";
        let read = promises(text)?;
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].number.as_str(), read[0].backends.len()), ("x4", 3));
        assert_eq!((read[1].number.as_str(), read[1].backends.len()), ("u1", 0));
        Ok(())
    }

    #[test]
    fn faults_are_open_or_mended_and_name_their_tests() -> Result<(), String> {
        let text =
            "- [ ] **W1** (SQLite, MySQL) Lost.\n- [x] **W7** (SQLite) Wrong id.\n  Test: `q1_no_id_found_w7`.\n";
        let read = faults(text)?;
        assert!(read[0].open && !read[1].open);
        assert_eq!(read[0].backends, [Backend::Sqlite, Backend::Mysql]);
        assert_eq!(read[1].named, ["q1_no_id_found_w7"]);
        Ok(())
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_an_error() {
        for text in [
            "- **X4** Cancelling",
            "- **X4** (Oracle) Cancelling",
            "- **Cancelling** (no server)",
        ] {
            assert!(promises(text).is_err(), "{text}");
        }
        let twice = promises("- **X4** (no server) a\n- **X4** (no server) b");
        assert!(twice.is_err_and(|error| error.contains("line 2: X4")));
    }
}
