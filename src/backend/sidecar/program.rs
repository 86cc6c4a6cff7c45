//! The programs of the sidecars, which are part of this library.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::target::SidecarKind;

macro_rules! classes {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../../sidecars/jdbc/classes/ebbtide/", $name, ".class")))),*]
    };
}

/// The program of the DB-API modules.
const WORKER: &str = include_str!("../../../sidecars/dbapi2/worker.py");

/// The classes of the JDBC sidecar, with their names.
const CLASSES: &[(&str, &[u8])] = classes![
    "Cancel",
    "Channel",
    "Columns",
    "Derby",
    "Drivers",
    "Failure",
    "Frames",
    "H2",
    "Hsqldb",
    "Kind",
    "MySql",
    "Opened",
    "Payload",
    "Postgres",
    "Product",
    "Refused",
    "Runner",
    "Secrets",
    "Session",
    "Sidecar",
    "Sqlite",
    "Statements",
    "Texts",
    "Words"
];

/// A private folder, which is removed with this.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(why) = std::fs::remove_dir_all(&self.0) {
            tracing::debug!("the folder {} was not removed: {why}", self.0.display());
        }
    }
}

/// Returns the folder with the files of a program, if it needs any.
pub(super) fn folder(kind: SidecarKind) -> io::Result<Option<Folder>> {
    match kind {
        SidecarKind::DbApi => Ok(None),
        SidecarKind::Jdbc => {
            let folder = private_folder()?;
            let package = folder.0.join("ebbtide");
            std::fs::create_dir(&package)?;
            for (name, bytes) in CLASSES {
                std::fs::write(package.join(format!("{name}.class")), bytes)?;
            }
            Ok(Some(folder))
        }
    }
}

/// Adds the arguments that start the program.
pub(super) fn arguments(kind: SidecarKind, folder: Option<&Folder>, command: &mut Command) {
    match (kind, folder) {
        (SidecarKind::DbApi, _) => {
            command.args(["-u", "-c", WORKER]);
        }
        (SidecarKind::Jdbc, folder) => {
            command.arg("-cp");
            command.arg(folder.map_or_else(PathBuf::new, |folder| folder.0.clone()));
            command.arg("ebbtide.Sidecar");
        }
    }
}

/// Creates a folder that only this user can enter.
fn private_folder() -> io::Result<Folder> {
    let folder = std::env::temp_dir().join(format!("ebbtide-{}", uuid()));
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(&folder)?;
    Ok(Folder(folder))
}

/// Returns a name that nobody guesses.
fn uuid() -> String {
    use std::hash::{BuildHasher, Hasher};
    let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b2_every_class_of_the_sidecar_is_part_of_the_library() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sidecars/jdbc/classes/ebbtide");
        let files = std::fs::read_dir(folder).unwrap().flatten();
        let mut files: Vec<_> = files
            .map(|file| file.file_name().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let classes: Vec<_> = CLASSES.iter().map(|(name, _)| format!("{name}.class")).collect();
        assert_eq!(classes, files);
    }

    #[test]
    fn b9_the_folder_is_private_and_removed() {
        let folder = folder(SidecarKind::Jdbc).unwrap().unwrap();
        let path = folder.0.clone();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert!(path.join("ebbtide/Sidecar.class").is_file());
        drop(folder);
        assert!(!path.exists());
    }
}
