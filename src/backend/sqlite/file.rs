//! A database in a file, which other databases of this process may have too, under any of its names.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use sqlx::Sqlite;

use crate::backend::sqlx::SqlxConnector;
use crate::backend::{Connector, DatabaseIdentity, RawConnection, Writers};
use crate::error::Result;
use crate::sql::{Dialect, SeenServer};

/// A connector for one file.
#[derive(Debug)]
pub(super) struct FileConnector {
    inner: SqlxConnector<Sqlite>,
    path: PathBuf,
    read_only: bool,
    /// The identity of the file, once it exists.
    file: OnceLock<DatabaseIdentity>,
}

impl FileConnector {
    pub(super) fn new(inner: SqlxConnector<Sqlite>, path: PathBuf, read_only: bool) -> Self {
        Self {
            inner,
            path,
            read_only,
            file: OnceLock::new(),
        }
    }
}

impl Connector for FileConnector {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn seen(&self) -> &SeenServer {
        self.inner.seen()
    }

    fn runtime_bound(&self) -> bool {
        self.inner.runtime_bound()
    }

    fn writers(&self) -> Writers {
        if self.read_only {
            return Writers::Many;
        }
        if let Some(file) = self.file.get() {
            return Writers::Of(file.clone());
        }
        match identity(&self.path) {
            Some(file) => Writers::Of(self.file.get_or_init(|| file).clone()),
            None => Writers::Unknown(DatabaseIdentity::Path(
                std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone()),
            )),
        }
    }

    fn private(&self) -> Option<Arc<dyn Connector>> {
        self.inner.private()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        self.inner.connect()
    }
}

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
