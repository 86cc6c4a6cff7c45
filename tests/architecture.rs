//! The house keeps its order: imports between the modules of `src` go in one direction only.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// From left to right; modules of one group know nothing of each other, but for `stream`, which stands on `query`.
const ORDER: &[&[&str]] = &[
    &["error"],
    &["value"],
    &["sql"],
    &["url"],
    &["config"],
    &["telemetry"],
    &["backend"],
    &["pool"],
    &["session"],
    &["query"],
    &["stream"],
    &["connection"],
    &["transaction"],
    &["retry"],
    &["force_rollback"],
    &["database"],
    &["router"],
    &["connections"],
    &["schema"],
    &["testing"],
    &["interop"],
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn rank(module: &str) -> usize {
    ORDER
        .iter()
        .position(|group| group.contains(&module))
        .unwrap_or_else(|| panic!("the module `{module}` has no place in the order of tests/architecture.rs"))
}

/// The files of `src` but for `lib.rs`, each with its module and its text; tests are left out.
fn sources() -> Vec<(PathBuf, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&root, &mut found);
    found.retain(|path| {
        !path
            .components()
            .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
    });
    found
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name != "lib.rs"))
        .map(|path| {
            let inside = path.strip_prefix(&root).unwrap().to_path_buf();
            let module = inside
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_string_lossy()
                .replace(".rs", "");
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            (inside, module, text)
        })
        .collect()
}

#[test]
fn imports_go_from_left_to_right_only() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for used in line.replace("$crate::", "").split("crate::").skip(1) {
                let used: String = used
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                    .collect();
                if used.is_empty() || used == module {
                    continue;
                }
                if rank(&used) > rank(&module) {
                    wrong.push(format!("{}: {}", file.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the order:\n{}", wrong.join("\n"));
}

#[test]
fn features_of_backends_are_named_in_backend_only() {
    for (file, module, text) in sources() {
        let named = ["\"postgres\"", "\"mysql\"", "\"sqlite\""]
            .iter()
            .any(|name| text.contains(&format!("feature = {name}")));
        assert!(
            !named || module == "backend" || module == "interop",
            "{} names a backend's feature",
            file.display()
        );
    }
}

#[test]
fn no_file_allows_unsafe_code() {
    for (file, _, text) in sources() {
        assert!(
            !text.contains("unsafe {") && !text.contains("allow(unsafe_code"),
            "{}",
            file.display()
        );
    }
}
