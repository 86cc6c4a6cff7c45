//! Settings from the environment: the database, and whether failed tests keep theirs.

use std::env;
use std::path::Path;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

const URL: &str = "DATABASE_URL";
const KEEP: &str = "EBBTIDE_KEEP";
const FILE: &str = ".env";

/// Returns the database that `DATABASE_URL` names. It is read from the environment, or else from the nearest `.env`
/// file that sets it, in the crate's folder or one above.
pub(super) fn database(manifest: &str) -> Result<Config> {
    if let Some(url) = variable(URL) {
        return Config::from_url(url).map_err(|error| error.context(format_args!("{URL} in the environment")));
    }
    for folder in Path::new(manifest).ancestors() {
        let path = folder.join(FILE);
        if let Some(url) = in_file(&path)? {
            let place = format!("{URL} in {}", path.display());
            return Config::from_url(url).map_err(|error| error.context(&place));
        }
    }
    Err(
        Error::new(ErrorKind::Config, "no database is configured for the test").help(format!(
            "set {URL} in the environment, write {URL}=… into {}, or give it in the attribute: #[ebbtide::test(url = \"sqlite::memory:\")]",
            Path::new(manifest).join(FILE).display()
        )),
    )
}

fn in_file(path: &Path) -> Result<Option<String>> {
    if !path.is_file() {
        return Ok(None);
    }
    // The cause may quote the line and thereby a password.
    let unreadable = || {
        let message = format!("{} cannot be read", path.display());
        Error::new(ErrorKind::Config, message).help("each line is NAME=value; a value with spaces needs quotes")
    };
    let mut found = None;
    for line in dotenvy::from_path_iter(path).map_err(|_| unreadable())? {
        let (name, value) = line.map_err(|_| unreadable())?;
        if name == URL && !value.is_empty() {
            found = found.or(Some(value));
        }
    }
    Ok(found)
}

/// Returns whether a failed test keeps its database.
pub(super) fn keeps_failed() -> Result<bool> {
    match variable(KEEP).as_deref() {
        None => Ok(false),
        Some("failed") => Ok(true),
        Some(other) => Err(
            Error::new(ErrorKind::Config, format!("{KEEP} has no value {other:?}")).help(format!(
                "{KEEP}=failed keeps the databases of failed tests; unset it to keep none"
            )),
        ),
    }
}

/// Returns an environment variable; an empty one counts as unset.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beside_the_manifest_names_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(in_file(&path).unwrap(), None);
        std::fs::write(
            &path,
            "# ours\nOTHER=1\nexport DATABASE_URL=\"sqlite://a b.db\" # quoted\n",
        )
        .unwrap();
        assert_eq!(in_file(&path).unwrap().as_deref(), Some("sqlite://a b.db"));
        std::fs::write(&path, "DATABASE_URL='postgres://me:secret@x").unwrap();
        let error = in_file(&path).unwrap_err();
        assert!(
            !format!("{error:?}").contains("secret") && std::error::Error::source(&error).is_none(),
            "{error}"
        );
    }
}
