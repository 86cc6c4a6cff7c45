//! The file of a database, which has one writer at a time, under whichever of its names.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::backend::{DatabaseIdentity, Writers};
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
use crate::{config::Config, sql::Dialect};

/// The file of a database, which may not exist yet.
#[derive(Clone, Debug)]
pub(in crate::backend) struct DatabaseFile {
    path: PathBuf,
    /// The identity of the file, once it exists.
    found: OnceLock<DatabaseIdentity>,
}

impl DatabaseFile {
    pub(in crate::backend) fn new(path: PathBuf) -> Self {
        Self {
            path,
            found: OnceLock::new(),
        }
    }

    /// Returns the file of a driver outside of the program, if it is one.
    #[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
    pub(in crate::backend) fn of(config: &Config) -> Option<Self> {
        let path = config.url().database()?;
        let in_memory = path.is_empty() || path.contains(":memory:") || path.contains("mode=memory");
        if config.dialect() != Dialect::Sqlite || in_memory || config.url().option("mode") == Some("memory") {
            return None;
        }
        let path = path.strip_prefix("file:").unwrap_or(path);
        Some(Self::new(PathBuf::from(path.split('?').next().unwrap_or(path))))
    }

    /// Returns who takes turns with its writers.
    pub(in crate::backend) fn writers(&self) -> Writers {
        if let Some(file) = self.found.get() {
            return Writers::Of(file.clone());
        }
        match identity(&self.path) {
            Some(file) => Writers::Of(self.found.get_or_init(|| file).clone()),
            None => Writers::Unknown(DatabaseIdentity::Path(
                std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone()),
            )),
        }
    }
}

impl PartialEq for DatabaseFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for DatabaseFile {}

/// Returns the identity of the file at a path, over links of either sort.
#[cfg(unix)]
fn identity(path: &Path) -> Option<DatabaseIdentity> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).ok()?;
    Some(DatabaseIdentity::File {
        device: file.dev(),
        number: file.ino(),
    })
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<DatabaseIdentity> {
    std::fs::canonicalize(path).ok().map(DatabaseIdentity::Path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn x13_a_file_is_known_over_links_and_relative_paths() {
        let folder = std::env::temp_dir().join(format!("ebbtide-file-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        let file = folder.join("a.db");
        assert_eq!(identity(&file), None, "it is not there yet");
        std::fs::write(&file, "").unwrap();
        std::fs::hard_link(&file, folder.join("hard.db")).unwrap();
        std::os::unix::fs::symlink(&file, folder.join("soft.db")).unwrap();
        std::fs::write(folder.join("b.db"), "").unwrap();
        let one = identity(&file);
        assert!(one.is_some());
        for same in ["hard.db", "soft.db", "sub/../a.db", "./a.db"] {
            assert_eq!(identity(&folder.join(same)), one, "{same}");
        }
        assert_ne!(identity(&folder.join("b.db")), one);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
