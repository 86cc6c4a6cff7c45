//! The SQL files that a test names. They are found at compile time and compiled in with `include_str!`, so that a
//! change of a file recompiles the test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, LitStr, Result};

use crate::nearest::advice;

/// A folder of migrations: its path, and the files in it.
pub(crate) struct Folder {
    path: String,
    /// Scripts by version.
    scripts: BTreeMap<i64, Script>,
    /// Every SQL file in it, including those that are not applied.
    names: Vec<String>,
}

struct Script {
    description: String,
    file: String,
    path: String,
}

impl Folder {
    /// Reads the names of the files in the folder, relative to the crate's manifest.
    pub(crate) fn read(folder: &LitStr) -> Result<Self> {
        let path = manifest(folder)?.join(folder.value());
        let problem = |message: String| Error::new(folder.span(), message);
        let mut names = sql_files(&path).map_err(|error| {
            problem(format!(
                "cannot read the folder of migrations {}: {error}",
                path.display()
            ))
        })?;
        names.sort();
        let mut scripts = BTreeMap::new();
        for name in &names {
            let Some((version, description)) = migration(name).map_err(problem)? else {
                continue;
            };
            let script = Script {
                description,
                file: name.clone(),
                path: utf8(folder, &path.join(name))?,
            };
            if let Some(other) = scripts.insert(version, script) {
                let other = other.file;
                return Err(problem(format!(
                    "the migrations `{other}` and `{name}` have the same number"
                )));
            }
        }
        if scripts.is_empty() {
            return Err(problem(format!(
                "there is no migration in {}; name a migration like `0001_create_users.sql`",
                path.display()
            )));
        }
        Ok(Self {
            path: utf8(folder, &path)?,
            scripts,
            names,
        })
    }

    /// Returns an expression of type `Migrations`.
    pub(crate) fn expand(&self, hidden: &TokenStream) -> TokenStream {
        let (path, names) = (&self.path, &self.names);
        let scripts = self.scripts.iter().map(|(version, script)| {
            let (description, path) = (&script.description, &script.path);
            quote!(#hidden::Migration {
                version: #version,
                description: #description,
                sql: ::core::include_str!(#path),
            })
        });
        quote!(#hidden::Migrations::folder(#path, &[#(#names),*], &[#(#scripts),*]))
    }
}

/// Returns the number and the description in the name of a migration, as sqlx reads them; `None` for an undo script. A
/// name that sqlx would ignore silently is an error, because every file in the folder is meant to be applied.
fn migration(name: &str) -> std::result::Result<Option<(i64, String)>, String> {
    if name.ends_with(".down.sql") {
        return Ok(None);
    }
    let stem = name.strip_suffix(".up.sql").or(name.strip_suffix(".sql"));
    let parts = stem.and_then(|stem| stem.split_once('_'));
    let numbered = parts.and_then(|(number, description)| Some((number.parse().ok()?, description)));
    match numbered {
        Some((version, description)) => Ok(Some((version, description.replace('_', " ")))),
        None => Err(format!(
            "the migration `{name}` would not be applied, because its name does not begin with a number and `_`, as in \
             `0001_create_users.sql`; rename it, or move it to another folder"
        )),
    }
}

/// Returns a fixture as an expression of type `Script`.
pub(crate) fn fixture(name: &LitStr, hidden: &TokenStream) -> Result<TokenStream> {
    let path = utf8(name, &find_fixture(name)?)?;
    Ok(quote!(#hidden::Script { name: #name, sql: ::core::include_str!(#path) }))
}

/// Finds the file of a fixture. A bare name is a file in a folder `fixtures`; one with a slash or an extension is a
/// path. Both are relative to the folder of the test's source, and then to each folder above it up to that of the
/// manifest.
fn find_fixture(name: &LitStr) -> Result<PathBuf> {
    let wanted = name.value();
    let file = if wanted.contains(['/', '\\']) || is_sql(Path::new(&wanted)) {
        PathBuf::from(&wanted)
    } else {
        Path::new("fixtures").join(format!("{wanted}.sql"))
    };
    let places: Vec<PathBuf> = folders(name)?.iter().map(|folder| folder.join(&file)).collect();
    if let Some(found) = places.iter().find(|path| path.is_file()) {
        return Ok(found.clone());
    }
    let there = places
        .iter()
        .filter_map(|path| sql_files(path.parent()?).ok())
        .flatten();
    let there: BTreeSet<String> = there.map(|file| file.trim_end_matches(".sql").to_owned()).collect();
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
    Err(Error::new(
        name.span(),
        format!(
            "there is no fixture `{wanted}`{}\nlooked for {}",
            advice(&stem, there.iter().map(String::as_str)),
            places.join(" and ")
        ),
    ))
}

/// Returns the folders to search.
fn folders(asked_by: &LitStr) -> Result<Vec<PathBuf>> {
    let manifest = manifest(asked_by)?;
    // Tools that do not compile may not know the file.
    let source = asked_by
        .span()
        .unwrap()
        .local_file()
        .and_then(|file| std::path::absolute(file).ok());
    let beside = source.as_deref().and_then(Path::parent);
    let mut folders: Vec<PathBuf> = beside.map(Path::to_path_buf).into_iter().collect();
    let above = beside.into_iter().flat_map(|folder| folder.ancestors().skip(1));
    folders.extend(
        above
            .filter(|folder| folder.starts_with(&manifest))
            .map(Path::to_path_buf),
    );
    folders.retain(|folder| *folder != manifest);
    folders.push(manifest);
    Ok(folders)
}

fn sql_files(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && is_sql(Path::new(&name))
            && entry.path().is_file()
        {
            names.push(name);
        }
    }
    Ok(names)
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sql")
}

fn manifest(asked_by: &LitStr) -> Result<PathBuf> {
    env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).ok_or_else(|| {
        Error::new(
            asked_by.span(),
            "CARGO_MANIFEST_DIR is not set, so the files cannot be found; compile with Cargo",
        )
    })
}

fn utf8(asked_by: &LitStr, path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let message = format!("the path {} is not UTF-8", path.display());
        Error::new(asked_by.span(), message)
    })
}

#[cfg(test)]
mod tests {
    use super::migration;

    #[test]
    fn migrations_are_named_as_sqlx_names_them() {
        assert_eq!(
            migration("0001_create_users.sql"),
            Ok(Some((1, "create users".to_owned())))
        );
        assert_eq!(migration("20260102_a.up.sql"), Ok(Some((20_260_102, "a".to_owned()))));
        assert_eq!(migration("0001_a.down.sql"), Ok(None));
        for name in [
            "schema.sql",
            "first_users.sql",
            "0001.sql",
            "0001-users.sql",
            "0001users.up.sql",
        ] {
            let message = migration(name).unwrap_err();
            assert!(
                message.contains(name) && message.contains("would not be applied"),
                "{message}"
            );
        }
    }
}
