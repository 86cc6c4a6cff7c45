//! Checks the order of the modules of `src`: imports between them go in one direction only.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from left to right. Modules of one group do not import each other, except `stream`, which uses `query`.
const ORDER: &[&[&str]] = &[
    &["error"],
    &["value"],
    &["any"],
    &["sql"],
    &["url"],
    &["config"],
    &["telemetry"],
    &["caller"],
    &["backend"],
    &["pool"],
    &["session"],
    &["query"],
    &["stream"],
    &["connection"],
    &["transaction"],
    &["queryable"],
    &["retry"],
    &["force_rollback"],
    &["database"],
    &["copy"],
    &["router"],
    &["connections"],
    &["schema"],
    &["testing"],
    &["interop"],
    &["fuzzing"],
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

/// Returns the files of `src` except `lib.rs`, each with its module and its text. Tests are left out.
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
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
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
        let named = ["\"postgres\"", "\"mysql\"", "\"sqlite\"", "\"mssql\""]
            .iter()
            .any(|name| text.contains(&format!("feature = {name}")));
        assert!(
            !named || module == "backend" || module == "interop",
            "{} names a backend's feature",
            file.display()
        );
    }
}

/// Returns the lines of a text that are no comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Returns whether a line names a variant of `Dialect`.
fn names_a_dialect(line: &str) -> bool {
    ["Postgres", "MySql", "Sqlite", "SqlServer", "Generic"]
        .iter()
        .any(|name| line.contains(&format!("Dialect::{name}")))
}

#[test]
fn servers_are_told_apart_by_their_rules() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        if ["backend", "sql", "url", "interop"].contains(&&*module) {
            continue;
        }
        let named = code(&text).filter(|line| names_a_dialect(line));
        wrong.extend(named.map(|line| format!("{}: {}", file.display(), line.trim())));
    }
    assert!(
        wrong.is_empty(),
        "put what is different on a server into its rules, `src/backend/rules/`:\n{}",
        wrong.join("\n")
    );
}

/// Returns the identifiers of a text, and its strings, without comments and conditions of features.
fn words(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut names, mut strings) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|rest| rest.trim_start_matches('#'));
        let length = if rest.starts_with("//") || rest.starts_with("#[cfg") || rest.starts_with("#[doc") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = raw.filter(|raw| raw.starts_with('"')) {
            let begin = rest.len() - raw.len() + 1;
            let end = format!("\"{}", "#".repeat(begin - 2));
            begin + raw[1..].find(&end).unwrap() + end.len()
        } else if first == '"' {
            let mut escaped = false;
            let length = rest[1..].find(|sign| {
                let ends = sign == '"' && !escaped;
                escaped = sign == '\\' && !escaped;
                ends
            });
            strings.push(&rest[1..=length.unwrap()]);
            length.unwrap() + 2
        } else if rest.starts_with("'\"'") {
            3
        } else if first.is_alphabetic() || first == '_' {
            let length = rest.find(|sign: char| !(sign.is_alphanumeric() || sign == '_'));
            names.push(&rest[..length.unwrap_or(rest.len())]);
            length.unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    (names, strings)
}

/// Public names of settings, and of parts of a URL.
const PUBLIC: [&str; 3] = ["SqliteMode", "sqlite_mode", "sqlite_path"];

/// Messages and examples may name products. What decides something is an identifier, or a string that is the name of a
/// product. The tables of `config` list the options of each dialect.
#[test]
fn products_are_named_in_messages_only() {
    const PRODUCTS: [&str; 5] = ["postgres", "postgresql", "mysql", "mariadb", "sqlite"];
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        if ["backend", "sql", "url", "interop", "fuzzing"].contains(&&*module) {
            continue;
        }
        let (names, mut strings) = words(&text);
        if file.ends_with("client_options.rs") {
            // There a product's name is also the value of an option of libpq.
            strings.clear();
        }
        let name = |name: &&str| {
            let lower = name.to_lowercase();
            !PUBLIC.contains(name)
                && ["postgres", "mysql", "maria", "sqlite"]
                    .iter()
                    .any(|product| lower.contains(product))
        };
        let string = |string: &&str| PRODUCTS.contains(&string.trim_matches(|sign: char| !sign.is_alphanumeric()));
        let names = names.into_iter().filter(|_| module != "config").filter(name);
        wrong.extend(
            names
                .chain(strings.into_iter().filter(string))
                .map(|word| format!("{}: {word}", file.display())),
        );
    }
    assert!(
        wrong.is_empty(),
        "put what is different on a server into its rules, `src/backend/rules/`:\n{}",
        wrong.join("\n")
    );
}

/// Returns the texts of the bodies of `match` in a file, each with those that it contains.
fn matches(text: &str) -> Vec<String> {
    let text: String = code(text).flat_map(|line| [line, "\n"]).collect();
    let mut found = Vec::new();
    for (at, _) in text.match_indices("match ") {
        let Some(open) = text[at..].find(" {\n") else { continue };
        let body = &text[at + open + 2..];
        let mut depth = 1;
        let end = body.find(|sign| {
            depth += match sign {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            depth == 0
        });
        found.push(body[..end.unwrap_or(body.len())].to_owned());
    }
    found
}

/// Returns the patterns of the arms of a `match`, of which the body is given. An arm begins at the smallest indentation.
fn patterns(body: &str) -> Vec<&str> {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let lines = || body.lines().filter(|line| !line.trim().is_empty());
    let least = lines().map(indentation).min().unwrap_or_default();
    lines()
        .filter(|line| indentation(line) == least)
        .filter_map(|line| line.split_once("=>"))
        .map(|(pattern, _)| pattern.trim())
        .collect()
}

#[test]
fn interop_picks_a_driver_by_exhaustive_matches_only() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        if module != "interop" {
            continue;
        }
        // A guard, or a comparison, leaves the compiler silent about a new server.
        let arm = |line: &str| {
            line.split_once("=>")
                .is_some_and(|(pattern, _)| names_a_dialect(pattern) && !pattern.contains(" if "))
        };
        let lines = code(&text).filter(|line| names_a_dialect(line) && !arm(line));
        wrong.extend(lines.map(|line| format!("{}: {}", file.display(), line.trim())));
        for body in matches(&text) {
            let patterns = patterns(&body);
            if patterns.iter().any(|pattern| names_a_dialect(pattern)) {
                let others = patterns.iter().filter(|pattern| !names_a_dialect(pattern));
                wrong.extend(others.map(|pattern| format!("{}: {pattern} =>", file.display())));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "match on every dialect by its name:\n{}",
        wrong.join("\n")
    );
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

/// Files that may have more lines, each with its reason in docs/ARCHITECTURE.md.
const LONG: [&str; 2] = ["transaction.rs", "value/value_deserializer.rs"];

#[test]
fn files_have_at_most_400_lines() {
    for (file, _, text) in sources() {
        let lines = text.lines().count();
        let allowed = LONG.iter().any(|long| file == Path::new(long));
        assert!(lines <= 400 || allowed, "{} has {lines} lines", file.display());
    }
}

/// Names that several visible types may have: the two implementations in `telemetry`, sealed traits, sources of reads or
/// addresses, and the connection of `any`, which lies right of it and has aliases there.
const SHARED: [&str; 7] = [
    "AnyConnectOptions",
    "AnyConnection",
    "AnyTransactionManager",
    "Meter",
    "Pending",
    "Sealed",
    "Source",
];

#[test]
fn visible_types_have_names_of_their_own() {
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (file, _, text) in sources() {
        for line in text.lines().filter(|line| line.starts_with("pub")) {
            let mut words = line
                .split_whitespace()
                .skip_while(|word| word.starts_with("pub") || *word == "unsafe");
            if !matches!(words.next(), Some("struct" | "enum" | "trait" | "type" | "union")) {
                continue;
            }
            let name: String = words
                .next()
                .unwrap()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if SHARED.contains(&&*name) {
                continue;
            }
            if let Some(other) = seen.insert(name.clone(), file.clone()) {
                panic!("both {} and {} have a type `{name}`", other.display(), file.display());
            }
        }
    }
}

/// Returns the module of a file, as its path of names.
fn module_of(file: &Path) -> Vec<String> {
    let mut path: Vec<String> = file
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

/// Returns the paths that a tree of imports names: `a::{b, c::D}` is `a::b` and `a::c::D`.
fn leaves(tree: &str, prefix: &[String], found: &mut Vec<Vec<String>>) {
    let (head, group) = match tree.split_once('{') {
        Some((head, group)) => (head, Some(group.trim_end().trim_end_matches('}'))),
        None => (tree, None),
    };
    let mut path = prefix.to_vec();
    path.extend(
        head.split("::")
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| name.split_whitespace().next().unwrap_or_default().to_owned()),
    );
    let Some(group) = group else { return found.push(path) };
    let (mut depth, mut from) = (0, 0);
    for (at, sign) in group.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                leaves(&group[from..at], &path, found);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !group[from..].trim().is_empty() {
        leaves(&group[from..], &path, found);
    }
}

/// Returns the path from the crate's root; `None` if it leads out of the crate.
fn absolute(path: &[String], module: &[String], modules: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let mut base = module.to_vec();
    match &**first {
        "crate" => return Some(rest.to_vec()),
        "self" => base.extend_from_slice(rest),
        "super" => {
            base.pop();
            let deeper = rest.iter().take_while(|name| *name == "super").count();
            base.truncate(base.len() - deeper);
            base.extend_from_slice(&rest[deeper..]);
        }
        child => {
            base.push(child.to_owned());
            if !modules.contains(&base) {
                return None;
            }
            base.extend_from_slice(rest);
        }
    }
    Some(base)
}

/// Returns the files that each file imports from, resolved through the re-exports of their folders. Imports from the
/// folders that contain the file are left out.
fn imports() -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let sources = sources();
    let modules: BTreeSet<_> = sources.iter().map(|(file, ..)| module_of(file)).collect();
    let (mut uses, mut exports) = (Vec::new(), BTreeMap::new());
    for (file, _, text) in &sources {
        let module = module_of(file);
        for statement in text.split_inclusive(';') {
            let line = |start: &str| statement.rfind(&format!("\n{start}")).map(|at| at + 1 + start.len());
            let exported = ["pub use ", "pub(crate) use ", "pub(super) use "]
                .into_iter()
                .find_map(line);
            let Some(at) = exported.or_else(|| line("use ")) else {
                continue;
            };
            let tree = statement[at..].trim_end_matches(';');
            let exported = exported.is_some();
            let mut found = Vec::new();
            leaves(tree, &[], &mut found);
            for path in found.iter().filter_map(|path| absolute(path, &module, &modules)) {
                if exported {
                    let mut name = module.clone();
                    name.extend(path.last().cloned());
                    exports.insert(name, path);
                } else {
                    uses.push((module.clone(), path));
                }
            }
        }
    }
    let mut imports: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (module, mut path) in uses {
        for _ in 0..8 {
            match exports.get(&path) {
                Some(further) => path.clone_from(further),
                None => break,
            }
        }
        let known = (1..=path.len())
            .rev()
            .map(|end| path[..end].to_vec())
            .find(|known| modules.contains(known));
        if let Some(known) = known.filter(|known| !module.starts_with(known)) {
            imports.entry(module).or_default().insert(known);
        }
    }
    imports
}

#[test]
fn files_import_each_other_in_the_session_only() {
    let mut imports = imports();
    assert!(imports.len() > 150, "{} files import something", imports.len());
    // A file that imports none of the remaining files cannot be in a cycle.
    loop {
        let left: BTreeSet<_> = imports.keys().cloned().collect();
        for used in imports.values_mut() {
            used.retain(|module| left.contains(module));
        }
        let before = imports.len();
        imports.retain(|_, used| !used.is_empty());
        if imports.len() == before {
            break;
        }
    }
    // Neither can a file that none of the remaining files imports.
    loop {
        let used: BTreeSet<_> = imports.values().flatten().cloned().collect();
        let before = imports.len();
        imports.retain(|module, _| used.contains(module));
        if imports.len() == before {
            break;
        }
    }
    let outside: Vec<_> = imports.iter().filter(|(module, _)| module[0] != "session").collect();
    assert!(outside.is_empty(), "in circles, or between two of them: {outside:#?}");
}
