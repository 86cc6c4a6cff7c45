//! The files of SQL that a test names: found when it is compiled, and compiled in with `include_str!`, so that a change
//! of theirs compiles it again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, LitStr, Result};

use crate::nearest::advice;

/// A folder of migrations: its path, and the files in it.
pub(crate) struct Folder {
    path: String,
    /// By their versions.
    scripts: BTreeMap<i64, Script>,
    /// Every file of SQL in it, also those that are not applied.
    names: Vec<String>,
}

struct Script {
    description: String,
    file: String,
    path: String,
}

impl Folder {
    /// Reads the names of the files in the folder, seen from the folder of the crate's manifest.
    pub(crate) fn read(folder: &LitStr) -> Result<Self> {
        let path = manifest(folder)?.join(folder.value());
        let problem = |message: String| Error::new(folder.span(), message);
        let mut names = sql_files(&path).map_err(|error| {
            problem(format!("cannot read the folder of migrations {}: {error}", path.display()))
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
                return Err(problem(format!("the migrations `{other}` and `{name}` have one number")));
            }
        }
        if scripts.is_empty() {
            return Err(problem(format!(
                "there is no migration in {}; one is named like `0001_create_users.sql`",
                path.display()
            )));
        }
        Ok(Self {
            path: utf8(folder, &path)?,
            scripts,
            names,
        })
    }

    /// An expression of type `Migrations`.
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

/// The number and the description in the name of a migration, as sqlx reads them; `None` for files that are not applied.
fn migration(name: &str) -> std::result::Result<Option<(i64, String)>, String> {
    if name.ends_with(".down.sql") {
        return Ok(None);
    }
    let stem = name.strip_suffix(".up.sql").or(name.strip_suffix(".sql"));
    let Some((number, description)) = stem.and_then(|stem| stem.split_once('_')) else {
        return Ok(None);
    };
    match number.parse() {
        Ok(version) => Ok(Some((version, description.replace('_', " ")))),
        Err(_) => Err(format!(
            "the migration `{name}` does not begin with a number, as in `0001_create_users.sql`"
        )),
    }
}

/// A fixture, as an expression of type `Script`.
pub(crate) fn fixture(name: &LitStr, hidden: &TokenStream) -> Result<TokenStream> {
    let path = utf8(name, &find_fixture(name)?)?;
    Ok(quote!(#hidden::Script { name: #name, sql: ::core::include_str!(#path) }))
}

/// A bare name is a file in `fixtures/` beside the test or beside the manifest; one with a slash or an ending is a path.
fn find_fixture(name: &LitStr) -> Result<PathBuf> {
    let wanted = name.value();
    let is_path = wanted.contains(['/', '\\']) || wanted.ends_with(".sql");
    let manifest = manifest(name)?;
    let beside = name.span().unwrap().local_file();
    let beside = beside.as_deref().and_then(Path::parent).and_then(|folder| std::path::absolute(folder).ok());
    let mut folders: Vec<PathBuf> = beside.into_iter().collect();
    folders.push(manifest);
    if !is_path {
        folders.iter_mut().for_each(|folder| folder.push("fixtures"));
    }
    folders.dedup();
    let file = if is_path { wanted.clone() } else { format!("{wanted}.sql") };
    if let Some(found) = folders.iter().map(|folder| folder.join(&file)).find(|path| path.is_file()) {
        return Ok(found);
    }
    let there: Vec<String> = folders.iter().filter_map(|folder| sql_files(folder).ok()).flatten().collect();
    let names = there.iter().map(|file| if is_path { file } else { file.trim_end_matches(".sql") });
    let places: Vec<String> = folders.iter().map(|folder| folder.join(&file).display().to_string()).collect();
    Err(Error::new(
        name.span(),
        format!(
            "there is no fixture `{wanted}`{}\nlooked for {}",
            advice(&wanted, names),
            places.join(" and ")
        ),
    ))
}

fn sql_files(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && name.ends_with(".sql")
            && entry.path().is_file()
        {
            names.push(name);
        }
    }
    Ok(names)
}

fn manifest(asked_by: &LitStr) -> Result<PathBuf> {
    env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).ok_or_else(|| {
        Error::new(
            asked_by.span(),
            "CARGO_MANIFEST_DIR is not set, so nobody knows where the files are; compile with Cargo",
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
        assert_eq!(migration("0001_create_users.sql"), Ok(Some((1, "create users".to_owned()))));
        assert_eq!(migration("20260102_a.up.sql"), Ok(Some((20_260_102, "a".to_owned()))));
        assert_eq!(migration("0001_a.down.sql"), Ok(None));
        assert_eq!(migration("schema.sql"), Ok(None));
        assert!(migration("first_users.sql").is_err());
    }
}
