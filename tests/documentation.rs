//! Checks that the links of the guides are valid in both places where they are read: as files of the repository and as
//! pages of rustdoc.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the paths of README.md, CONTRIBUTING.md and the guides.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let guides = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    guides
        .chain([root().join("README.md"), root().join("CONTRIBUTING.md")])
        .collect()
}

/// Returns the definitions of links in a text, `[name]: target`.
fn definitions(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("]: "))
}

/// Returns the targets of links in a text, `[text](target)`.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
}

#[test]
fn links_of_the_guides_lead_somewhere_as_files_and_as_pages_found_f16() {
    let shared = fs::read_to_string(root().join("src/guides/links.md")).unwrap();
    let as_pages: BTreeSet<_> = definitions(&shared).map(|(name, _)| name).collect();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let is_page = !page.ends_with("CONTRIBUTING.md");
        for (name, target) in definitions(&text).filter(|(_, target)| !target.contains("://")) {
            let file = page.with_file_name(target.split('#').next().unwrap());
            assert!(
                file.exists(),
                "{}: [{name}] leads to {target}, which is not there",
                page.display()
            );
            assert!(
                !is_page || as_pages.contains(name),
                "{}: [{name}] leads nowhere in rustdoc",
                page.display()
            );
        }
        let files = targets(&text).filter(|target| !target.contains("://") && !target.starts_with('#'));
        for target in files {
            let file = page.with_file_name(target.split('#').next().unwrap());
            assert!(
                !is_page,
                "{}: {target} is a file, which no page of rustdoc has",
                page.display()
            );
            assert!(file.exists(), "{}: {target} is not there", page.display());
        }
    }
}

#[test]
fn the_package_has_its_licences_and_its_documentation_every_feature_found_f16() {
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(root().join(licence).exists(), "{licence}");
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let on_docs_rs = manifest.split("[package.metadata.docs.rs]").nth(1).unwrap();
    assert!(on_docs_rs.trim_start().starts_with("all-features = true"));
}

#[test]
fn the_guides_that_new_users_look_for_are_there_found_n7() {
    let read = |name: &str| fs::read_to_string(root().join("docs").join(name)).unwrap();
    for (guide, pieces) in [
        ("QUERIES.md", vec!["## A WHERE clause built at run time", "## Pages"]),
        (
            "DIALECTS.md",
            vec!["## Migrations", "## One suite", "database.dialect()"],
        ),
        (
            "TESTING.md",
            vec!["## Porting a suite", "its own values for unique columns"],
        ),
        (
            "SQLX.md",
            vec![
                "## Coming from sqlx",
                "PgListener",
                "copy_in_raw",
                "`time`",
                "sqlx.here()",
            ],
        ),
    ] {
        let text = read(guide);
        for piece in pieces {
            assert!(text.contains(piece), "{guide}: `{piece}` is not there");
        }
    }
}

#[test]
fn the_public_dependencies_are_listed_and_exported() {
    let types = fs::read_to_string(root().join("src/types.rs")).unwrap();
    let exported: BTreeSet<String> = types
        .lines()
        .filter_map(|line| line.strip_prefix("pub use ")?.strip_suffix(';'))
        .map(|name| name.trim_start_matches("::").replace('_', "-"))
        .collect();
    let listed = fs::read_to_string(root().join("docs/DEPENDENCIES.md")).unwrap();
    let section = listed.split("## Public dependencies").nth(1).unwrap();
    let rows = section
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("| `"));
    let listed: BTreeSet<String> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2))
        .map(|name| name.replace('_', "-"))
        .collect();
    assert_eq!(exported, listed);
}
